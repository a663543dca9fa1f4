"""The audio socket of a call (RFC 3550): it records what comes, sends a tone before the answer, and silence after."""

import contextlib
import socket
import struct

from drivers.simulated.phone.recording import CallRecord
from drivers.simulated.phone.sdp import RATE, Offer

MAX_DATAGRAM = 65_535
FRAME_S = 0.020
FRAME_SAMPLES = round(FRAME_S * RATE)
QUIET_S = 0.2  # between packets of a phone into which nobody speaks
TONE = struct.pack("<8h", 0, 5657, 8000, 5657, 0, -5657, -8000, -5657) * (FRAME_SAMPLES // 8)  # 1 kHz
SILENCE = bytes(2 * FRAME_SAMPLES)
TONE_SOURCE, SILENCE_SOURCE = 1, 2  # SSRC


def udp_socket(host: str, port: int) -> socket.socket:
    """Raises OSError for a taken port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class Audio:
    """One call's audio."""

    def __init__(self, host: str, offer: Offer, record: CallRecord) -> None:
        self.sock = _rtp_socket(host)
        self._offer, self._record = offer, record

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def close(self) -> None:
        self.read()
        self.sock.close()

    def read(self) -> None:
        """Take all that has arrived."""
        with contextlib.suppress(OSError):
            while True:
                self._record.take(self.sock.recv(MAX_DATAGRAM))

    def send_tone(self, count: int) -> None:
        """The frame of this number; the first has the marker."""
        self._send(0x80 if count == 0 else 0, count, count * FRAME_SAMPLES, TONE_SOURCE, TONE)

    def send_silence(self, count: int) -> None:
        self._send(0, count, round(count * QUIET_S * RATE), SILENCE_SOURCE, SILENCE)

    def _send(self, marker: int, sequence: int, timestamp: int, source: int, pcm: bytes) -> None:
        """A frame that nobody takes is lost, like any."""
        law = self._offer.codec
        header = struct.pack("!BBHII", 0x80, marker | law.payload_type, sequence, timestamp, source)
        with contextlib.suppress(OSError, OverflowError):
            self.sock.sendto(header + law.encode(pcm), self._offer.audio)


def _rtp_socket(host: str) -> socket.socket:
    """A socket on any even port (RFC 3550 11)."""
    while True:
        sock = udp_socket(host, 0)
        if sock.getsockname()[1] % 2 == 0:
            return sock
        sock.close()
