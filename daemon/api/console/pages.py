"""The pages of the console: each reads a snapshot, and writes it by a template."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from daemon.api.console import view
from daemon.api.console.gate import LOGIN, PATH, Gate, Visit, cookies_of, with_cookie
from daemon.api.console.sessions import Session
from daemon.api.modems import recipient
from daemon.api.operator import MAX_HISTORY, details, streamed
from daemon.api.params import HttpError, Mistake, Parameters, gather
from daemon.api.voice import callee, some_digits
from daemon.clock import zoned_text
from daemon.core.masking import without_numbers
from daemon.core.rate_limits import Buckets
from daemon.lanes.sms import NoSuchModem, SmsLane
from daemon.lanes.voice import TrialEnd, VoiceLane
from daemon.operations.status import Health
from daemon.store.contract import HistoryLine, Reading, StoreUnusable
from drivers import CallPhase, DriverError, Refused

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
STATIC = {"console.css": "text/css", "console.js": "text/javascript"}
EVENTS, LISTED = 15, 50
LIVE_S, CALM_S = 5.0, 1.0  # a page is written again this often; and not more often than that
TESTS_A_SECOND, TESTS_AT_ONCE = 1 / 30, 3


@dataclass(frozen=True)
class Console:
    """Of one daemon. listeners: where a browser on this machine finds it. tests: of messages that may still be sent."""

    listeners: tuple[str, ...] = ()
    gate: Gate = field(default_factory=Gate)
    calling: set[asyncio.Task[None]] = field(default_factory=set)
    tests: Buckets[str] = field(default_factory=lambda: Buckets(TESTS_A_SECOND, TESTS_AT_ONCE))

    @cached_property
    def templates(self) -> "Environment":
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # late: most daemons have no console

        loader = FileSystemLoader(HERE / "templates")
        return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)

    def link(self) -> dict[str, Any]:
        """A link that opens one session: its path, and the listeners of this machine that it may follow."""
        return {"path": f"{LOGIN}#{self.gate.sessions.link(monotonic())}", "listeners": list(self.listeners)}

    def page(self, template: str, code: int = 200, /, **values: Any) -> Response:
        """code: the HTTP status."""
        text = self.templates.get_template(template).render(path=PATH, **values)
        return Response(text, code, media_type="text/html")


def _console(http: HttpRequest) -> Console:
    console: Console = http.app.state.console
    return console


# --- the way in ---


async def login(http: HttpRequest) -> Response:
    """The page reads the token behind #, which no server and no log sees, and sends it back."""
    return _console(http).page("login.html", refused=False)


async def enter(http: HttpRequest) -> Response:
    """token: alone, or the whole link, as somebody whose browser runs no script puts it into the form."""
    given = await gather(http)
    token = (given.text("token") or "").rpartition("#")[2]
    cookie = _console(http).gate.sessions.enter(token, monotonic())
    if cookie is None:
        return _console(http).page("login.html", 403, refused=True)
    return with_cookie(RedirectResponse(f"{PATH}/", 303), cookie, secure=http.url.scheme == "https")


async def leave(visit: Visit) -> Response:
    for cookie in cookies_of(visit.http):
        _console(visit.http).gate.sessions.leave(cookie)
    return RedirectResponse(LOGIN, 303)


# --- what is there ---


async def home(_: Visit) -> Response:
    return RedirectResponse(f"{PATH}/", 303)


async def overview(visit: Visit) -> Response:
    console = _console(visit.http)
    return console.page("overview.html", here="Overview", **await _shown(visit))


async def parts(visit: Visit) -> Response:
    """The part of the overview that changes."""
    return _console(visit.http).page("parts.html", **await _shown(visit))


async def _shown(visit: Visit) -> dict[str, Any]:
    health: Health = visit.http.app.state.health
    report, lines = await asyncio.gather(health.report(), _newest(visit.http))
    return view.overview(report, map(_event, lines)) | {"notice": visit.session.notice}


async def _newest(http: HttpRequest) -> list[HistoryLine]:
    """The newest first; none while the database cannot be read."""

    def query(reading: Reading) -> list[HistoryLine]:
        return reading.history(max(reading.last_seq() - EVENTS, 0), EVENTS)[::-1]

    try:
        return await http.app.state.engine.store.browse(query)  # type: ignore[no-any-return]
    except StoreUnusable:
        return []


