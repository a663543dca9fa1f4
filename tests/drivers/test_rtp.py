"""The pacer's process, judged by a UDP socket on loopback."""

import os
import selectors
import signal
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from drivers.rtp import Finished, Key, Pacer, PacerEvent, PacerGone, Stopped

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


@pytest.fixture
def pacer() -> Iterator[Pacer]:
    pacer = Pacer()
    pacer.open()
    yield pacer
    pacer.close()


@pytest.fixture
def line() -> Iterator[Line]:
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    far.setblocking(False)
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near.bind(("127.0.0.1", 0))
    near.connect(far.getsockname())
    with near, far:
        yield Line(near, far)


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
            line.events += pacer.read()
            if line.events:
                return line.events.pop(0)
    raise AssertionError("no event in time")


def test_the_audio_arrives_whole_and_in_order(pacer: Pacer, line: Line) -> None:
    audio = bytes(os.urandom(FRAME * 10 + 40))
    pacer.play(7, line.near, 8, audio)
    assert event(pacer, line) == Finished(7, len(audio) / 8000)
    assert b"".join(data[12:] for _, data in line.packets) == audio


def test_headers_are_those_of_one_rtp_stream(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, 8, bytes(FRAME * 5))
    event(pacer, line)
    first, sequences, times, sources = line.headers()[0], [], [], set()
    for version, _, sequence, timestamp, source in line.headers():
        assert version == 0x80
        sequences.append((sequence - first[2]) & 0xFFFF)
        times.append((timestamp - first[3]) & 0xFFFFFFFF)
        sources.add(source)
    assert sequences == [0, 1, 2, 3, 4]
    assert times == [0, 160, 320, 480, 640]
    assert len(sources) == 1
    assert [marked for _, marked, *_ in line.headers()] == [0x88, 8, 8, 8, 8]


def test_frames_keep_an_absolute_clock(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, 0, bytes(FRAME * 100))
    event(pacer, line)
    # The kernel's loopback is instant; the bound is for a busy test machine, the drift would be 100 times a slip.
    assert line.packets[-1][0] - line.packets[0][0] == pytest.approx(99 * 0.020, abs=0.08)


def test_stopping_tells_how_much_was_played(pacer: Pacer, line: Line) -> None:
    pacer.play(3, line.near, 0, bytes(FRAME * 500))
    assert event(pacer, line, packets=10) is None
    pacer.stop(3)
    stopped = event(pacer, line)
    assert isinstance(stopped, Stopped)
    assert stopped.call == 3
    assert 0.2 <= stopped.played_s < 9


def test_a_callee_that_closed_its_port_does_not_end_the_stream(pacer: Pacer, line: Line) -> None:
    line.far.close()
    pacer.play(1, line.near, 0, bytes(FRAME * 10))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        assert event(pacer, Line(line.near, other)) == Finished(1, 0.2)


