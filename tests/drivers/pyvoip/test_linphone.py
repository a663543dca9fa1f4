"""The voice driver against linphonec: a telephone that handles jitter, STUN and RTCP in its own way."""

import random
import wave
from pathlib import Path

import pytest

from drivers import Audio, Call, CallOutcome, CallPhase
from drivers.codecs.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from tests.drivers.pyvoip.calling import NUMBER, Phases, dial, driver, result, tone
from tests.peers.kamailio import PASSWORD, Kamailio
from tests.peers.linphone import Linphone

PACKET = 2 * 160  # bytes of 16-bit samples in 20 ms
HUSH = bytes(12 * PACKET)  # before, while its jitter buffer settles, and after, for what is in it when the call ends
HEARD = 0.9  # of the packets, at least: in half of the calls it trims 10 ms, which spoils one packet of 40


def noise(seed: int = 1) -> bytes:
    """0.8 s of 16-bit samples, of which no two packets are alike."""
    return random.Random(seed).randbytes(40 * PACKET)


def packets(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + PACKET] for start in range(0, len(pcm), PACKET)]


def share_heard(sent: bytes, heard: bytes) -> float:
    """The share of the sent packets that were heard sample for sample, in their order."""
    end = count = 0
    for packet in packets(sent):
        at = heard.find(packet, end)
        if at >= 0:
            end, count = at + PACKET, count + 1
    return count / len(packets(sent))


@pytest.mark.parametrize(("law", "srtp"), [("PCMU", "none"), ("PCMA", "sdes")])
def test_linphonec_hears_what_was_sent_sample_for_sample(tmp_path: Path, law: str, srtp: str) -> None:
    pcm = HUSH + noise() + HUSH
    audio = Audio(ulaw_encode(pcm), alaw_encode(pcm))
    with Linphone(tmp_path, codecs=law) as peer, driver(peer.address, srtp=srtp) as opened:
        handle, phases = dial(opened, audio)
        ended = result(handle)
        peer.wait_for(" ended (No error)")
        with wave.open(str(peer.recording())) as wav:
            assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (8000, 1, 2)
            heard = wav.readframes(wav.getnframes())
    assert (ended.outcome, ended.played_s) == (CallOutcome.ANSWERED, 1.28)
    assert phases.seen == [CallPhase.DIALLING, CallPhase.RINGING, CallPhase.ANSWERED]
    sent = ulaw_decode(audio.pcmu) if law == "PCMU" else alaw_decode(audio.pcma)
    assert share_heard(sent[len(HUSH) : -len(HUSH)], heard) >= HEARD


def test_what_was_not_sent_does_not_pass_for_it() -> None:
    sent = packets(ulaw_decode(ulaw_encode(noise())))
    whole = b"".join(sent)
    assert share_heard(whole, HUSH + whole[: 20 * PACKET] + whole[20 * PACKET + 160 :]) == 0.975  # 10 ms are missing
    assert share_heard(whole, b"".join(sent[20:] + sent[:20])) == 0.5
    assert share_heard(whole, b"".join(packet for index, packet in enumerate(sent) if index % 8)) < HEARD
    assert share_heard(whole, alaw_decode(alaw_encode(noise()))) == 0
    assert share_heard(whole, ulaw_decode(ulaw_encode(noise(2)))) == 0


def test_linphonec_that_hangs_up_behind_a_proxy_ends_the_call_on_both_sides(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    with (
        Linphone(tmp_path) as peer,
        Kamailio(tmp_path, peer.address) as trunk,
        driver(trunk.address, register=True, username="gateway", password_file=str(password)) as opened,
    ):
        handle, phases = dial(opened, tone(20.0))
        phases.wait_for(CallPhase.ANSWERED)
        peer.wait_until_heard(0.2)
        peer.command("terminate")
        ended = result(handle)
        peer.wait_for(" ended (No error)")
        expected = ["REGISTER", "REGISTER", "INVITE", "INVITE", "ACK", "BYE"]
        assert trunk.methods(len(expected)) == expected
    assert ended.outcome is CallOutcome.ANSWERED
    assert 0.1 < ended.played_s < 20


def test_a_key_pressed_on_linphonec_answers_the_question(tmp_path: Path) -> None:
    with Linphone(tmp_path) as peer, driver(peer.address) as opened:
        handle = opened.call(Call(NUMBER, tone(0.2, 0.0), question=tone(20.0)), Phases())
        peer.wait_for("Media streams established")
        peer.command("1")
        ended = result(handle)
        peer.wait_for(" ended (No error)")
    assert (ended.outcome, ended.keys, ended.played_s) == (CallOutcome.ANSWERED, "1", 0.2)
