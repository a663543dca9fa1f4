"""What goes past Starlette's router is answered as what goes through it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from daemon.api.direct_routes import DirectRoutes


class Refused(Exception):
    """An error with an answer of its own."""


class RefusedForGood(Refused):
    """It is answered as what it derives from."""


async def works(http: Request) -> Response:
    return PlainTextResponse(f"{http.method} {http.app.state.name}")


async def refuses(_: Request) -> Response:
    raise Refused


async def refuses_for_good(_: Request) -> Response:
    raise RefusedForGood


async def breaks(_: Request) -> Response:
    raise ZeroDivisionError


def refused(_: Request, exc: Exception) -> Response:
    return PlainTextResponse(type(exc).__name__, 418)


def crashed(_: Request, exc: Exception) -> Response:
    return PlainTextResponse(type(exc).__name__, 500)


ENDPOINTS: list[tuple[str, list[str], Callable[[Request], Awaitable[Response]]]] = [
    ("/works", ["GET", "POST"], works),
    ("/refuses", ["GET"], refuses),
    ("/refuses-for-good", ["GET"], refuses_for_good),
    ("/breaks", ["GET"], breaks),
]


def ask(app: Any, method: str, path: str) -> tuple[int, bytes, str]:
    """Status, body, and the exception that the server gets to log."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
    ended = ""
    try:
        asyncio.run(app(scope, receive, send))
    except ZeroDivisionError as exc:
        ended = type(exc).__name__
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]), ended


@pytest.mark.parametrize("path", ["/works", "/refuses", "/refuses-for-good", "/breaks", "/works/", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_both_ways_give_the_same_answer(method: str, path: str) -> None:
    """There used to be a 500 where a damaged database is a database that cannot be used."""
    routes = [Route(path, endpoint, methods=methods) for path, methods, endpoint in ENDPOINTS]
    rest = Starlette(routes=routes, exception_handlers={Refused: refused, Exception: crashed})
    rest.state.name = "x"
    rest.router.redirect_slashes = False
    seen: list[tuple[str, int]] = []
    direct = DirectRoutes(
        rest, ENDPOINTS, {Refused: refused}, crashed, lambda path, status, _: seen.append((path, status))
    )
    given = ask(direct, method, path)
    assert given == ask(rest, method, path)
    assert seen == [(path, given[0])]
