"""The client side of the socket, for the commands: HTTP over AF_UNIX with the standard library."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from daemon.client.unreachable import explained

TIMEOUT_S = 10.0  # for an answer: a restart takes less, and a commit much less
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FOLLOW_S = 45.0  # of silence on an event stream, which says every 15 s that it is still there
AGAIN_S = 1.0  # after which a daemon that is away is tried again
NOT_STARTED = "pinwheel-not-started"  # a header of what answers in place of a daemon that does not start


class Unreachable(Exception):
    """No daemon answers; the text says where and what to do."""


class HttpProblem(Exception):
    """The daemon refused the request itself. body: its whole answer."""

    def __init__(self, status: int, detail: str, body: dict[str, Any]) -> None:
        super().__init__(detail)
        self.status = status
        self.body = body


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("pinwheel", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

    def wait_for_more(self, timeout_s: float) -> None:
        """How long the next octets may take, also of an answer after which the connection has closed its socket."""
        self._stream.settimeout(timeout_s)


class Client:
    """Calls to the daemon behind one socket; a connection each."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s

    @property
    def path(self) -> Path:
        return self._path

    def verify(self, call: str, **parameters: str | int | None) -> dict[str, Any]:
        """A Verify call: "", "check", "search" or "control"; parameters that are None are left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        path = "/verify/" + (f"{call}/" if call else "") + "json"
        return self._read("POST", path, urlencode(given), FORM)

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """An operator's route, e.g. get("/v1/requests", limit=10)."""
        return self._read("GET", quote(path) + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, *, timeout_s: float = TIMEOUT_S, **form: str | int) -> dict[str, Any]:
        """An operator's order, e.g. post("/v1/modems/sim1/pause")."""
        return self._read("POST", quote(path), urlencode(form), FORM, timeout_s)

    def lines(self, path: str, *, timeout_s: float, **form: str | int) -> Generator[dict[str, Any], None, None]:
        """An operator's order that is answered line by line, as things happen; timeout_s: between two of them."""
        connection, response = self._send("POST", quote(path), urlencode(form), FORM, timeout_s)
        try:
            if response.status >= 400:
                raise _problem(response)
            for line in response:
                yield json.loads(line)
        except (OSError, ValueError, http.client.HTTPException) as exc:
            raise Unreachable(f"the daemon at {self._path} went away: {exc}") from exc
        finally:
            connection.close()

    def events(self, *, follow: bool, last: int = 0, after: int | None = None) -> Generator[dict[str, Any], None, None]:
        """The lines of the event stream, as they come. Raises Unreachable when the daemon goes away, or is stopped."""
        position = {"after": after} if after is not None else {"last": last}
        for _, line in self._stream({**position, "follow": int(follow)}):
            if line is not None:
                yield line
        if follow:
            raise Unreachable(f"the daemon at {self._path} has stopped")

    def newest(self, most: int) -> tuple[int, list[dict[str, Any]]]:
        """The last lines of history, the oldest of them first, and the position behind them."""
        found = list(self._stream({"last": most, "follow": 0}))
        if not found:
            raise Unreachable(f"the daemon at {self._path} has stopped")
        return found[-1][0], [line for _, line in found if line is not None]

    def followed(
        self, after: int, note: Callable[[str], None], again_s: float = AGAIN_S
    ) -> Generator[dict[str, Any], None, None]:
        """The lines behind a position, for ever, also after the daemon was away. note: why it is away; "": back."""
        away = ""
        while True:
            try:
                for seq, line in self._stream({"after": after}):
                    if away:
                        away = ""
                        note(away)
                    after = seq
                    if line is not None:
                        yield line
                problem = f"the daemon at {self._path} has stopped"
            except Unreachable as exc:
                problem = str(exc)
            if not away:
                away = problem
                note(away)
            time.sleep(again_s)

    def _stream(self, query: dict[str, int]) -> Generator[tuple[int, dict[str, Any] | None], None, None]:
        """The events behind a position: (position, line), first the position alone (HTML Standard, 9.2.6)."""
        connection, response = self._send("GET", "/v1/events?" + urlencode(query), None, {}, self._timeout_s)
        connection.wait_for_more(FOLLOW_S if query.get("follow", 1) else self._timeout_s)
        seq: int | None = None
        line: dict[str, Any] | None = None
        try:
            if response.status >= 400:
                raise _problem(response)
            for text in response:
                if text.startswith(b"id: "):
                    seq = int(text[4:])
                elif text.startswith(b"data: "):
                    line = json.loads(text[6:])
                elif text == b"\n" and seq is not None:
                    yield seq, line
                    seq, line = None, None
        except (OSError, ValueError, http.client.HTTPException) as exc:
            raise Unreachable(f"the daemon at {self._path} went away: {exc}") from exc
        finally:
            connection.close()

    def _read(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        connection, response = self._send(method, path, body, headers or {}, timeout_s or self._timeout_s)
        try:
            if response.status >= 400:
                raise _problem(response)
            document: dict[str, Any] = json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException) as exc:
            raise Unreachable(f"cannot understand what answers at {self._path}; is that a Pinwheel socket?") from exc
        finally:
            connection.close()
        return document

    def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str], timeout_s: float
    ) -> tuple[_UnixConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, timeout_s)
        try:
            connection.request(method, path, body, headers | {"Connection": "close"})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise Unreachable(explained(self._path, exc)) from exc
        if response.getheader(NOT_STARTED):
            connection.close()
            raise Unreachable(f"cannot reach the daemon at {self._path}: {response.getheader(NOT_STARTED)}")
        return connection, response


def _problem(response: http.client.HTTPResponse) -> HttpProblem:
    body: dict[str, Any] = json.loads(response.read())
    return HttpProblem(response.status, body.get("detail", response.reason), body)
