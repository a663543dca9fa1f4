"""The operator's routes: /v1/status, /v1/doctor, /v1/requests, /v1/events, /metrics, /healthz."""

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from daemon.api.access import on_socket
from daemon.api.handler import ApiCall
from daemon.api.json_response import written
from daemon.api.params import HttpError
from daemon.clock import zoned_text
from daemon.core.model import AttemptState, Request
from daemon.core.request_states import pin_letter
from daemon.operations.metrics import CONTENT_TYPE, Metrics
from daemon.operations.reloading import Reloader
from daemon.operations.status import Health
from daemon.store.contract import MAX_CHECKS, Reading, StoreUnusable
from daemon.store.store import Store

PAGE = 100  # events that are read and sent at a time
MAX_HISTORY = 500
MAX_LIST = 1000
KEEP_ALIVE_S = 15.0
MAX_STREAMS = 64
EVENT_STREAM = "text/event-stream"


async def healthz(call: ApiCall) -> Response:
    """200 while requests can be stored and something can be sent, 503 otherwise; open to whoever reaches the listener.

    reasons: what does not work, such as "voice failed: ..."; also where something else does. On TCP, where nobody
    gives credentials here, they are left out: they name modems and servers.
    """
    health: Health = call.http.app.state.health
    found = health.examined()
    trouble, reasons = found.health, found.reasons if on_socket(call.http) else []
    answer = {"status": trouble or "ok", "reasons": reasons}
    return JSONResponse(answer | {"detail": "; ".join([trouble, *reasons])}, 503) if trouble else JSONResponse(answer)


async def doctor(call: ApiCall) -> Response:
    """What the daemon judges of itself, a verdict for each check and device; for `pinwheel doctor`."""
    from daemon.operations.doctor.self_check import listed  # late, as in Health

    health: Health = call.http.app.state.health
    return JSONResponse({"checks": listed((await health.examined_around(health.snapshots.take())).results)})


async def status(call: ApiCall) -> Response:
    """The daemon, its devices, its requests and what is wrong."""
    health: Health = call.http.app.state.health
    return JSONResponse(await health.report())


async def reload(call: ApiCall) -> Response:
    """POST: take up the configuration and the prompts; 200 once that is done, 409 if it failed."""
    reloader: Reloader = call.http.app.state.reloader
    done = await reloader.reload()
    answer = asdict(done)
    if not done.mistakes:
        return JSONResponse(answer)
    return JSONResponse(answer | {"detail": "the reload failed: " + "; ".join(done.mistakes)}, 409)


async def metrics(call: ApiCall) -> Response:
    """In the text format of Prometheus."""
    found: Metrics = call.http.app.state.metrics
    return Response(await found.text(), headers={"Content-Type": CONTENT_TYPE})


async def requests(call: ApiCall) -> Response:
    """?active=1: only those in progress; ?limit=N."""
    http = call.http
    limit = min(_whole(http, "limit", 50), MAX_LIST)
    active_only = http.query_params.get("active") == "1"

    def query(reading: Reading) -> Response:
        return _json('{"requests":' + reading.listing.requests(active_only=active_only, limit=limit) + "}")

    return await _browse(http, query)


async def request(call: ApiCall) -> Response:
    """A request with its deliveries, checks and history; the number in full."""
    wanted = call.http.path_params["request_id"]

    def query(reading: Reading) -> Response:
        with reading.one_moment():
            found = reading.request(wanted)
            if found is None:
                raise HttpError(404, "No such request", f"There is no request {wanted!r}.")
            row, request = found
            checks = reading.listing.checks_of(row, MAX_CHECKS)
            history = reading.listing.history_of(wanted, MAX_HISTORY)
        return _json(f'{written(details(request))[:-1]},"checks":{checks},"history":{history}}}')

    return await _browse(call.http, query)


async def _browse(http: HttpRequest, query: Callable[[Reading], Response]) -> Response:
    """An answer that is read and written out on a thread: a large one delays nobody."""
    store: Store = http.app.state.engine.store
    return await store.browse(query)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


async def events(call: ApiCall) -> Response:
    """Server-sent events: behind Last-Event-ID or ?after=SEQ, or ?last=N lines back; ?follow=0 ends at the end."""
    http = call.http
    last = await http.app.state.engine.store.browse(lambda reading: reading.last_seq())
    after = http.headers.get("last-event-id") or http.query_params.get("after")
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise HttpError(400, "Bad position", "Last-Event-ID and ?after= take the id of an event.")
    start = int(after) if after is not None else max(last - _whole(http, "last", 0), 0)
    return streamed(http, _stream(call, start, follow=http.query_params.get("follow") != "0"))


def streamed(http: HttpRequest, lines: AsyncIterator[str]) -> Response:
    """Server-sent events, if there is room for one more stream. Raises HttpError."""
    if http.method == "HEAD":  # an answer without a body has an end
        return Response(media_type=EVENT_STREAM)
    streams: set[EventStream] = http.app.state.streams
    if len(streams) >= MAX_STREAMS:
        raise HttpError(503, "Too many listeners", f"At most {MAX_STREAMS} event streams are served at a time.")
    stream = EventStream(lines, streams)
    streams.add(stream)
    return stream


class EventStream(StreamingResponse):
    """Leaves the set of open streams when it ends, also if it ends before its first line."""

    def __init__(self, lines: AsyncIterator[str], open_streams: "set[EventStream]") -> None:
        super().__init__(lines, media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})
        self._open_streams = open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._open_streams.discard(self)


async def _stream(call: ApiCall, after: int, *, follow: bool) -> AsyncIterator[str]:
    state, engine, access = call.http.app.state, call.http.app.state.engine, call.http.app.state.access
    yield f": pinwheel events\nid: {after}\n\n"  # whoever is cut off now comes again with it
    while True:
        if state.access is not access:  # after a reload: whoever comes again hears why it ended
            access = state.access
            if not await access.still_operates(call.http, call.given):
                return
        news = engine.news
        try:
            after, text = await engine.store.browse(partial(_page, after))
        except StoreUnusable:
            return  # the client comes again with the last id that it has
        if not text and not follow:
            return
        yield text or ": still here\n\n"
        if not text:
            await engine.wait_for_news(KEEP_ALIVE_S, news)


def _page(after: int, reading: Reading) -> tuple[int, str]:
    return reading.listing.events(after, PAGE)


def details(request: Request) -> dict[str, Any]:
    """A request alone, with its deliveries. `pin` is the letter of the PIN (A, B...), never the PIN."""
    attempts = [
        {
            "event": a.step + 1,
            "channel": str(a.channel),
            "pin": pin_letter(a.generation),
            "state": str(AttemptState.QUEUED if a.state.waits else a.state),
            "device": a.device,
            "queued": zoned_text(a.queued_at),
            "settled": zoned_text(a.settled_at),
            "detail": a.detail,
        }
        for a in request.attempts
    ]
    return {
        "request_id": request.id,
        "number": request.number,
        "brand": request.brand,
        "status": str(request.status),
        "workflow_id": request.workflow_id,
        "event": request.step,
        "events": len(request.steps),
        "submitted": zoned_text(request.created_at),
        "due": zoned_text(request.due_at),
        "finalized": zoned_text(request.finalized_at),
        "locale": request.locale,
        "attempts": attempts,
    }


def _whole(http: HttpRequest, name: str, default: int) -> int:
    value = http.query_params.get(name, str(default))
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise HttpError(400, "Bad parameter", f"?{name}= takes a whole number.")
    return int(value)
