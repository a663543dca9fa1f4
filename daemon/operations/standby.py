"""When the daemon cannot start under systemd: answer clients, wait, and let systemd try again.

A mistake in the configuration or a database that cannot be opened ends the process, as systemd expects. So that a
service that fails all night neither floods the journal nor leaves its clients waiting, each failed start in a row
waits longer before it ends, and answers on the inherited socket meanwhile. A configuration file that is changed ends
the wait at once. The first failure does not wait: `systemctl start` says at once that it failed.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.client.connection import NOT_STARTED
from daemon.operations.systemd import notify

PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # after the first failure in a row, the second, ...
LOOK_S = 0.25  # how often the configuration file is looked at
COUNT = "failed-starts"
ADVICE = "the daemon does not start; its reason: journalctl -u pinwheel"
VERIFY = "/verify/"
ERROR = "5"  # Verify v1: internal error


def pause_s(failures: int) -> float:
    """How long to wait after so many failed starts in a row (1 or more)."""
    return PAUSES_S[min(failures, len(PAUSES_S)) - 1]


class FailedStarts:
    """How many starts in a row failed: a number in the service's runtime directory, which systemd empties at a stop.

    Without a directory, or where it cannot be written, each failure is the first.
    """

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / COUNT if directory is not None else None

    def count(self) -> int:
        """One more; how many there are now."""
        if self._path is None:
            return 1
        with contextlib.suppress(OSError):
            before = self._path.read_text().strip() if self._path.exists() else ""
            failures = (int(before) if before.isascii() and before.isdecimal() and len(before) < 9 else 0) + 1
            self._path.write_text(str(failures))
            return failures
        return 1

    def clear(self) -> None:
        """A start succeeded."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def answer(path: str, reason: str) -> tuple[int, str, dict[str, Any]]:
    """What a client gets: the HTTP status, the media type and the body."""
    if path.startswith(VERIFY):
        return 200, "application/json", {"status": ERROR, "error_text": f"Internal error: {ADVICE}"}
    body = {"type": "about:blank", "title": "Not started", "status": 503, "detail": f"{ADVICE}. {reason}"}
    return 503, "application/problem+json", body


def application(reason: str) -> ASGIApp:
    """An ASGI application that says so to everybody."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        status, media_type, content = answer(scope["path"], reason)
        body = json.dumps(content).encode()
        headers = {
            "content-type": media_type,
            "content-length": str(len(body)),
            "retry-after": "5",
            NOT_STARTED: ADVICE,
            "connection": "close",
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return app


class Listener(Protocol):
    """What serves an application on a socket."""

    async def serve(self) -> None: ...

    def stop(self) -> None: ...


Listen = Callable[[ASGIApp, socket.socket], Listener]


async def wait(reason: str, pause: float, config: Path, sockets: list[socket.socket], listen: Listen) -> None:
    """Answer for `pause` seconds, or until the configuration file changes or somebody stops us."""
    notify(f"STATUS=does not start: {reason}")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    listeners = [listen(application(reason), sock) for sock in sockets]
    serving = [asyncio.create_task(listener.serve()) for listener in listeners]
    before = _look(config)
    end = asyncio.get_running_loop().time() + pause
    while (left_s := end - asyncio.get_running_loop().time()) > 0 and _look(config) == before:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), min(LOOK_S, left_s))
            break
    for listener in listeners:
        listener.stop()
    await asyncio.gather(*serving, return_exceptions=True)


def _look(path: Path) -> tuple[int, int, int] | None:
    """What changes when somebody saves the file or corrects its owner or mode."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ctime_ns, found.st_ino, found.st_size