def _event(line: HistoryLine) -> dict[str, Any]:
    at = zoned_text(line.at)
    return {"at": at, "request_id": line.request_id, "kind": line.kind, "step": line.step, "detail": line.detail}


async def requests(visit: Visit) -> Response:
    active = visit.http.query_params.get("active") == "1"

    def query(reading: Reading) -> Any:
        return json.loads(reading.listing.requests(active_only=active, limit=LISTED))

    found = await visit.http.app.state.engine.store.browse(query)
    here = "In progress" if active else "All requests"
    return _console(visit.http).page("requests.html", here=here, requests=found, active=active)


async def request(visit: Visit) -> Response:
    wanted = visit.http.path_params["request_id"]

    def query(reading: Reading) -> dict[str, Any]:
        with reading.one_moment():
            row = reading.request(wanted)
            if row is None:
                raise HttpError(404, "No such request", f"There is no request {wanted!r}.")
            history = reading.listing.history_of(wanted, MAX_HISTORY)
        return details(row[1]) | {"history": json.loads(history)}

    found = await visit.http.app.state.engine.store.browse(query)
    return _console(visit.http).page("request.html", here="", **view.request(found))


async def live(visit: Visit) -> Response:
    """Server-sent events without content: each says that the page may be written again."""
    return streamed(visit.http, _ticks(visit))


async def _ticks(visit: Visit) -> AsyncIterator[str]:
    engine = visit.http.app.state.engine
    while _console(visit.http).gate.session(visit.http) is not None:
        yield "data:\n\n"
        await engine.wait_for_news(LIVE_S)
        await asyncio.sleep(CALM_S)


async def static(http: HttpRequest) -> Response:
    name = http.path_params["name"]
    if name not in STATIC:
        raise HttpError(404, "No such file", f"The console has no file {name!r}.")
    return Response((HERE / "static" / name).read_bytes(), media_type=STATIC[name])


# --- what an operator may do ---


async def test_sms(visit: Visit) -> Response:
    """A test message by one modem; what came of it stands on the overview."""
    visit.session.notice = await _tested(visit.http, await gather(visit.http))
    return RedirectResponse(f"{PATH}/", 303)


async def test_call(visit: Visit) -> Response:
    """A test call; how it goes on stands on the overview."""
    lane: VoiceLane | None = visit.http.app.state.health.snapshots.calls
    given, digits = await gather(visit.http), some_digits()
    try:
        if lane is None:
            raise Refused("no voice driver is configured")
        number, locale = callee(given, visit.http.app.state.verify.security)
        if not _console(visit.http).tests.take("call", monotonic()):
            raise Refused("wait half a minute between tests")
        steps = lane.tests.call(number, digits, locale)
        visit.session.notice = view.step(await anext(steps), digits)
    except (Mistake, DriverError) as exc:
        visit.session.notice = f"No call was made: {without_numbers(str(exc))}"
    else:
        calling = _console(visit.http).calling
        task = asyncio.create_task(_called(visit.session, steps, digits), name="console-call")
        calling.add(task)
        task.add_done_callback(calling.discard)
    return RedirectResponse(f"{PATH}/", 303)


async def _called(session: Session, steps: AsyncIterator[CallPhase | TrialEnd], digits: str) -> None:
    async for step in steps:
        session.notice = view.step(step, digits)


async def _tested(http: HttpRequest, given: Parameters) -> str:
    lane: SmsLane | None = http.app.state.health.snapshots.sms
    if lane is None:
        return "No modem is configured."
    try:
        number = recipient(given.required("to"), http.app.state.verify.security)
        slot = lane.pool.slot(given.required("modem"))
        if not _console(http).tests.take("sms", monotonic()):
            return "No message was sent: wait half a minute between tests."
        result = await lane.tests.send(slot, number, 0.0)
    except Mistake as exc:
        return f"No message was sent: {exc}"
    except (NoSuchModem, StoreUnusable, DriverError) as exc:
        return f"No message was sent: {without_numbers(str(exc))}"
    return f"The network took a test message of {slot.name} in {result.sent_s:.1f} s."
