"""Both ends of a call's audio on loopback, and what happened there."""

import contextlib
import select
import selectors
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.rtp.messages import FirstPacket, PacerEvent
from drivers.rtp.process_handle import Pacer

FRAME = 160
BOUND_S = 15.0


@dataclass
class Line:
    """A call's two ends on loopback, and what arrived at the far one."""

    near: socket.socket
    far: socket.socket
    packets: list[tuple[float, bytes]] = field(default_factory=list)
    events: list[PacerEvent] = field(default_factory=list)

    def drain(self) -> None:
        while True:
            try:
                self.packets.append((time.monotonic(), self.far.recv(2048)))
            except BlockingIOError:
                return

    def headers(self) -> list[tuple[int, int, int, int, int]]:
        return [struct.unpack_from("!BBHII", data) for _, data in self.packets]


def event(pacer: Pacer, line: Line, packets: int = 0) -> PacerEvent | None:
    """The next event; or None as soon as so many packets have arrived."""
    with selectors.DefaultSelector() as selector:
        selector.register(pacer.fileno(), selectors.EVENT_READ)
        selector.register(line.far, selectors.EVENT_READ)
        end = time.monotonic() + BOUND_S
        while time.monotonic() < end:
            if not line.events:
                selector.select(0.5)
            line.drain()
            if packets and len(line.packets) >= packets:
                return None
            line.events += [each for each in pacer.read() if not isinstance(each, FirstPacket)]
            if line.events:
                return line.events.pop(0)
    raise AssertionError("no event in time")


def telephone_event(
    event_number: int, timestamp: int, *, payload_type: int = 101, end: bool = False, sequence: int = 1
) -> bytes:
    header = struct.pack("!BBHII", 0x80, payload_type, sequence, timestamp, 99)
    return header + struct.pack("!BBH", event_number, 0x80 if end else 0, 160)


@contextlib.contextmanager
def near_end() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        yield near


def until_news(pacer: Pacer, kind: type[PacerEvent]) -> PacerEvent:
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        for each in pacer.read():
            if isinstance(each, kind):
                return each
        select.select([pacer.fileno()], [], [], 0.5)
    raise AssertionError(f"no {kind.__name__} in time")


def other_far_end(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(BOUND_S)
    return sock


def received(sock: socket.socket) -> list[bytes]:
    """What has come until nothing more comes."""
    packets = []
    with contextlib.suppress(TimeoutError):
        while True:
            packets.append(sock.recv(2048))
    return packets
