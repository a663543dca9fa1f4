"""The application: one table of routes, and what happens to a request that none of them takes."""

import asyncio
import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from daemon.api import modems, operator
from daemon.api.access import Access
from daemon.api.params import HttpError, Mistake
from daemon.api.verify import Bucket, Verify, route
from daemon.config import Config
from daemon.engine import Engine
from daemon.status import Health

log = logging.getLogger("pinwheel.api")

BOTH = ["GET", "POST"]


async def not_yet(http: HttpRequest) -> Response:
    raise HttpError(404, "Not offered", f"{http.url.path} is not offered by this gateway; JSON calls of Verify v1 are.")


ROUTES = [
    Route("/verify/json", route(Verify.start), methods=BOTH),
    Route("/verify/check/json", route(Verify.check), methods=BOTH),
    Route("/verify/search/json", route(Verify.search), methods=BOTH),
    Route("/verify/control/json", route(Verify.control), methods=BOTH),
    Route("/verify/{rest:path}", not_yet, methods=BOTH),
    Route("/v1/status", operator.status),
    Route("/v1/requests", operator.requests),
    Route("/v1/requests/{request_id}", operator.request),
    Route("/v1/modems", modems.modems),
    Route("/v1/modems/{name}/{action}", modems.act, methods=["POST"]),
    Route("/v1/voice", operator.voice),
    Route("/v1/events", operator.events),
    Route("/healthz", operator.healthz),
]


def application(config: Config, engine: Engine, health: Health, stopping: asyncio.Event) -> Starlette:
    """The ASGI application. Raises OSError if an account's secret file cannot be read."""
    handlers = {HTTPException: _http_exception, HttpError: _http_error, Mistake: _mistake, Exception: _crash}
    app = Starlette(routes=ROUTES, exception_handlers=handlers)  # type: ignore[arg-type]
    app.state.engine = engine
    app.state.health = health
    app.state.stopping = stopping
    app.state.streams = set()
    app.state.access = Access(config.api.allow_uids, config.account)
    app.state.verify = Verify(
        engine, config.security, config.workflows, config.channels, Bucket(config.security.requests_per_second)
    )
    return app


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error as RFC 9457 has it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def _http_error(_: HttpRequest, exc: HttpError) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="pinwheel"'} if exc.status == 401 else None
    return problem(exc.status, exc.title, exc.detail, headers)


def _mistake(_: HttpRequest, exc: Mistake) -> Response:
    return JSONResponse({"status": str(exc.status), "error_text": str(exc)})


def _http_exception(http: HttpRequest, exc: HTTPException) -> Response:
    detail = {
        404: f"There is nothing at {http.url.path}.",
        405: f"{http.method} is not allowed here; allowed: {(exc.headers or {}).get('Allow', 'GET')}.",
    }
    return problem(exc.status_code, exc.detail, detail.get(exc.status_code, exc.detail), dict(exc.headers or {}))


def _crash(http: HttpRequest, exc: Exception) -> Response:
    log.error("path=%s error=%s", http.url.path, type(exc).__name__)
    if http.url.path.startswith("/verify/"):
        return JSONResponse({"status": "5", "error_text": "Internal error"})
    return problem(500, "Internal error", "The daemon's log says more.")
