"""A client that asks as fast as it is answered, on many connections that stay open; a process of its own.

`python -m tests.bench.load SOCKET CONNECTIONS SECONDS PATH FILE`: each line of FILE is a form to be posted to PATH. It
ends when the lines or the seconds have run out, and writes what came of it to FILE.json.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

HEAD = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
GOOD = re.compile(rb'"status": ?"0"')
ID = re.compile(rb'"request_id": ?"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it. good: the answers with status 0; others: all else, and what got no answer; ids: of what started.

    Times are from a request's last octet to its whole answer. Whoever is answered slowly asks less, so p99 is that of
    so many clients who wait, not of requests that come at a rate of their own.
    """

    good: int
    others: int
    a_second: float
    p50_ms: float
    p99_ms: float
    ids: list[str]


def load(socket: Path, bodies: Iterable[str], path: str, connections: int, seconds: float) -> Load:
    """Post the bodies from a process of its own, so that the client takes no time from whoever measures."""
    with tempfile.TemporaryDirectory(prefix="pinwheel-load-") as directory:
        file = Path(directory) / "bodies"
        file.write_text("\n".join(bodies))
        command = [sys.executable, "-m", "tests.bench.load", str(socket), str(connections), str(seconds), path]
        subprocess.run([*command, str(file)], stdin=subprocess.DEVNULL, check=True)
        return Load(**json.loads(file.with_suffix(".json").read_text()))


class _Connection(asyncio.Protocol):
    """Posts one body after the other."""

    def __init__(self, requests: Iterator[bytes], answers: list[tuple[float, bytes]]) -> None:
        self._requests = requests
        self._answers = answers
        self._received = b""
        self._asked = 0.0  # when the request that waits for its answer was sent; 0: none waits
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._asked = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, mark, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if mark else None
        if length is None or len(body) < int(length[1]):
            return
        self._answers.append((time.perf_counter() - self._asked, body))
        self._received, self._asked = b"", 0.0
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._asked:
            self._answers.append((time.perf_counter() - self._asked, b""))
        self.ended.set_result(exc)


async def _post(socket: str, connections: int, seconds: float, requests: list[bytes]) -> Load:
    loop, answers, waiting = asyncio.get_running_loop(), list[tuple[float, bytes]](), iter(requests)
    end = [float("inf")]
    in_time = (request for request in waiting if time.perf_counter() < end[0])
    opened = [
        (await loop.create_unix_connection(lambda: _Connection(in_time, answers), socket))[1]
        for _ in range(connections)
    ]
    began = time.perf_counter()
    end[0] = began + seconds
    for connection in opened:
        connection.next()
    await asyncio.gather(*(connection.ended for connection in opened))
    return _summed(answers, time.perf_counter() - began)


def _summed(answers: list[tuple[float, bytes]], seconds: float) -> Load:
    times = sorted(took * 1000 for took, _ in answers)
    good = [body for _, body in answers if GOOD.search(body)]
    ids = [found[1].decode() for body in good if (found := ID.search(body))]
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return Load(len(good), len(answers) - len(good), len(good) / seconds, p50, p99, ids)


def main(socket: str, connections: str, seconds: str, path: str, file: str) -> None:
    requests = [HEAD % (path.encode(), len(body), body) for body in Path(file).read_bytes().split(b"\n")]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_post(socket, int(connections), float(seconds), requests))
    Path(file).with_suffix(".json").write_text(json.dumps({name: getattr(found, name) for name in Load.__slots__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
