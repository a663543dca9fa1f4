"""The audio of a call against real far ends: encrypted, moved, of another packet time; and who answered it."""

import contextlib
import os
import signal
import socket
import struct
import time
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from daemon.prompts.library import shipped_prompts
from drivers import Audio, Call, CallHandle, CallOutcome, CallPhase, DeviceState
from drivers.sip.call import OutgoingCall
from drivers.sip.call_events import Answered
from drivers.sip.call_requests import CallRequests
from drivers.sip.message import Message
from drivers.sip.request_builder import Identity
from drivers.sip.sdp import offer
from tests.drivers.pyvoip.calling import (
    NUMBER,
    TONE_HZ,
    Phases,
    becomes,
    crossings,
    dial,
    driver,
    heard,
    pacer_pid,
    press,
    result,
    tone,
)
from tests.peers.baresip import Account, Baresip, free_port
from tests.peers.sipp import Sipp, ask, hear, hear_answer, pause, say, script
from tests.peers.talker import Talker, precedes, rtp

FAR_HOST = "127.0.0.4"
RATE = 8000


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with listener() as sock:
        yield sock


@contextlib.contextmanager
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((FAR_HOST, 0))
        sock.settimeout(0.3)
        yield sock


def described(far: socket.socket, *lines: str, law: int = 0) -> str:
    """A description, for sipp's scripts, that asks for audio at this socket."""
    media = f"m=audio {far.getsockname()[1]} RTP/AVP {law}"
    head = ["v=0", f"o=far 1 1 IN IP4 {FAR_HOST}", "s=-", f"c=IN IP4 {FAR_HOST}", "t=0 0", media]
    return "\n".join([*head, *lines, ""])


def noise(seconds: float) -> Audio:
    """No two packets of it are alike."""
    octets = os.urandom(round(seconds * RATE))
    return Audio(octets, octets)


def received(far: socket.socket) -> list[bytes]:
    packets = []
    with contextlib.suppress(TimeoutError):
        while True:
            packets.append(far.recv(2048))
    return packets


SAID_BYE = hear("BYE") + say("200 OK")


@pytest.mark.parametrize("frame_ms", [30, 40])
def test_packets_are_as_long_as_the_answer_wants(tmp_path: Path, far: socket.socket, frame_ms: int) -> None:
    answer = say("200 OK", sdp=described(far, f"a=ptime:{frame_ms}")) + hear("ACK")
    with Sipp(tmp_path, script(answer, SAID_BYE)) as peer, driver(peer.address) as opened:
        ended = result(dial(opened, tone(1.2, 0.0))[0])
        assert peer.succeeded()
    packets = received(far)
    assert ended.played_s == 1.2
    assert {len(packet) for packet in packets} == {12 + 8 * frame_ms}
    assert len(packets) == pytest.approx(1200 / frame_ms, abs=4)
    times = [struct.unpack_from("!I", packet, 4)[0] for packet in packets]
    assert {(b - a) & 0xFFFFFFFF for a, b in pairwise(times)} == {8 * frame_ms}


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_audio_goes_where_the_far_end_moves_it_and_never_to_both(
    tmp_path: Path, far: socket.socket, method: str
) -> None:
    speech = noise(1.0)
    with listener() as new:
        steps = [say("200 OK", sdp=described(far)), hear("ACK"), pause(300)]
        steps += [ask(method, sdp=described(new)), hear_answer(200)]
        steps += [ask("ACK")] if method == "INVITE" else []
        with Sipp(tmp_path, script(*steps, SAID_BYE)) as peer, driver(peer.address) as opened:
            ended = result(dial(opened, speech)[0])
            assert peer.succeeded(), (tmp_path / "sipp" / "errors").read_text()
        first, moved = received(far), received(new)
    assert ended.played_s == 1.0
    assert first
    assert moved
    sequences = [struct.unpack_from("!H", packet, 2)[0] for packet in first + moved]
    assert {(b - a) & 0xFFFF for a, b in pairwise(sequences)} == {1}
    assert b"".join(packet[12:] for packet in first + moved)[: len(speech.pcmu)] == speech.pcmu


# --- where the callee is ---------------------------------------------------------------------------------------------


def described_at(talker: Talker) -> str:
    """A description, for sipp's scripts, that asks for audio at a talker's address."""
    return described(talker.sock)


@contextlib.contextmanager
def call(tmp_path: Path, *steps: str, speech: Audio | None = None) -> Iterator[tuple[CallHandle, tuple[str, int]]]:
    """A call to a callee that keeps to a script, and our address for its audio."""
    port = free_port("127.0.0.1", socket.SOCK_DGRAM) // 2 * 2
    with (
        Sipp(tmp_path, script(*steps, SAID_BYE)) as peer,
        driver(peer.address, rtp_ports=f"{port}-{port + 1}") as opened,
    ):
        yield dial(opened, speech or noise(2.0))[0], ("127.0.0.1", port)
        assert peer.succeeded(), (tmp_path / "sipp" / "errors").read_text()


