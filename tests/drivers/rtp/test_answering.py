"""A person or a machine, judged by synthesized audio and by the shipped prompts."""

import math
import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.prompts.library import PromptLibrary, shipped_prompts
from drivers.codecs.g711 import alaw_encode, ulaw_encode
from drivers.rtp.answering import Listener, Verdict

FRAME = 160
RATE = 8000
ENCODE = {0: ulaw_encode, 8: alaw_encode}


def pcm(samples: list[float]) -> bytes:
    return b"".join(round(sample).to_bytes(2, "little", signed=True) for sample in samples)


def tone(hz: float, seconds: float, peak: float = 6000) -> bytes:
    return pcm([peak * math.sin(2 * math.pi * hz * n / RATE) for n in range(round(seconds * RATE))])


def noise(seconds: float, peak: float) -> bytes:
    source = random.Random(4)
    return pcm([source.uniform(-peak, peak) for _ in range(round(seconds * RATE))])


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


@cache
def clips() -> PromptLibrary:
    return PromptLibrary.open([shipped_prompts()])


def clip(name: str, payload_type: int) -> bytes:
    audio = clips().clips["en-us"][name]
    return audio.pcmu if payload_type == 0 else audio.pcma


def judged(octets: bytes, payload_type: int, frame: int = FRAME) -> tuple[Verdict | None, float]:
    """The verdict, and when it fell, in seconds from the answer; packets come as they are spoken."""
    listener, now = Listener(100.0), 100.0
    for start in range(0, len(octets), frame):
        now += frame / RATE
        verdict = listener.take(octets[start : start + frame], payload_type, now)
        if verdict:
            return verdict, now - 100.0
    return None, now - 100.0


@pytest.mark.parametrize("law", [0, 8])
@pytest.mark.parametrize("frame", [80, 160, 240, 480])
def test_a_long_greeting_is_a_machines(law: int, frame: int) -> None:
    greeting = ENCODE[law](silence(0.5)) + (clip("welcome", law) + clip("question", law)) * 2
    verdict, at = judged(greeting, law, frame)
    assert verdict is Verdict.MACHINE
    assert at < 4


@pytest.mark.parametrize("law", [0, 8])
@pytest.mark.parametrize("word", ["digit_1", "digit_7", "bye"])
def test_a_word_and_then_silence_is_a_persons(law: int, word: str) -> None:
    spoken = ENCODE[law](silence(0.4)) + clip(word, law)
    verdict, at = judged(spoken + ENCODE[law](silence(4)), law)
    assert verdict is Verdict.PERSON
    assert at < len(spoken) / RATE + 0.75


@pytest.mark.parametrize("law", [0, 8])
def test_who_says_nothing_is_a_person(law: int) -> None:
    assert judged(ENCODE[law](silence(6)), law)[1] == pytest.approx(2.5, abs=0.03)
    assert judged(ENCODE[law](silence(6)), law)[0] is Verdict.PERSON


@pytest.mark.parametrize("law", [0, 8])
@pytest.mark.parametrize("hz", [400, 440, 800, 1000, 1400, 1980])
@pytest.mark.parametrize("peak", [1000, 6000, 25000])
def test_a_beep_is_a_machines(law: int, hz: float, peak: float) -> None:
    verdict, at = judged(ENCODE[law](silence(0.333) + tone(hz, 0.5, peak) + silence(4)), law)
    assert verdict is Verdict.MACHINE
    assert at < 0.333 + 0.4


@pytest.mark.parametrize(("hz", "seconds"), [(50, 1.5), (2600, 1.0), (1000, 0.2)])
def test_hum_hiss_and_a_short_pip_are_no_beep(hz: float, seconds: float) -> None:
    assert judged(ulaw_encode(tone(hz, seconds, 2000) + silence(4)), 0)[0] is Verdict.PERSON


@pytest.mark.parametrize("peak", [100, 500, 1200])
def test_a_noisy_room_is_no_greeting(peak: float) -> None:
    assert judged(ulaw_encode(noise(6, peak)), 0)[0] is Verdict.PERSON


def test_a_click_is_no_word() -> None:
    lifted = ulaw_encode(silence(0.1) + noise(0.04, 8000) + silence(1.0))
    assert judged(lifted, 0)[0] is None
    assert judged(lifted + clip("welcome", 0) + clip("question", 0) * 2, 0)[0] is Verdict.MACHINE


def test_short_words_with_pauses_are_a_persons_in_the_end() -> None:
    talk = ulaw_encode((noise(0.15, 8000) + silence(0.5)) * 3) + ulaw_encode(silence(4))
    assert judged(talk, 0)[0] is Verdict.PERSON
    whispering = ulaw_encode((noise(0.04, 8000) + silence(0.8)) * 10)
    verdict, at = judged(whispering, 0)
    assert verdict is Verdict.PERSON
    assert at == pytest.approx(5.0, abs=0.03)


def test_a_far_end_that_suppresses_silence_is_a_person() -> None:
    listener = Listener(0.0)
    assert listener.wait(0.1) is None
    assert listener.take(clip("digit_1", 0)[:1600], 0, 0.3) is None
    assert listener.wait(0.9) is None
    assert listener.wait(1.3) is Verdict.PERSON
    assert Listener(0.0).wait(2.6) is Verdict.PERSON


@given(st.lists(st.tuples(st.binary(max_size=700), st.floats(0, 10)), max_size=30), st.sampled_from([0, 8]))
def test_nothing_that_is_heard_can_break_it(packets: list[tuple[bytes, float]], law: int) -> None:
    listener, now = Listener(0.0), 0.0
    for octets, pause_s in packets:
        now += pause_s
        assert listener.take(octets, law, now) in (None, *Verdict)
    assert listener.wait(now + 10) in (None, *Verdict)
