"""The application: one table of routes, and what happens to a request that none of them takes."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from daemon.api import alert, forget, modems, operator, voice
from daemon.api import v1_statuses as v1
from daemon.api.access import Access, Role, on_socket
from daemon.api.direct_routes import DirectRoutes, Endpoint, ErrorAnswer
from daemon.api.handler import ApiCall, Handler
from daemon.api.origin import led_here
from daemon.api.params import HttpError, Mistake, Parameters, foreign, gather, header, store_away
from daemon.api.under_way import UnderWay
from daemon.api.verify import START, Verify, answered, refusal
from daemon.config import Config, Security
from daemon.core.ownership import Caller
from daemon.core.rate_limits import Buckets
from daemon.engine import Engine
from daemon.operations.alert_sender import AlertSender
from daemon.operations.forgetting import Forgetting
from daemon.operations.metrics import Metrics
from daemon.operations.reloading import Reloader
from daemon.operations.status import Health
from daemon.store.contract import StoreUnusable

log = logging.getLogger("pinwheel.api")

GET, POST = ["GET"], ["POST"]
BOTH = GET + POST


async def not_yet(call: ApiCall) -> Response:
    path = call.http.url.path
    raise HttpError(404, "Not offered", f"{path} is not offered by this gateway; JSON calls of Verify v1 are.")


async def console_link(call: ApiCall) -> Response:
    """POST: a link into the console, which works once."""
    console = call.http.app.state.console
    if console is None:
        raise HttpError(404, "No console", "The console is off: set [api] console = true, and restart the daemon.")
    return JSONResponse(console.link())


ROUTES: tuple[tuple[str, list[str], Role, Handler], ...] = (
    (START, BOTH, Role.VERIFY, answered(Verify.start)),
    ("/verify/check/json", BOTH, Role.VERIFY, answered(Verify.check)),
    ("/verify/search/json", BOTH, Role.VERIFY, answered(Verify.search)),
    ("/verify/control/json", BOTH, Role.VERIFY, answered(Verify.control)),
    ("/verify/{rest:path}", BOTH, Role.OPEN, not_yet),
    ("/v1/status", GET, Role.OPERATE, operator.status),
    ("/v1/doctor", GET, Role.OPERATE, operator.doctor),
    ("/v1/requests", GET, Role.OPERATE, operator.requests),
    ("/v1/requests/{request_id}", GET, Role.OPERATE, operator.request),
    ("/v1/modems", GET, Role.OPERATE, modems.modems),
    ("/v1/modems/{name}/{action}", POST, Role.OPERATE, modems.act),
    ("/v1/voice", GET, Role.OPERATE, voice.voice),
    ("/v1/voice/test", POST, Role.OPERATE, voice.test),
    ("/v1/events", GET, Role.OPERATE, operator.events),
    ("/v1/reload", POST, Role.OPERATE, operator.reload),
    ("/v1/forget", POST, Role.OPERATE, forget.forget),
    ("/v1/alert", GET, Role.OPERATE, alert.state),
    ("/v1/alert/{action}", POST, Role.OPERATE, alert.act),
    ("/v1/console/link", POST, Role.OPERATE, console_link),
    ("/metrics", GET, Role.OPERATE, operator.metrics),
    ("/healthz", GET, Role.OPEN, operator.healthz),
)
"""Path, methods, what a caller must be, handler."""
VERIFY_ROUTES = frozenset(path for path, _, role, _ in ROUTES if role is Role.VERIFY)


def guarded(role: Role, handler: Handler) -> Endpoint:
    """The one place where a call is let through to its handler, or not."""

    async def endpoint(http: HttpRequest) -> ASGIApp:
        if on_socket(http) and led_here(header(http, b"host"), header(http, b"user-agent")):
            raise HttpError(403, "Not this address", "A browser, or a Host with a port, must call it localhost.")
        if role is Role.OPEN:
            return await handler(ApiCall(http, Parameters(()), Caller()))
        if foreign(http):  # a browser that may reach us, say through a tunnel, must not obey everybody's pages
            raise HttpError(403, "From another site", "A page of another site sent this; nothing was done.")
        given = await gather(http)
        try:
            return await handler(ApiCall(http, given, await http.app.state.access.admit(role, http, given)))
        except Mistake as exc:
            if role is Role.OPERATE:  # whose routes speak HTTP, not the codes of Verify
                raise HttpError(400, "Bad parameter", str(exc)) from None
            raise

    return endpoint


def application(
    config: Config,
    engine: Engine,
    health: Health,
    reloader: Reloader,
    forgetting: Forgetting,
    alert_sender: AlertSender,
) -> UnderWay:
    """The ASGI application, which ends at a stop. Raises OSError if an account's secret file cannot be read."""
    errors: dict[type[Exception], ErrorAnswer]
    errors = {HTTPException: _http_exception, HttpError: _http_error, Mistake: _mistake, StoreUnusable: _away}
    endpoints = [(path, methods, guarded(role, handler)) for path, methods, role, handler in ROUTES]
    routes = [Route(path, endpoint, methods=methods) for path, methods, endpoint in endpoints]
    console = None
    if config.api.console:
        from daemon.api.console import routes as of_console  # late: most daemons have no console

        console = of_console.console(config.api)
        routes += of_console.ROUTES
    app = Starlette(routes=routes, exception_handlers={**errors, Exception: _crash})
    app.router.redirect_slashes = False  # clients do not follow a redirect with body and credentials
    app.state.engine = engine
    app.state.health = health
    app.state.reloader = reloader
    app.state.forgetting = forgetting
    app.state.alert_sender = alert_sender
    app.state.console = console
    app.state.streams = set()
    app.state.metrics = Metrics(health, config.workflows, config.store.path, _country, VERIFY_ROUTES)
    app.state.access = Access(config.api, config.account, config.operator)
    app.state.verify = Verify(engine, config.security, config.workflows, config.channels, _starts(config.security))
    reloader.owners.append(partial(_prepared, app.state))
    direct = DirectRoutes(
        app, (each for each in endpoints if "{" not in each[0]), errors, _crash, app.state.metrics.observe
    )
    return UnderWay(direct, VERIFY_ROUTES, _stopped)


