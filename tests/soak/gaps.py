"""Which gap between the digits, and which speed of them, is heard best? Calls are put together, but not made.

On a quiet line nearly all are heard; white noise stands for a bad line and a loud street.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.core.phrases import DEFAULT_LOCALE
from daemon.core.speech_plan import BETWEEN_DIGITS_MS, Clip, Plan, Silence, speech_plan
from daemon.prompts.library import LEVEL_DBFS, PromptLibrary, joined
from drivers import Audio
from drivers.codecs.g711 import ulaw_decode
from tests.soak import voice
from tests.soak.ears import HEAD, SEED, Helper, Recording, random_pins, score, write_wav

LENGTH_SCALES = (voice.NORMAL, 1.25)
GAPS_MS = (100, 250, 500)
NOISES_DB = (None, 5.0)
"""How far below the voice the noise is."""


def campaign(directory: Path, count: int) -> bool:
    """A table, count PINs a line; clean if no other gap lets more PINs be heard at both readings, at the shipped speed.

    Both, since one that is heard wrong once is doubted. The gaps differ little: in noise 87, 91 and 89 of 100 PINs.
    """
    with Helper("speaker.py") as speaker:
        for scale in LENGTH_SCALES:
            voice.render(speaker, directory / f"{scale:g}" / DEFAULT_LOCALE, scale)
    twice = dict.fromkeys(GAPS_MS, 0)
    print(f"  {'length scale':>12} {'noise dB':>8} {'gap ms':>6}  {HEAD}", flush=True)
    with Helper("recogniser.py") as recogniser:
        for scale, noise_db, gap_ms in product(LENGTH_SCALES, NOISES_DB, GAPS_MS):
            library = PromptLibrary.open([directory / f"{scale:g}"])
            result = score(recogniser, _recordings(directory / "calls", library, gap_ms, noise_db, count), "en")
            noise = "none" if noise_db is None else f"{-noise_db:g}"
            print(f"  {scale:>12g} {noise:>8} {gap_ms:>6}  {result}", flush=True)
            twice[gap_ms] += result.twice if scale == voice.NORMAL else 0
    return twice.get(BETWEEN_DIGITS_MS) == max(twice.values())


def _recordings(
    directory: Path, library: PromptLibrary, gap_ms: int, noise_db: float | None, count: int
) -> Iterator[Recording]:
    rng = np.random.default_rng(SEED)
    for pin in random_pins(count):
        audio = joined(library.passages(DEFAULT_LOCALE, _with_gap(speech_plan(pin), gap_ms), ""))
        yield Recording(pin, write_wav(directory / "call.wav", _noisy(audio, noise_db, rng)))


def _with_gap(plan: Plan, gap_ms: int) -> Plan:
    """The plan with another silence between two digits."""
    digit = [isinstance(part, Clip) and part.name.startswith("digit_") for part in plan]
    between = [before and after for before, after in zip([False, *digit], [*digit[1:], False], strict=False)]
    return tuple(Silence(gap_ms) if here else part for part, here in zip(plan, between, strict=True))


def _noisy(audio: Audio, noise_db: float | None, rng: np.random.Generator) -> bytes:
    samples: npt.NDArray[np.float64] = np.frombuffer(ulaw_decode(audio.pcmu), "<i2").astype(np.float64)
    if noise_db is not None:
        samples += rng.standard_normal(len(samples)) * 32767 * 10 ** ((LEVEL_DBFS - noise_db) / 20)
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()