def test_a_stall_is_heard_as_a_gap_and_not_as_a_burst(pacer: Pacer, line: Line) -> None:
    assert pacer._process is not None
    pacer.play(1, line.near, 0, bytes(FRAME * 40))
    event(pacer, line, packets=5)
    os.kill(pacer._process.pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(pacer._process.pid, signal.SIGCONT)
    event(pacer, line)
    times = [timestamp for _, _, _, timestamp, _ in line.headers()]
    steps = [(after - before) & 0xFFFFFFFF for before, after in pairwise(times)]
    assert len(times) == 40
    assert max(steps) >= 15 * FRAME
    assert all(step % FRAME == 0 for step in steps)


def test_the_driver_hears_that_the_process_died(pacer: Pacer, line: Line) -> None:
    assert pacer._process is not None
    pacer.play(1, line.near, 0, bytes(FRAME * 500))
    event(pacer, line, packets=3)
    pacer._process.kill()
    with pytest.raises(PacerGone):
        event(pacer, line)


def test_playing_into_a_dead_process_shows_at_the_next_read(pacer: Pacer, line: Line) -> None:
    assert pacer._process is not None
    pacer._process.kill()
    pacer._process.wait()
    pacer.play(1, line.near, 0, bytes(FRAME))
    with pytest.raises(PacerGone):
        event(pacer, line)


def test_the_process_ends_when_the_driver_does(pacer: Pacer, line: Line) -> None:
    process = pacer._process
    assert process is not None
    pacer.play(1, line.near, 0, bytes(FRAME))
    event(pacer, line)
    assert pacer._channel is not None
    pacer._channel.close()
    assert process.wait(5) == 0


def test_two_streams_do_not_disturb_each_other(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, 0, b"\x01" * FRAME * 20)
    pacer.play(2, line.near, 8, b"\x02" * FRAME * 20)
    event(pacer, line, packets=40)
    by_source: dict[int, bytes] = {}
    for header, (_, data) in zip(line.headers(), line.packets, strict=True):
        by_source[header[4]] = by_source.get(header[4], b"") + data[12:]
    assert sorted(by_source.values()) == [b"\x01" * FRAME * 20, b"\x02" * FRAME * 20]


def telephone_event(event_number: int, timestamp: int, *, payload_type: int = 101, end: bool = False) -> bytes:
    header = struct.pack("!BBHII", 0x80, payload_type, 1, timestamp, 99)
    return header + struct.pack("!BBH", event_number, 0x80 if end else 0, 160)


def test_between_utterances_the_stream_goes_on_in_silence(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, 0, b"\x01" * FRAME * 5, hold=True)
    assert event(pacer, line) == Finished(1, 0.1)
    event(pacer, line, packets=12)
    pacer.say(1, b"\x02" * FRAME * 5)
    assert event(pacer, line) == Finished(1, 0.1)
    pacer.stop(1)
    assert event(pacer, line) == Stopped(1, 0.1)
    payload = [data[12] for _, data in line.packets]
    assert payload[:6] == [1] * 5 + [0xFF]
    assert payload.count(2) == 5
    assert len({header[4] for header in line.headers()}) == 1
    steps = {(b - a) & 0xFFFFFFFF for a, b in pairwise(header[3] for header in line.headers())}
    assert steps == {160}


def test_a_new_utterance_takes_the_place_of_the_old_one(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, 8, b"\x01" * FRAME * 500, hold=True)
    event(pacer, line, packets=5)
    pacer.say(1, b"\x02" * FRAME * 5)
    assert event(pacer, line) == Finished(1, 0.1)


def test_a_key_is_told_once(pacer: Pacer, line: Line) -> None:
    pacer.play(4, line.near, 0, bytes(FRAME * 500), events=101)
    event(pacer, line, packets=3)
    for digit, timestamp in ((1, 1000), (11, 2000)):
        for end in (False, False, True, True, True):
            line.far.sendto(telephone_event(digit, timestamp, end=end), line.near.getsockname())
    assert event(pacer, line) == Key(4, "1")
    assert event(pacer, line) == Key(4, "#")
    pacer.stop(4)
    assert isinstance(event(pacer, line), Stopped)


def test_what_is_no_key_wakes_nobody_and_harms_nothing(pacer: Pacer, line: Line) -> None:
    pacer.play(4, line.near, 0, bytes(FRAME * 500), events=101)
    event(pacer, line, packets=3)
    speech = telephone_event(1, 5, payload_type=0)
    for packet in (speech, b"", b"x", telephone_event(200, 7), telephone_event(1, 9)[:14], os.urandom(200)):
        line.far.sendto(packet, line.near.getsockname())
    line.far.sendto(telephone_event(5, 11), line.near.getsockname())
    assert event(pacer, line) == Key(4, "5")


def test_audio_goes_to_where_the_callees_comes_from(pacer: Pacer, line: Line) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told,
    ):
        near.bind(("127.0.0.1", 0))
        told.bind(("127.0.0.1", 0))
        told.settimeout(BOUND_S)
        pacer.play(1, near, 0, bytes(FRAME * 500), target=told.getsockname(), events=101)
        assert len(told.recv(2048)) == 12 + FRAME
        line.far.sendto(b"no RTP", near.getsockname())
        line.far.sendto(telephone_event(0, 1, payload_type=0), near.getsockname())
        event(pacer, line, packets=3)
        line.far.sendto(telephone_event(7, 5), near.getsockname())
        assert event(pacer, line) == Key(1, "7")
        told.sendto(telephone_event(8, 6), near.getsockname())  # a stranger by now
        line.far.sendto(telephone_event(9, 7), near.getsockname())
        assert event(pacer, line) == Key(1, "9")


def test_sender_reports_tell_the_stream_and_its_end(pacer: Pacer) -> None:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    far, far_rtcp, near, near_rtcp = sockets
    try:
        while True:  # two ports in a row
            far.bind(("127.0.0.1", 0))
            try:
                far_rtcp.bind(("127.0.0.1", far.getsockname()[1] + 1))
                break
            except OSError:
                far.close()
                sockets[0] = far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        far_rtcp.settimeout(BOUND_S)
        near.bind(("127.0.0.1", 0))
        pacer.play(1, near, 8, bytes(FRAME * 500), target=far.getsockname(), rtcp=near_rtcp)
        first = far_rtcp.recv(2048)
        pacer.stop(1)
        last = far_rtcp.recv(2048)
        source = struct.unpack_from("!BBHII", far.recv(2048))[4]
    finally:
        for sock in sockets:
            sock.close()
    report = struct.unpack_from("!BBHIIIIII", first)
    assert report[:4] == (0x80, 200, 6, source)
    assert abs(report[4] + report[5] / 2**32 - 2_208_988_800 - time.time()) < 10
    assert 100 <= report[7] <= 130  # packets in 2.5 s
    assert report[8] == report[7] * FRAME
    assert struct.unpack_from("!BBHI", first, 28) == (0x81, 202, 4, source)
    assert len(first) == 28 + 20
    assert struct.unpack_from("!BBHI", last, 48) == (0x81, 203, 1, source)