def payloads(talker: Talker) -> bytes:
    return b"".join(packet[12:] for _, packet in talker.received)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("new_talks", [True, False])
def test_the_old_stream_is_not_followed_after_a_move(tmp_path: Path, method: str, new_talks: bool) -> None:
    """There used to be 839 packets to the old address and none to the new one: packets of 60 ms came after the move."""
    with Talker() as old, Talker() as new:
        steps = [
            say("200 OK", sdp=described_at(old)),
            hear("ACK"),
            pause(500),
            ask(method, sdp=described_at(new)),
            hear_answer(200),
        ]
        with call(tmp_path, *steps, ask("ACK") if method == "INVITE" else "") as (handle, ours):
            old.talk(ours)
            new.wait_for(1)
            if new_talks:
                new.talk(ours)
            else:
                new.wait_for(4)  # the old phone sends for 60 ms more: what was under way
                old.hush()
            ended = result(handle)
    assert ended.played_s == 2.0
    assert not ended.one_way
    assert precedes(old.newest, new.received[0][1])
    assert len(new.received) > 50


@pytest.mark.parametrize("chosen_talks", [True, False])
def test_the_phone_of_a_fork_that_did_not_answer_gets_nothing(tmp_path: Path, chosen_talks: bool) -> None:
    """There used to be 1015 packets to the wrong phone, and one to the right one."""
    with Talker() as wrong, Talker(ssrc=5) as chosen:
        early = say("183 Session Progress", sdp=described_at(wrong)).replace("SIPpTag", "OtherTag")
        steps = [early, pause(300), say("200 OK", sdp=described_at(chosen)), hear("ACK")]
        with call(tmp_path, *steps) as (handle, ours):
            wrong.talk(ours)
            chosen.wait_for(1)
            chosen.wait_for(8)
            if chosen_talks:
                chosen.talk(ours)
            ended = result(handle)
    assert ended.played_s == 2.0
    assert ended.one_way is not chosen_talks
    assert wrong.received == []


