"""Routes that are asked most: each goes to its handler by one look into a table; all others go to Starlette.

Starlette's middleware and its router take a third of the time in which a start is read and answered. Only a path that
stands as it is among the routes and has a method of its route comes this way; both ways end in the same endpoint and
in the same answers.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Endpoint = Callable[[HttpRequest], Awaitable[ASGIApp]]
ErrorAnswer = Callable[[HttpRequest, Any], Response]
Observe = Callable[[str, int, float], None]
"""Path, status and the seconds from the request to its answer, as it begins to be sent."""


class DirectRoutes:
    """An ASGI application in front of Starlette."""

    def __init__(
        self,
        rest: Starlette,
        endpoints: Iterable[tuple[str, Iterable[str], Endpoint]],
        errors: Mapping[type[Exception], ErrorAnswer],
        crash: ErrorAnswer,
        observe: Observe,
    ) -> None:
        """endpoints: path, methods, endpoint. errors: the answers to its exceptions; crash: to any other."""
        self._rest = rest
        self._endpoints = {(method, path): each for path, methods, each in endpoints for method in methods}
        self._errors = errors
        self._crash = crash
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        began = perf_counter()
        if endpoint is None:
            await self._rest(scope, receive, self._timed(scope["path"], began, send))
            return
        scope["app"] = self._rest
        http = HttpRequest(scope, receive)
        try:
            answering = await endpoint(http)
        except Exception as exc:  # a defect ends this call only
            answer = next((self._errors[kind] for kind in type(exc).__mro__ if kind in self._errors), None)
            if answer is None:  # the server logs the traceback
                self._observe(scope["path"], 500, perf_counter() - began)
                await self._crash(http, exc)(scope, receive, send)
                raise
            answering = answer(http, exc)
        self._observe(scope["path"], getattr(answering, "status_code", 200), perf_counter() - began)
        await answering(scope, receive, send)

    def _timed(self, path: str, began: float, send: Send) -> Send:
        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._observe(path, message["status"], perf_counter() - began)
            await send(message)

        return observed
