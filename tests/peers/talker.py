"""A far end's audio: an RTP stream out of a socket of its own, one packet each 20 ms, and what comes back to it."""

import contextlib
import socket
import struct
import threading
import time
from itertools import count

FRAME_S = 0.020
SPEECH = bytes(range(160))


def rtp(sequence: int, ssrc: int, *, payload_type: int = 0, timestamp: int = -1, payload: bytes = SPEECH) -> bytes:
    """One packet."""
    timestamp = sequence * 160 if timestamp < 0 else timestamp
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def sequence(packet: bytes) -> int:
    return int.from_bytes(packet[2:4], "big")


def precedes(earlier: bytes, later: bytes) -> bool:
    """Whether a packet was sent before another one of the same stream, by its sequence number."""
    return 0 < (sequence(later) - sequence(earlier)) & 0xFFFF < 0x8000


class Talker:
    """A context manager; `talk` starts to send, `received` is what came, with its time."""

    def __init__(
        self, host: str = "127.0.0.4", *, ssrc: int = 77, sequence: int = 65_530, payload_type: int = 0
    ) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.settimeout(0.05)
        self.address: tuple[str, int] = self.sock.getsockname()
        self.received: list[tuple[float, bytes]] = []
        self._ssrc, self._payload_type, self._sequences = ssrc, payload_type, count(sequence)
        self._silent, self._over = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._listen)]

    def __enter__(self) -> "Talker":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._silent.set()
        for thread in self._threads:
            thread.join()
        self.sock.close()

    def talk(self, to: tuple[str, int]) -> None:
        """Send from now on, until `hush`."""
        self._silent.clear()
        self._threads.append(threading.Thread(target=self._talk, args=(to,)))
        self._threads[-1].start()

    def hush(self) -> None:
        self._silent.set()
        self._threads.pop().join()

    def send(self, to: tuple[str, int], packets: int = 1) -> None:
        """So many packets now, one each 20 ms."""
        for _ in range(packets):
            self.sock.sendto(rtp(next(self._sequences), self._ssrc, payload_type=self._payload_type), to)
            time.sleep(FRAME_S)

    def press(self, to: tuple[str, int], digit: int) -> None:
        """One packet of a key, in its stream."""
        number = next(self._sequences)
        key = rtp(number, self._ssrc, payload_type=101, payload=bytes([digit, 0x80, 0, 0xA0]))
        self.sock.sendto(key, to)

    @property
    def newest(self) -> bytes:
        """The last packet that has come."""
        return self.received[-1][1]

    def wait_for(self, packets: int, seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while len(self.received) < packets:
            assert time.monotonic() < end, f"{len(self.received)} packets came"
            time.sleep(0.005)

    def _talk(self, to: tuple[str, int]) -> None:
        due = time.monotonic()
        while not self._silent.is_set():
            self.sock.sendto(rtp(next(self._sequences), self._ssrc, payload_type=self._payload_type), to)
            due += FRAME_S
            self._silent.wait(max(due - time.monotonic(), 0))

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                self.received.append((time.monotonic(), self.sock.recv(2048)))
