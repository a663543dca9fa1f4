"""What is under way when the daemon stops, and how that ends: nobody who waits holds the stop up.

A call of Verify waits for its commit alone, and the stop waits for that. Everything else, which may wait for a modem,
for a telephone, for news or for a client that does not read, ends soon: with a problem where nothing was answered yet;
of a stream, what was sent is all of it.
"""

import asyncio
from collections.abc import Callable, Container

from starlette.types import ASGIApp, Receive, Scope, Send

END = "pinwheel.end"
"""The extension of a connection's scope: with what ASGI calls `send`, it ends an answer; False where none has begun."""
SOON_S = 0.5  # more than enough for what waits for nothing
COMMIT_S = 14.0  # a busy disk takes its time


class UnderWay:
    """An ASGI application around another. commits: paths that wait for their commit alone.

    last: what is answered, by the path, in place of an answer that has not begun.
    """

    def __init__(self, app: ASGIApp, commits: Container[str], last: Callable[[str], ASGIApp]) -> None:
        self._app = app
        self._commits = commits
        self._last = last
        self._calls: dict[asyncio.Task[None], str] = {}  # their paths
        self._stopping = False

    def stop(self) -> None:
        """From now on nothing is waited for longer than it has to be."""
        self._stopping = True
        for task, path in self._calls.items():
            self._end_later(task, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task, path = asyncio.current_task(), scope["path"]
        assert task is not None
        self._calls[task] = path
        if self._stopping:  # of a client that was accepted a moment ago
            self._end_later(task, path)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if task in self._calls:  # it was not we who ended it
                raise
            task.uncancel()
            if not scope["extensions"][END](send):
                await self._last(path)(scope, receive, send)
        finally:
            self._calls.pop(task, None)

    def _end_later(self, task: "asyncio.Task[None]", path: str) -> None:
        wait_s = COMMIT_S if path in self._commits else SOON_S
        asyncio.get_running_loop().call_later(wait_s, self._end, task)

    def _end(self, task: "asyncio.Task[None]") -> None:
        if self._calls.pop(task, None) is not None:
            task.cancel()
