"""Is the PIN understood on a mobile phone in the street? Calls are put together, coded, damaged and heard in noise.

The noise is at the listener's ear, so that no codec sees it, and as loud whatever the level of our speech is: its
distance is that from speech at -22 dBFS, the level of RFC 7874 4.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.core.phrases import DEFAULT_LOCALE
from daemon.prompts.library import FRAME, PromptLibrary, shipped_prompts
from daemon.prompts.making.chain import active_dbfs, decoded
from drivers import RATE
from drivers.codecs.g711 import ulaw_decode
from tests.soak.ears import HEAD, SEED, Helper, Recording, Score, random_pins, score, write_wav
from tests.soak.listening import ASTERISK, Voice, asterisk_voice
from tests.soak.mobile_codecs import Codec, carried

Samples = npt.NDArray[np.float64]

SPEECH_DBFS = -22.0
BURST = 2.0  # frames that are lost together, on average
TALKERS, TALK_S = 8, 40
SWELL_DB, SWELL_S = 3.0, 4.0  # the traffic comes and goes


class Noise(StrEnum):
    NONE = "quiet"
    STREET = "street 5 dB"
    BABBLE = "babble 10 dB"


BELOW_SPEECH_DB = {Noise.STREET: 5.0, Noise.BABBLE: 10.0}


@dataclass(frozen=True, slots=True)
class Line:
    """How a call gets to the ear. loss: the share of lost frames. aim: PINs of 40 to be heard right."""

    codec: Codec
    loss: float
    noise: Noise

    @property
    def aim(self) -> int:
        if self.noise is Noise.STREET:
            return 38
        return 36 if self.noise is Noise.BABBLE and self.codec is Codec.AMR_122 else 0

    def reached(self, result: Score) -> bool:
        """No PIN was understood wrong twice (a listener would believe it), and enough were understood right."""
        return not result.wrong_twice and result.right >= self.aim * result.verdicts.total() / 40

    def __str__(self) -> str:
        return f"{self.codec:8}  {self.loss:>4.0%}  {self.noise:12}"


DAMAGES = ((0.0, Noise.NONE), (0.03, Noise.NONE), (0.05, Noise.NONE), (0.0, Noise.STREET), (0.0, Noise.BABBLE))
LINES = tuple(Line(codec, loss, noise) for codec, (loss, noise) in product(Codec, DAMAGES))


def campaign(directory: Path, count: int, lines: tuple[Line, ...] = LINES) -> bool:
    """A table, count PINs a line; clean if the shipped clips reach every aim. Another language is for comparison."""
    voices = (
        Voice("shipped", DEFAULT_LOCALE, PromptLibrary.open([shipped_prompts()]), must=True),
        asterisk_voice(directory, "it-it"),
    )
    clean = True
    print(f"  {'prompts':12}  {'codec':8}  {'lost':>4}  {'noise':12}  {HEAD}  wrong twice", flush=True)
    with Helper("recogniser.py") as recogniser:
        for voice, line in product(voices, lines):
            result = score(recogniser, _recordings(directory, voice, line, count), voice.locale.partition("-")[0])
            missed = "  MISSED" if voice.must and not line.reached(result) else ""
            print(f"  {voice.name:12}  {line}  {result}  {result.wrong_twice:>11}{missed}", flush=True)
            clean &= not missed
    return clean


def _recordings(directory: Path, voice: Voice, line: Line, count: int) -> Iterator[Recording]:
    rng = np.random.default_rng(SEED)
    for pin in random_pins(count):
        pcm = ulaw_decode(voice.library.speech(voice.locale, pin, "").audio.pcmu)
        yield Recording(pin, write_wav(directory / "call.wav", at_the_ear(pcm, line, rng)))


def at_the_ear(pcm: bytes, line: Line, rng: np.random.Generator) -> bytes:
    """What is heard of the samples that were sent."""
    samples = np.frombuffer(carried(line.codec, pcm, lost(len(pcm) // (2 * FRAME), line.loss, rng)), "<i2") / 32768
    if line.noise is not Noise.NONE:
        noise = street(len(samples), rng) if line.noise is Noise.STREET else babble(len(samples), rng)
        samples = samples + noise * 10 ** ((SPEECH_DBFS - BELOW_SPEECH_DB[line.noise]) / 20)
    return bytes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())


def lost(frames: int, share: float, rng: np.random.Generator) -> list[bool]:
    """Which frames are lost: in bursts, as where a radio fades (Gilbert's model)."""
    ends = 1 / BURST
    begins = ends * share / (1 - share)
    state, found = False, []
    for chance in rng.random(frames):
        state = chance >= ends if state else chance < begins
        found.append(bool(state))
    return found


def street(length: int, rng: np.random.Generator) -> Samples:
    """Traffic: pink noise that swells; RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(length, 1 / RATE), 50))
    swell_db = SWELL_DB * np.sin(2 * np.pi * (np.arange(length) / RATE / SWELL_S + rng.random()))
    return _unit(np.fft.irfft(spectrum, length) * 10 ** (swell_db / 20))


def babble(length: int, rng: np.random.Generator) -> Samples:
    """Eight people who talk at the same time, in several languages; RMS 1."""
    talkers = (_talk(rng)[:length] for _ in range(TALKERS))
    return _unit(np.sum([np.resize(talk, length) for talk in talkers], axis=0))


def _talk(rng: np.random.Generator) -> Samples:
    """Sentences of one of Asterisk's voices, one after the other, from somewhere in the middle."""
    voices = sorted(path for path in ASTERISK.glob("*_*") if path.is_dir())
    sentences = sorted(voices[rng.integers(len(voices))].glob("vm-*.wav"))
    said = [decoded(sentences[number].read_bytes())[0] for number in rng.permutation(len(sentences))[: TALK_S // 2]]
    talk = np.concatenate(said)
    return np.asarray(np.roll(talk * 10 ** (-active_dbfs(talk) / 20), int(rng.integers(len(talk)))))


def _unit(noise: Samples) -> Samples:
    return np.asarray(noise / np.sqrt((noise**2).mean()))