def test_a_stranger_beside_a_silent_callee_presses_no_key_and_gets_no_audio_for_three_seconds_and_the_result_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There used to be a stranger who got the PIN, and could press 1, by 0.2 s of packets to a silent callee."""
    with (
        Talker() as callee,
        Talker("127.0.0.66", ssrc=5) as stranger,
        call(tmp_path, say("200 OK", sdp=described_at(callee)), hear("ACK"), speech=noise(4.0)) as (handle, ours),
    ):
        began = time.monotonic()
        stranger.talk(ours)
        callee.wait_for(40)  # 0.8 s
        stranger.press(ours, 1)
        callee.wait_for(100)
        stranger.press(ours, 1)
        ended = result(handle)
    assert ended.keys == ""
    assert all(at >= began + 2.9 for at, _ in stranger.received)
    assert len(callee.received) > 100
    assert ended.reason.endswith("audio went to a host that the signalling does not name")
    assert "audio=latched" in caplog.text


def test_a_stranger_gets_no_packet_and_presses_no_key(tmp_path: Path) -> None:
    """There used to be a stranger whose first packet got the whole PIN."""
    speech = noise(2.0)
    with (
        Talker() as callee,
        Talker("127.0.0.66", ssrc=5) as stranger,
        call(tmp_path, say("200 OK", sdp=described_at(callee)), hear("ACK"), speech=speech) as (handle, ours),
    ):
        stranger.talk(ours)  # also before the callee sends
        callee.wait_for(5)
        callee.talk(ours)
        for number in range(20):
            key = rtp(number, 5, payload_type=101, timestamp=number, payload=b"\x01\x00\x00\xa0")
            stranger.sock.sendto(key, ours)
            callee.wait_for(len(callee.received) + 1)
        ended = result(handle)
    assert stranger.received == []
    assert (ended.keys, ended.one_way) == ("", False)
    assert payloads(callee)[: len(speech.pcmu)] == speech.pcmu


def test_a_callee_behind_a_nat_hears_nearly_everything(tmp_path: Path) -> None:
    with (
        Talker() as hidden,
        Talker() as seen,
        call(tmp_path, say("200 OK", sdp=described_at(hidden)), hear("ACK")) as (handle, ours),
    ):
        hidden.wait_for(1)
        seen.talk(ours)
        ended = result(handle)
    assert not ended.one_way
    assert len(seen.received) > len(hidden.received)
    assert len(hidden.received) < 20  # its host is the one of the SDP, so five packets in a row are enough


def test_a_callee_behind_a_nat_that_sends_comfort_noise_only_is_found(tmp_path: Path) -> None:
    """There used to be a bug: the callee got no audio, and the result said one-way."""
    with (
        Talker() as hidden,
        Talker(payload_type=13) as seen,
        call(tmp_path, say("200 OK", sdp=described_at(hidden)), hear("ACK")) as (handle, ours),
    ):
        hidden.wait_for(1)
        seen.talk(ours)
        ended = result(handle)
    assert not ended.one_way
    assert len(seen.received) > len(hidden.received)


def test_a_call_in_which_nothing_was_heard_of_the_callee_says_so(tmp_path: Path) -> None:
    """Calls to a dead port used to be "delivered", without any remark."""
    with Talker() as mute, call(tmp_path, say("200 OK", sdp=described_at(mute)), hear("ACK")) as (handle, _):
        ended = result(handle)
    assert (ended.outcome, ended.one_way) == (CallOutcome.ANSWERED, True)


def test_a_call_to_a_real_phone_is_not_one_way(tmp_path: Path) -> None:
    with Baresip(tmp_path) as peer, driver(peer.address) as opened:
        ended = result(dial(opened, tone(1.0))[0])
    assert (ended.outcome, ended.one_way) == (CallOutcome.ANSWERED, False)


# --- hold ------------------------------------------------------------------------------------------------------------


def test_a_call_on_hold_goes_on_where_it_was(tmp_path: Path, far: socket.socket) -> None:
    steps = [say("200 OK", sdp=described(far)), hear("ACK"), pause(300)]
    steps += [ask("INVITE", sdp=described(far, "a=sendonly")), hear_answer(200), ask("ACK"), pause(600)]
    steps += [ask("INVITE", cseq=2, sdp=described(far)), hear_answer(200), ask("ACK", cseq=2)]
    speech = tone(1.0, 0.0)
    with Sipp(tmp_path, script(*steps, SAID_BYE)) as peer, driver(peer.address) as opened:
        ended = result(dial(opened, speech)[0])
        assert peer.succeeded(), (tmp_path / "sipp" / "errors").read_text()
    assert (ended.outcome, ended.played_s) == (CallOutcome.ANSWERED, 1.0)
    assert ended.talk_s == pytest.approx(1.6, abs=0.3)
    assert b"".join(packet[12:] for packet in received(far))[: len(speech.pcmu)] == speech.pcmu


def response(status: int, *headers: tuple[str, str], sdp: str = "") -> Message:
    """A response of the far end to the INVITE of a call."""
    always = (("to", "<sip:x@y>;tag=1"), ("contact", f"<sip:x@{FAR_HOST}>"), ("cseq", "1 INVITE"))
    return Message((*always, *headers), sdp.encode(), status=status, reason="told")


def test_an_answer_in_a_provisional_response_that_was_acknowledged_counts(far: socket.socket) -> None:
    us = Identity("sip:us@y", "us", "127.0.0.1:5060")
    call = OutgoingCall(CallRequests(us, "sip:x@y", offer("127.0.0.1", 40000, 1)))
    invite = call.invite()
    early = response(183, ("require", "100rel"), ("rseq", "7"), sdp=described(far, law=8))
    home = (FAR_HOST, 5060)
    assert [message.method for message, _ in call.on_early(early, home)] == ["PRACK"]
    assert [message.method for message, _ in call.on_success(invite, response(200), home, news=True)] == ["ACK"]
    (answered,) = call.events
    assert isinstance(answered, Answered)
    assert (answered.audio.port, answered.audio.payload_type) == (far.getsockname()[1], 8)


# --- SRTP ------------------------------------------------------------------------------------------------------------


def test_encrypted_audio_is_heard_as_it_was_sent(tmp_path: Path) -> None:
    account = Account(encryption="srtp-mand")
    with Baresip(tmp_path, account) as peer, driver(peer.address, srtp="sdes") as opened:
        phases = Phases()
        handle = opened.call(Call(NUMBER, tone(1.0), again=tone(0.5), bye=tone(0.1), repeats=1), phases)
        phases.wait_for(CallPhase.ANSWERED)
        press(peer, "1", heard_s=1.7)  # the speech of 1.5 s is over
        ended = result(handle)
        samples = heard(peer)
    assert (ended.outcome, ended.keys, ended.played_s) == (CallOutcome.ANSWERED, "1", 1.5)
    assert crossings(samples) == pytest.approx(TONE_HZ * 1.6, abs=TONE_HZ * 0.06)


def test_a_callee_that_demands_encryption_is_not_spoken_to_in_clear(tmp_path: Path) -> None:
    with Baresip(tmp_path, Account(encryption="srtp-mand")) as peer, driver(peer.address) as opened:
        assert result(dial(opened, tone(0.5))[0]).outcome is CallOutcome.REJECTED


def test_a_plain_answer_where_encryption_was_demanded_ends_the_call(tmp_path: Path, far: socket.socket) -> None:
    steps = (say("200 OK", sdp=described(far)), hear("ACK"), SAID_BYE)
    with Sipp(tmp_path, script(*steps, containing="RTP/SAVP")) as peer, driver(peer.address, srtp="sdes") as opened:
        ended = result(dial(opened, tone(0.5))[0])
        assert peer.succeeded(), (tmp_path / "sipp" / "errors").read_text()
    assert ended.outcome is CallOutcome.REJECTED
    assert ended.reason == "the answer is RTP/AVP, where RTP/SAVP was offered"
    assert received(far) == []


# --- who answered ----------------------------------------------------------------------------------------------------


def recording(path: Path, *clips: str, before_s: float = 0.5, after_s: float = 8.0) -> Path:
    """A WAV of shipped clips, between silences."""
    frames = bytes(2 * round(before_s * RATE))
    for clip in clips:
        with wave.open(str(shipped_prompts() / "en-us" / f"{clip}.wav")) as wav:
            frames += wav.readframes(wav.getnframes())
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes(frames + bytes(2 * round(after_s * RATE)))
    return path


@pytest.mark.parametrize("srtp", ["none", "sdes"])
def test_a_machine_that_greets_at_length_gets_no_pin(tmp_path: Path, srtp: str) -> None:
    greeting = recording(tmp_path / "greeting.wav", "welcome", "question", "welcome")
    account = Account(says=greeting, encryption="srtp-mand" if srtp == "sdes" else "")
    with Baresip(tmp_path, account) as peer, driver(peer.address, srtp=srtp) as opened:
        ended = result(opened.call(Call(NUMBER, tone(5.0), hang_up_on_machine=True), Phases()))
        samples = heard(peer)
    assert (ended.outcome, ended.machine, ended.played_s) == (CallOutcome.ANSWERED, True, 0.0)
    assert ended.talk_s < 5
    assert crossings(samples) == 0


def test_a_person_who_says_a_word_hears_the_pin(tmp_path: Path) -> None:
    hello = recording(tmp_path / "hello.wav", "digit_1")
    with Baresip(tmp_path, Account(says=hello)) as peer, driver(peer.address) as opened:
        ended = result(opened.call(Call(NUMBER, tone(0.5, 0.0), hang_up_on_machine=True), Phases()))
        samples = heard(peer)
    assert (ended.outcome, ended.machine, ended.played_s) == (CallOutcome.ANSWERED, False, 0.5)
    assert crossings(samples) == pytest.approx(TONE_HZ * 0.5, abs=TONE_HZ * 0.05)
    assert ended.talk_s < 3.5


# --- a process in trouble --------------------------------------------------------------------------------------------


def test_an_audio_process_that_hangs_ends_its_calls_within_a_second(tmp_path: Path) -> None:
    with Baresip(tmp_path) as peer, driver(peer.address) as opened:
        handle, phases = dial(opened, tone(20.0))
        phases.wait_for(CallPhase.ANSWERED)
        peer.wait_until_heard(0.2)
        pid = pacer_pid()
        before = len(os.listdir("/proc/self/fd"))
        os.kill(pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        ended = result(handle)
        assert time.monotonic() - stopped_at < 1.5
        assert (ended.outcome, ended.reason) == (CallOutcome.FAILED, "the audio process hangs")
        becomes(opened, DeviceState.READY)
        assert pacer_pid() != pid
        assert result(dial(opened, tone(0.2))[0]).outcome is CallOutcome.ANSWERED
        assert len(os.listdir("/proc/self/fd")) <= before - 2  # the two ports of the call


def test_a_callee_to_whom_there_is_no_way_is_told_so(tmp_path: Path) -> None:
    nowhere = "v=0\no=f 1 1 IN IP6 2001:db8::1\ns=-\nc=IN IP6 2001:db8::1\nt=0 0\nm=audio 4000 RTP/AVP 0\n"
    answer = (say("200 OK", sdp=nowhere), hear("ACK"), SAID_BYE)
    with Sipp(tmp_path, script(*answer)) as peer, driver(peer.address) as opened:
        ended = result(dial(opened, tone(0.5))[0])
        assert peer.succeeded()
    assert ended.outcome is CallOutcome.FAILED
    assert ended.reason.startswith("no way to the callee's audio")
