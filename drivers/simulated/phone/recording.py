"""The audio of a call: packets (RFC 3550), put together, and written as a WAV."""

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from drivers.codecs import wav
from drivers.simulated.phone.sdp import RATE, Codec

MAX_FRAMES = 30_000  # ten minutes
MAX_JUMP = {16: 3000, 32: 60 * RATE}  # RFC 3550 A.1: a sequence number or timestamp that leaps further is nonsense


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet of audio. sequence and timestamp do not wrap."""

    sequence: int
    timestamp: int
    payload: bytes = field(repr=False)


@dataclass(slots=True)
class CallRecord:
    """One call, as the callee has it. frames: its audio as it arrived."""

    call: int
    number: str = field(repr=False)
    codec: Codec | None = None
    status: int = 0
    answered_at: float | None = None
    ended_at: float | None = None
    frames: list[Frame] = field(default_factory=list, repr=False)
    wav: Path | None = None
    _source: int | None = None

    @property
    def packets(self) -> int:
        return len(self.frames)

    @property
    def lost(self) -> int:
        """How many sequence numbers between the first and the last never came."""
        numbers = {frame.sequence for frame in self.frames}
        return max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0

    @property
    def pcm(self) -> bytes:
        """The recording: 16-bit samples, in their order, each at its time, zeros where nothing came."""
        pcm = bytearray()
        frames = sorted(self.frames, key=lambda frame: frame.timestamp)
        for frame in frames:
            assert self.codec is not None
            start = 2 * (frame.timestamp - frames[0].timestamp)
            pcm += bytes(max(start - len(pcm), 0))
            pcm[start : start + 2 * len(frame.payload)] = self.codec.decode(frame.payload)
        return bytes(pcm)

    @property
    def talk_s(self) -> float:
        return self.ended_at - self.answered_at if self.ended_at and self.answered_at else 0.0

    def take(self, data: bytes) -> None:
        """Keep one datagram of the audio socket, if it is audio of this call."""
        packet = _packet(data)
        if packet is None or self.codec is None or len(self.frames) >= MAX_FRAMES:
            return
        payload_type, sequence, timestamp, source, payload = packet
        last = self.frames[-1] if self.frames else Frame(sequence, timestamp, payload)
        ahead, later = _leap(sequence, last.sequence, 16), _leap(timestamp, last.timestamp, 32)
        ours = payload_type == self.codec.payload_type and source == (self._source or source)
        if not ours or abs(ahead) > MAX_JUMP[16] or abs(later) > MAX_JUMP[32]:
            return
        self._source = source
        self.frames.append(Frame(last.sequence + ahead, last.timestamp + later, payload))


def _packet(data: bytes) -> tuple[int, int, int, int, bytes] | None:
    """Payload type, sequence number, timestamp, source and payload of an RTP packet; None if it is none."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    flags, kind, sequence, timestamp, source = struct.unpack_from("!BBHII", data)
    start = 12 + 4 * (flags & 0x0F)
    if flags & 0x10 and len(data) >= start + 4:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    padding = data[-1] if flags & 0x20 else 0
    payload = data[start : len(data) - padding]
    return (kind & 0x7F, sequence, timestamp, source, payload) if payload else None


def _leap(value: int, last: int, bits: int) -> int:
    """How far a number of so many bits has moved, the shorter way round."""
    half = 1 << (bits - 1)
    return (value - last + half) % (2 * half) - half


def write_wav(path: Path, pcm: bytes) -> None:
    """A WAV that only its owner may read: somebody's PIN is spoken in it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        wav.write_wav(file, pcm)
