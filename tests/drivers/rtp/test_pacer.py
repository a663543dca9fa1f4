"""The pacer's process, judged by a UDP socket on loopback."""

import contextlib
import math
import os
import resource
import select
import selectors
import signal
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from drivers.codecs.g711 import ulaw_encode
from drivers.rtp.keys import Keys, Profile
from drivers.rtp.messages import Failed, Finished, FirstPacket, Judged, Key, Media, PacerEvent, Stopped
from drivers.rtp.pacer import Pacer, PacerGone
from drivers.rtp.srtp import SrtpContext
from tests.drivers.pyvoip.calling import wait_for_end
from tests.peers.talker import Talker, precedes, rtp

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
            line.events += [each for each in pacer.read() if not isinstance(each, FirstPacket)]
            if line.events:
                return line.events.pop(0)
    raise AssertionError("no event in time")


def test_the_audio_arrives_whole_and_in_order(pacer: Pacer, line: Line) -> None:
    audio = bytes(os.urandom(FRAME * 10 + 40))
    pacer.play(7, line.near, Media(8), audio)
    assert event(pacer, line) == Finished(7, 0, len(audio) / 8000)
    assert b"".join(data[12:] for _, data in line.packets) == audio + b"\xd5" * 120  # the last frame is a whole one


def test_headers_are_those_of_one_rtp_stream(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(8), bytes(FRAME * 5))
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
    pacer.play(1, line.near, Media(0), bytes(FRAME * 100))
    event(pacer, line)
    # The kernel's loopback is instant; the bound is for a busy test machine, the drift would be 100 times a slip.
    assert line.packets[-1][0] - line.packets[0][0] == pytest.approx(99 * 0.020, abs=0.08)


def test_stopping_tells_how_much_was_played(pacer: Pacer, line: Line) -> None:
    pacer.play(3, line.near, Media(0), bytes(FRAME * 500))
    assert event(pacer, line, packets=10) is None
    pacer.stop(3)
    stopped = event(pacer, line)
    assert isinstance(stopped, Stopped)
    assert stopped.call == 3
    assert 0.2 <= stopped.played_s < 9


def test_a_callee_that_closed_its_port_does_not_end_the_stream(pacer: Pacer, line: Line) -> None:
    line.far.close()
    pacer.play(1, line.near, Media(0), bytes(FRAME * 10))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        assert event(pacer, Line(line.near, other)) == Finished(1, 0, 0.2)


def test_a_stall_is_heard_as_a_gap_and_not_as_a_burst(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), bytes(FRAME * 40))
    event(pacer, line, packets=5)
    os.kill(pacer.pid, signal.SIGSTOP)
    time.sleep(0.5)  # the stall
    os.kill(pacer.pid, signal.SIGCONT)
    event(pacer, line)
    times = [timestamp for _, _, _, timestamp, _ in line.headers()]
    steps = [(after - before) & 0xFFFFFFFF for before, after in pairwise(times)]
    assert len(times) == 40
    assert max(steps) >= 15 * FRAME
    assert all(step % FRAME == 0 for step in steps)