def _prepared(state: State, config: Config) -> Callable[[], None]:
    """For a reload: what of another configuration is the application's. Raises OSError, as `application`."""
    access, verify = Access(config.api, config.account, config.operator), state.verify
    access.remember(state.access)
    same_rate = config.security.requests_per_second == verify.security.requests_per_second
    starts = verify.starts if same_rate else _starts(config.security)

    def apply() -> None:
        if state.console is not None and not access.same_operators(state.access):
            state.console.gate.sessions.end()  # nobody looks on who may not any more
        state.access = access
        state.verify = replace(verify, security=config.security, workflows=config.workflows, starts=starts)
        state.metrics.watch((modem.name for modem in config.modem), config.workflows)

    return apply


def _country(number: str) -> str:
    from daemon.api.numbering import country_of  # late: a start need not wait for phonenumbers

    return country_of(number)


def _starts(security: Security) -> Buckets[tuple[str, str]]:
    return Buckets(security.requests_per_second, security.requests_per_second)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error as RFC 9457 has it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def _http_error(_: HttpRequest, exc: HttpError) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="pinwheel"'} if exc.status == 401 else None
    return problem(exc.status, exc.title, exc.detail, headers)


def _away(http: HttpRequest, _: StoreUnusable) -> Response:
    return _http_error(http, store_away())


def _mistake(http: HttpRequest, exc: Mistake) -> Response:
    return JSONResponse(refusal(http.url.path, exc.sentence))


def _http_exception(http: HttpRequest, exc: HTTPException) -> Response:
    allowed = ", ".join(sorted((exc.headers or {}).get("Allow", "GET").split(", ")))  # Starlette keeps them in a set
    detail = {
        404: f"There is nothing at {http.url.path}.",
        405: f"{http.method} is not allowed here; allowed: {allowed}.",
    }
    headers = {**(exc.headers or {}), "Allow": allowed} if exc.status_code == 405 else dict(exc.headers or {})
    return problem(exc.status_code, exc.detail, detail.get(exc.status_code, exc.detail), headers)


def _crash(http: HttpRequest, exc: Exception) -> Response:
    log.error("path=%s error=%s", http.url.path, type(exc).__name__)
    if http.url.path.startswith("/verify/"):
        return JSONResponse(refusal(http.url.path, v1.INTERNAL))
    return problem(500, "Internal error", "The daemon's log says more.")


def _stopped(path: str) -> Response:
    """In place of an answer that the daemon, which stops, does not wait for."""
    if path in VERIFY_ROUTES:
        return JSONResponse(refusal(path, v1.INTERNAL))
    return problem(503, "Stopping", "The daemon stops, so nobody waits for the end of this; it may still be done.")
