"""The audio process, judged by what arrives at a UDP socket on loopback."""

import contextlib
import math
import os
import resource
import signal
import socket
import struct
import time
from itertools import pairwise

import pytest

from drivers.codecs.g711 import ulaw_encode
from drivers.figures import LATE_S
from drivers.rtp.messages import Failed, Finished, FirstPacket, Judged, Key, Media, PacerEvent, Stopped
from drivers.rtp.process_handle import Pacer, PacerGone
from tests.drivers.pyvoip.calling import wait_for_end
from tests.drivers.rtp.line import (
    BOUND_S,
    FRAME,
    Line,
    event,
    other_far_end,
    received,
    telephone_event,
)


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
    finished = event(pacer, line)
    times = [timestamp for _, _, _, timestamp, _ in line.headers()]
    steps = [(after - before) & 0xFFFFFFFF for before, after in pairwise(times)]
    assert len(times) == 40
    assert max(steps) >= 15 * FRAME
    assert all(step % FRAME == 0 for step in steps)
    assert isinstance(finished, Finished)
    assert sum(finished.late) == 40
    assert sum(finished.late[LATE_S.index(0.25) + 1 :]) > 0
    assert finished.late_s > 0.4


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


def test_between_utterances_the_stream_goes_on_in_silence(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0), b"\x01" * FRAME * 5, hold=True)
    assert event(pacer, line) == Finished(1, 0, 0.1)
    event(pacer, line, packets=12)
    pacer.say(1, b"\x02" * FRAME * 5, utterance=2)
    assert event(pacer, line) == Finished(1, 2, 0.1)
    pacer.stop(1)
    stopped = event(pacer, line)
    assert stopped == Stopped(1, 2, 0.1)
    assert isinstance(stopped, Stopped)
    assert sum(stopped.late) == 10  # the silence is no speech
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


# --- sender reports --------------------------------------------------------------------------------------------------


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
    time.sleep(1.2)  # the process is stopped, and this one does not read either
    pacer.read()
    os.kill(pacer.pid, signal.SIGCONT)
    time.sleep(0.3)
    pacer.read()
    pacer.stop(1)
    assert isinstance(event(pacer, line), Stopped)