def test_the_driver_hears_that_the_process_died(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    os.kill(pacer.pid, signal.SIGKILL)
    with pytest.raises(PacerGone):
        event(pacer, line)


def test_playing_into_a_dead_process_shows_at_the_next_read(pacer: Pacer, line: Line) -> None:
    os.kill(pacer.pid, signal.SIGKILL)
    os.waitid(os.P_PID, pacer.pid, os.WEXITED | os.WNOWAIT)
    pacer.play(1, line.near, Media(0), bytes(FRAME))
    with pytest.raises(PacerGone):
        event(pacer, line)


def test_the_process_ends_when_the_driver_does(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), bytes(FRAME))
    event(pacer, line)
    with socket.socket(fileno=os.dup(pacer.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)  # as the end of the driver does
    wait_for_end(pacer.pid)
    ended = os.waitid(os.P_PID, pacer.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 0)


def test_a_driver_with_a_thousand_files_open_gets_a_process_that_plays(line: Line) -> None:
    """There used to be a process that ended at once: select() takes no descriptor above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    opened = Pacer()
    try:
        with contextlib.ExitStack() as files:
            for _ in range(1024):
                files.enter_context(open(os.devnull))
            reading, writing = (files.enter_context(open(end, mode)) for end, mode in zip(os.pipe(), "rw", strict=True))
            assert reading.fileno() > 1023
            opened.open(lifeline=reading.fileno())
            opened.play(1, line.near, Media(0), bytes(FRAME * 10))
            assert event(opened, line) == Finished(1, 0, 0.2)
            writing.close()
            with pytest.raises(PacerGone, match="exit status 0"):
                event(opened, line)
    finally:
        opened.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_streams_do_not_disturb_each_other(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), b"\x01" * FRAME * 20)
    pacer.play(2, line.near, Media(8), b"\x02" * FRAME * 20)
    event(pacer, line, packets=40)
    by_source: dict[int, bytes] = {}
    for header, (_, data) in zip(line.headers(), line.packets, strict=True):
        by_source[header[4]] = by_source.get(header[4], b"") + data[12:]
    assert sorted(by_source.values()) == [b"\x01" * FRAME * 20, b"\x02" * FRAME * 20]


def telephone_event(
    event_number: int, timestamp: int, *, payload_type: int = 101, end: bool = False, sequence: int = 1
) -> bytes:
    header = struct.pack("!BBHII", 0x80, payload_type, sequence, timestamp, 99)
    return header + struct.pack("!BBH", event_number, 0x80 if end else 0, 160)


def test_between_utterances_the_stream_goes_on_in_silence(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), b"\x01" * FRAME * 5, hold=True)
    assert event(pacer, line) == Finished(1, 0, 0.1)
    event(pacer, line, packets=12)
    pacer.say(1, b"\x02" * FRAME * 5, utterance=2)
    assert event(pacer, line) == Finished(1, 2, 0.1)
    pacer.stop(1)
    assert event(pacer, line) == Stopped(1, 2, 0.1)
    payload = [data[12] for _, data in line.packets]
    assert payload[:6] == [1] * 5 + [0xFF]
    assert payload.count(2) == 5
    assert len({header[4] for header in line.headers()}) == 1
    steps = {(b - a) & 0xFFFFFFFF for a, b in pairwise(header[3] for header in line.headers())}
    assert steps == {160}


def test_a_new_utterance_takes_the_place_of_the_old_one(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(8), b"\x01" * FRAME * 500, hold=True)
    event(pacer, line, packets=5)
    pacer.say(1, b"\x02" * FRAME * 5, utterance=2)
    assert event(pacer, line) == Finished(1, 2, 0.1)


def test_a_key_is_told_once(pacer: Pacer, line: Line) -> None:
    pacer.play(4, line.near, Media(0, events=(101,)), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    for digit, timestamp in ((1, 1000), (11, 2000)):
        for end in (False, False, True, True, True):
            line.far.sendto(telephone_event(digit, timestamp, end=end), line.near.getsockname())
    assert event(pacer, line) == Key(4, "1")
    assert event(pacer, line) == Key(4, "#")
    pacer.stop(4)
    assert isinstance(event(pacer, line), Stopped)


def test_what_is_no_key_wakes_nobody_and_harms_nothing(pacer: Pacer, line: Line) -> None:
    pacer.play(4, line.near, Media(0, events=(101,)), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    speech = telephone_event(1, 5, payload_type=0)
    for packet in (speech, b"", b"x", telephone_event(200, 7), telephone_event(1, 9)[:14], os.urandom(200)):
        line.far.sendto(packet, line.near.getsockname())
    line.far.sendto(telephone_event(5, 11), line.near.getsockname())
    assert event(pacer, line) == Key(4, "5")


# --- where the callee is -------------------------------------------------------------------------------------------


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


def press(sender: Talker, near: socket.socket, digit: int, timestamp: int) -> None:
    sender.sock.sendto(telephone_event(digit, timestamp), near.getsockname())


def test_audio_goes_to_where_the_callees_comes_from(pacer: Pacer) -> None:
    with near_end() as near, Talker() as told, Talker() as real:
        pacer.play(1, near, Media(0, told.address, symmetric=True, events=(101,)), bytes(FRAME * 500))
        told.wait_for(3)
        real.talk(near.getsockname())
        real.wait_for(3)
        press(real, near, 7, 5)
        assert until_news(pacer, Key) == Key(1, "7")


@pytest.mark.parametrize("symmetric", [True, False])
def test_datagrams_that_are_no_rtp_take_no_audio_and_end_nothing(pacer: Pacer, symmetric: bool) -> None:
    """No test used to notice when the checks of a packet's length and version were taken away."""
    whole = rtp(1, 2)
    octets = [whole[:length] for length in (0, 1, 11)] + [
        b"\x00" + whole[1:],
        b"\x80\xc9" + whole[2:],
        b"SIP/2.0 200 OK",
    ]
    with near_end() as near, Talker() as told, Talker() as stranger:
        pacer.play(1, near, Media(0, told.address, symmetric=symmetric), bytes(FRAME * 500))
        for _ in range(10):
            for data in octets:
                for sender in (stranger, told):
                    sender.sock.sendto(data, near.getsockname())
            told.wait_for(len(told.received) + 2)
        assert stranger.received == []
        assert pacer.read() == []
        told.send(near.getsockname())
        assert until_news(pacer, FirstPacket) == FirstPacket(1)


def test_a_stranger_that_sends_all_the_while_gets_nothing_and_presses_no_keys(pacer: Pacer) -> None:
    """There used to be a stranger whose first packet got the whole PIN."""
    with near_end() as near, Talker() as callee, Talker(ssrc=5) as stranger:
        pacer.play(1, near, Media(0, callee.address, symmetric=True, events=(101,)), bytes(FRAME * 500))
        stranger.send(near.getsockname(), packets=2)
        callee.talk(near.getsockname())
        assert until_news(pacer, FirstPacket) == FirstPacket(1)
        stranger.talk(near.getsockname())
        for number in range(20):
            press(stranger, near, 1, 1000 * number)
            callee.wait_for(len(callee.received) + 1)
        press(callee, near, 9, 1)
        assert until_news(pacer, Key) == Key(1, "9")
        callee.wait_for(len(callee.received) + 20)
        assert stranger.received == []


@pytest.mark.parametrize("ssrc", [77, 78])
def test_a_callee_that_moves_without_signalling_is_followed(pacer: Pacer, ssrc: int) -> None:
    with near_end() as near, Talker() as before, Talker(ssrc=ssrc) as after:
        pacer.play(1, near, Media(0, before.address, symmetric=True), bytes(FRAME * 500))
        before.talk(near.getsockname())
        before.wait_for(20)
        before.hush()
        after.talk(near.getsockname())
        after.wait_for(20)
        moved = after.newest
        after.wait_for(len(after.received) + 10)
        assert precedes(before.newest, moved)


def test_a_callee_that_falls_silent_is_not_left(pacer: Pacer) -> None:
    with near_end() as near, Talker() as callee:
        pacer.play(1, near, Media(0, callee.address, symmetric=True), bytes(FRAME * 500))
        callee.talk(near.getsockname())
        callee.wait_for(10)
        callee.hush()
        callee.wait_for(len(callee.received) + 75)  # 1.5 s
        callee.talk(near.getsockname())
        callee.wait_for(len(callee.received) + 15)


@pytest.mark.parametrize("ssrc", [77, 78])
def test_the_signalled_address_wins_over_a_source_that_was_found(pacer: Pacer, ssrc: int) -> None:
    with near_end() as near, Talker() as signalled, Talker(ssrc=ssrc) as other:
        pacer.play(1, near, Media(0, signalled.address, symmetric=True), bytes(FRAME * 500))
        other.talk(near.getsockname())
        other.wait_for(10)
        signalled.talk(near.getsockname())
        signalled.wait_for(len(signalled.received) + 2)
        back = signalled.newest
        signalled.wait_for(len(signalled.received) + 10)
        assert precedes(other.newest, back)


def test_the_old_stream_is_not_followed_after_a_move(pacer: Pacer) -> None:
    """There used to be 839 packets to the old address and none to the new one: 60 ms were under way."""
    with near_end() as near, Talker() as old, Talker() as new:
        pacer.play(1, near, Media(0, old.address, symmetric=True), bytes(FRAME * 500))
        old.talk(near.getsockname())
        old.wait_for(10)
        pacer.move(1, Media(0, new.address, symmetric=True))
        new.wait_for(25)  # 0.5 s of a phone that is not hung up yet
        old.hush()
        new.wait_for(45)
        assert precedes(old.newest, new.received[0][1])


def test_a_call_on_hold_goes_on_where_the_callee_was_found(pacer: Pacer) -> None:
    with near_end() as near, Talker() as told, Talker() as real:
        media = Media(0, told.address, symmetric=True)
        pacer.play(1, near, media, bytes(FRAME * 500))
        real.talk(near.getsockname())
        real.wait_for(3)
        pacer.move(1, Media(0, ("0.0.0.0", 4000), symmetric=True, held=True))
        found = real.newest
        time.sleep(0.3)  # the far end holds
        pacer.move(1, media)
        real.wait_for(len(real.received) + 10)
        times = [struct.unpack_from("!I", packet, 4)[0] for _, packet in real.received]
        assert max((b - a) & 0xFFFFFFFF for a, b in pairwise(times)) >= 5 * FRAME
        assert precedes(told.newest, found)


def test_packets_of_another_payload_type_are_learned_from_nobody(pacer: Pacer) -> None:
    with near_end() as near, Talker() as told, Talker(payload_type=9) as other:
        pacer.play(1, near, Media(0, told.address, symmetric=True), bytes(FRAME * 500))
        other.send(near.getsockname(), packets=20)
        assert other.received == []
        assert pacer.read() == []


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
        media = Media(8, far.getsockname(), symmetric=True, rtcp_port=far_rtcp.getsockname()[1])
        pacer.play(1, near, media, bytes(FRAME * 500), rtcp=near_rtcp)
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


# --- packets of another length ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame_ms", [10, 30, 40, 60])
def test_frames_are_as_long_as_the_far_end_wants(pacer: Pacer, line: Line, frame_ms: int) -> None:
    audio = os.urandom(8 * frame_ms * 25 - 8)
    pacer.play(1, line.near, Media(8, frame_ms=frame_ms), audio)
    assert event(pacer, line) == Finished(1, 0, len(audio) / 8000)
    assert {len(data) for _, data in line.packets} == {12 + 8 * frame_ms}
    assert b"".join(data[12:] for _, data in line.packets)[: len(audio)] == audio
    times = [header[3] for header in line.headers()]
    steps = [(b - a) & 0xFFFFFFFF for a, b in pairwise(times)]
    assert min(steps) == 8 * frame_ms
    assert {step % (8 * frame_ms) for step in steps} == {0}
    # On a busy machine the process may stall; the time stamps say so.
    assert line.packets[-1][0] - line.packets[0][0] == pytest.approx(sum(steps) / 8000, abs=0.12)


# --- moved and held --------------------------------------------------------------------------------------------------


def other_far_end(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(BOUND_S)
    return sock


@pytest.mark.parametrize("symmetric", [True, False])
def test_audio_follows_the_far_end_and_is_never_doubled(pacer: Pacer, line: Line, symmetric: bool) -> None:
    audio = os.urandom(FRAME * 60)
    with other_far_end() as new:
        pacer.play(1, line.near, Media(0, line.far.getsockname(), symmetric=symmetric), audio, hold=True)
        line.far.sendto(telephone_event(0, 1, payload_type=0), line.near.getsockname())
        event(pacer, line, packets=10)
        pacer.move(1, Media(0, new.getsockname(), symmetric=symmetric))
        assert event(pacer, line) == Finished(1, 0, 1.2)
        pacer.stop(1)
        event(pacer, line)
        new.settimeout(0.2)
        moved = received(new)
    first = [data for _, data in line.packets]
    sequences = [struct.unpack_from("!H", data, 2)[0] for data in first + moved]
    assert {(b - a) & 0xFFFF for a, b in pairwise(sequences)} == {1}
    assert b"".join(data[12:] for data in first + moved)[: len(audio)] == audio
    assert 10 <= len(first) < 30


def received(sock: socket.socket) -> list[bytes]:
    """What has come until nothing more comes."""
    packets = []
    with contextlib.suppress(TimeoutError):
        while True:
            packets.append(sock.recv(2048))
    return packets


def test_what_moved_can_be_far_from_where_it_said_again(pacer: Pacer) -> None:
    with near_end() as near, Talker() as first, Talker() as told, Talker() as real:
        pacer.play(1, near, Media(0, first.address, symmetric=True), bytes(FRAME * 500))
        first.send(near.getsockname())
        first.wait_for(3)
        pacer.move(1, Media(0, told.address, symmetric=True, events=(101,)))
        told.wait_for(3)
        real.talk(near.getsockname())
        real.wait_for(3)
        press(real, near, 3, 1)
        assert until_news(pacer, Key) == Key(1, "3")


def test_a_held_call_hears_nothing_and_misses_nothing(pacer: Pacer, line: Line) -> None:
    audio = os.urandom(FRAME * 40)
    pacer.play(1, line.near, Media(0), audio)
    event(pacer, line, packets=10)
    pacer.move(1, Media(0, held=True))
    time.sleep(0.3)  # the far end holds
    line.drain()
    held = len(line.packets)
    assert held < 20
    pacer.move(1, Media(0))
    assert event(pacer, line) == Finished(1, 0, 0.8)
    assert b"".join(data[12:] for _, data in line.packets) == audio
    steps = [(b - a) & 0xFFFFFFFF for a, b in pairwise(header[3] for header in line.headers())]
    assert 5 * FRAME <= max(steps) <= 40 * FRAME
    assert line.headers()[held][1] == 0x80  # the marker


# --- keys ------------------------------------------------------------------------------------------------------------


def keys_of(pacer: Pacer, line: Line, packets: list[bytes]) -> str:
    """The keys that these packets tell; a last one of ours, 9, says that all were read."""
    pacer.play(4, line.near, Media(0, events=(101, 96)), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    for packet in [*packets, telephone_event(9, 0x7000_0000)]:
        line.far.sendto(packet, line.near.getsockname())
    told = ""
    while not told.endswith("9"):
        key = event(pacer, line)
        assert isinstance(key, Key)
        told += key.digit
    return told[:-1]


def pressed(digit: int, timestamp: int, source: int = 99) -> list[bytes]:
    """All packets of an event: the first has the marker, the last comes three times."""
    ends = [False, False, False, True, True, True]
    packets = [bytearray(telephone_event(digit, timestamp, end=end)) for end in ends]
    packets[0][1] |= 0x80
    for packet in packets:
        packet[8:12] = source.to_bytes(4, "big")
    return [bytes(packet) for packet in packets]


def test_a_key_is_told_whichever_of_its_packets_are_lost(pacer: Pacer, line: Line) -> None:
    assert keys_of(pacer, line, pressed(1, 1000)[1:] + pressed(2, 3000)[-1:] + pressed(3, 5000)[:1]) == "123"


def test_a_late_packet_of_an_earlier_key_tells_nothing(pacer: Pacer, line: Line) -> None:
    assert keys_of(pacer, line, pressed(1, 1000) + pressed(1, 2000) + pressed(1, 1000)[-2:]) == "11"


def test_the_keys_of_another_device_are_told_however_its_clock_stands(pacer: Pacer, line: Line) -> None:
    assert keys_of(pacer, line, pressed(1, 9000) + pressed(2, 100, source=7)) == "12"


def test_keys_behind_sources_and_an_extension_are_found(pacer: Pacer, line: Line) -> None:
    plain = telephone_event(5, 1000)
    extended = bytes([plain[0] | 0x12]) + plain[1:12] + bytes(8) + b"\xbe\xde\x00\x01" + bytes(4) + plain[12:]
    cut = bytes([plain[0] | 0x1F]) + telephone_event(6, 2000)[1:]
    padded = bytes([plain[0] | 0x20]) + telephone_event(7, 3000)[1:] + b"\xff"
    other_type = telephone_event(8, 4000, payload_type=96)
    assert keys_of(pacer, line, [extended, cut, padded, other_type]) == "58"


# --- SRTP ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Secret:
    """The far end's side of SRTP, by libsrtp."""

    keys: Keys
    far: SrtpContext

    @classmethod
    def of(cls, profile: Profile) -> "Secret":
        ours, theirs = os.urandom(30), os.urandom(30)
        return cls(Keys(profile, ours, theirs), SrtpContext(Keys(profile, theirs, ours)))


@pytest.mark.parametrize("profile", list(Profile))
def test_nothing_leaves_in_clear(pacer: Pacer, line: Line, profile: Profile) -> None:
    secret, audio = Secret.of(profile), os.urandom(FRAME * 10)
    pacer.play(1, line.near, Media(0, keys=secret.keys), audio)
    assert event(pacer, line) == Finished(1, 0, 0.2)
    tag = 10 if profile is Profile.SHA1_80 else 4
    assert {len(data) for _, data in line.packets} == {12 + FRAME + tag}
    assert b"".join(secret.far.unprotect(data)[12:] for _, data in line.packets) == audio


def test_a_stranger_neither_moves_the_audio_nor_presses_keys(pacer: Pacer, line: Line) -> None:
    secret = Secret.of(Profile.SHA1_80)
    media = Media(0, line.far.getsockname(), symmetric=True, events=(101,), keys=secret.keys)
    with other_far_end() as stranger:
        pacer.play(1, line.near, media, bytes(FRAME * 500))
        for packet in (telephone_event(8, 1), telephone_event(0, 1, payload_type=0), os.urandom(1600)):
            stranger.sendto(packet, line.near.getsockname())
        event(pacer, line, packets=10)
        line.far.sendto(telephone_event(7, 1), line.near.getsockname())  # in clear
        pressed_key = secret.far.protect(telephone_event(9, 1000))
        line.far.sendto(pressed_key, line.near.getsockname())
        assert event(pacer, line) == Key(1, "9")
        stranger.settimeout(0.1)
        assert received(stranger) == []


def test_the_new_key_of_a_move_counts_and_the_old_one_no_more(pacer: Pacer, line: Line) -> None:
    """No test used to notice when the key of a re-INVITE was ignored."""
    before = Secret.of(Profile.SHA1_80)
    theirs = os.urandom(30)
    keys = Keys(Profile.SHA1_80, before.keys.ours, theirs)
    after = SrtpContext(Keys(Profile.SHA1_80, theirs, before.keys.ours))
    pacer.play(1, line.near, Media(0, events=(101,), keys=before.keys), bytes(FRAME * 500))
    line.far.sendto(before.far.protect(telephone_event(1, 1000)), line.near.getsockname())
    assert event(pacer, line) == Key(1, "1")
    pacer.move(1, Media(0, events=(101,), keys=keys))
    event(pacer, line, packets=len(line.packets) + 2)
    line.far.sendto(before.far.protect(telephone_event(2, 2000, sequence=2)), line.near.getsockname())
    line.far.sendto(after.protect(telephone_event(3, 3000, sequence=3)), line.near.getsockname())
    assert event(pacer, line) == Key(1, "3")
    assert all(after.unprotect(data) for _, data in line.packets)  # ours stays


def test_reports_are_protected_too(pacer: Pacer) -> None:
    secret = Secret.of(Profile.SHA1_80)
    with other_far_end() as far, other_far_end() as far_rtcp, other_far_end() as near, other_far_end() as near_rtcp:
        media = Media(8, far.getsockname(), rtcp_port=far_rtcp.getsockname()[1], keys=secret.keys)
        pacer.play(1, near, media, bytes(FRAME * 500), rtcp=near_rtcp)
        source = far.recv(2048)[8:12]
        pacer.stop(1)
        report = far_rtcp.recv(2048)
    assert report[4:8] == source
    assert len(report) == 28 + 20 + 8 + 14  # report, name, goodbye; index and tag
    assert secret.keys.ours.hex() not in repr(media)


def test_keys_that_are_no_good_send_nothing(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0, keys=Keys(Profile.SHA1_80, b"short", b"short")), bytes(FRAME * 10))
    assert event(pacer, line) == Failed(1, "libsrtp does not take these keys")
    assert line.packets == []


# --- addresses -------------------------------------------------------------------------------------------------------


def test_a_callee_to_whom_there_is_no_way_is_told(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0, ("2001:db8::1", 4000), symmetric=True), bytes(FRAME * 10))
    failed = event(pacer, line)
    assert isinstance(failed, Failed)
    assert failed.why.startswith("no way to the callee's audio")


def test_the_last_port_has_none_for_reports_after_it(pacer: Pacer, line: Line) -> None:
    with other_far_end() as near_rtcp:
        media = Media(0, ("127.0.0.9", 65535), symmetric=True)
        pacer.play(1, line.near, media, bytes(FRAME * 500), rtcp=near_rtcp)
        pacer.stop(1)
        assert isinstance(event(pacer, line), Stopped)
        pacer.play(2, line.near, Media(0, line.far.getsockname()), bytes(FRAME))
        assert event(pacer, line) == Finished(2, 0, 0.02)


def test_ipv6_is_spoken(pacer: Pacer, line: Line) -> None:
    with other_far_end("::1") as far, other_far_end("::1") as near:
        media = Media(0, far.getsockname()[:2], symmetric=True, events=(101,))
        pacer.play(1, near, media, bytes(FRAME * 500))
        assert len(far.recv(2048)) == 12 + FRAME
        far.sendto(telephone_event(4, 1), near.getsockname())
        assert event(pacer, line) == Key(1, "4")


# --- who answered ----------------------------------------------------------------------------------------------------


def speak(pacer: Pacer, line: Line, octets: bytes) -> PacerEvent | None:
    """The first event while the far end says this, in real time."""
    pacer.play(1, line.near, Media(0, events=(101,)), b"", hold=True, listen=True)
    assert event(pacer, line) == Finished(1, 0, 0.0)
    began = time.monotonic()
    for number, start in enumerate(range(0, len(octets), FRAME)):
        header = struct.pack("!BBHII", 0x80, 0, number, number * FRAME, 9)
        line.far.sendto(header + octets[start : start + FRAME], line.near.getsockname())
        line.events += [each for each in pacer.read() if not isinstance(each, FirstPacket)]
        if line.events:
            break
        time.sleep(max(began + (number + 1) * 0.020 - time.monotonic(), 0))
    return event(pacer, line)


def test_a_beep_is_heard_and_then_no_speech_any_more(pacer: Pacer, line: Line) -> None:
    beep = ulaw_encode(
        b"".join(round(6000 * math.sin(n * 0.7)).to_bytes(2, "little", signed=True) for n in range(8000))
    )
    assert speak(pacer, line, beep) == Judged(1, "machine")
    line.far.sendto(telephone_event(5, 1), line.near.getsockname())
    assert event(pacer, line) == Key(1, "5")
    pacer.say(1, bytes(FRAME), utterance=2)
    assert event(pacer, line) == Finished(1, 2, 0.02)


def test_silence_is_a_person_also_where_nothing_is_sent(pacer: Pacer, line: Line) -> None:
    assert speak(pacer, line, b"") == Judged(1, "person")


# --- a process in trouble --------------------------------------------------------------------------------------------


def read_until_it_is_gone(pacer: Pacer) -> None:
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        pacer.read()
        time.sleep(0.02)


def test_a_process_that_hangs_is_noticed_within_a_second(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    os.kill(pacer.pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    with pytest.raises(PacerGone, match="hangs"):
        read_until_it_is_gone(pacer)
    assert time.monotonic() - stopped_at < 1.2
    pacer.close(grace_s=0.0)


def test_who_was_stopped_oneself_gives_the_process_another_second(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    pacer.read()
    os.kill(pacer.pid, signal.SIGSTOP)
    time.sleep(1.2)  # both of us
    pacer.read()
    os.kill(pacer.pid, signal.SIGCONT)
    time.sleep(0.3)
    pacer.read()
    pacer.stop(1)
    assert isinstance(event(pacer, line), Stopped)
