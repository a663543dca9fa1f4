"""Finds the clips that a recording holds, by comparing waveforms: what arrived at the callee.

Pure Python, so that the demo needs no more than the daemon does. It knows only the clips it is given: it finds the
beginnings of sounds in the recording, lays every clip against each, and takes the best if it fits well enough.
"""

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from pathlib import Path

from drivers import RATE, Audio
from drivers.codecs.g711 import ulaw_decode
from drivers.codecs.wav import read_wav

BLOCK = RATE // 200  # 5 ms
HUSH_BLOCKS = 8  # 40 ms of silence before a sound make it a beginning
ABOVE_NOISE_DB = 12.0
QUIETEST_DBFS = -50.0
SLACK = RATE // 60  # how exactly the beginning of a sound is noticed: 17 ms
GLANCE_STRIDE, GLANCE_SAMPLES = 16, RATE * 6 // 10  # to find the likeliest: few samples of a clip's first 0.6 s
ALIKE = 0.1  # of correlation: clips may begin with the same words, as the welcomes of several brands do
LOOK_STRIDE = 3  # to make sure of it, over its whole length
GOOD_ENOUGH = 0.45  # correlation; different words stay below 0.25
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class FoundClip:
    """A clip in a recording; UNKNOWN for a sound that is none. score: correlation, 0..1."""

    name: str
    at_s: float
    score: float


def clips_in(wav: Path, clips: Mapping[str, Audio]) -> list[FoundClip]:
    """What a recording (8 kHz, 16 bit, mono) holds, in order. Raises ValueError for another kind of file."""
    samples = _read(wav)
    patterns = {name: array("h", ulaw_decode(audio.pcmu)) for name, audio in clips.items()}
    found: list[FoundClip] = []
    until = 0
    threshold = _threshold(samples)
    onsets = {name: next(_beginnings(pattern, threshold), 0) for name, pattern in patterns.items()}
    for start in _beginnings(samples, threshold):
        if start < until:
            continue
        item = _best(samples, start, patterns, onsets)
        found.append(item)
        if item.name != UNKNOWN:
            until = round(item.at_s * RATE) + len(patterns[item.name]) - BLOCK * HUSH_BLOCKS
    return found


def spoken_pins(found: Sequence[FoundClip]) -> list[str]:
    """The runs of digits between other clips: ["4711", "4711"] for a PIN that was said twice."""
    digits = "".join(item.name.removeprefix("digit_") if item.name.startswith("digit_") else " " for item in found)
    return digits.split()


def _read(wav: Path) -> "array[int]":
    try:
        return array("h", read_wav(wav))
    except ValueError as exc:
        raise ValueError(f"cannot listen to {wav}: {exc}") from exc


def _levels(samples: "array[int]") -> Iterator[float]:
    """One after the other: of a clip, those before its beginning are enough."""
    return (_level(samples[i : i + BLOCK]) for i in range(0, len(samples) - BLOCK + 1, BLOCK))


def _threshold(samples: "array[int]") -> float:
    """What counts as sound, in dB of full scale."""
    levels = sorted(_levels(samples)) or [0.0]
    return max(levels[len(levels) // 5] + ABOVE_NOISE_DB, QUIETEST_DBFS)


def _beginnings(samples: "array[int]", threshold: float) -> Iterator[int]:
    """Where sound follows silence, in samples."""
    quiet = HUSH_BLOCKS
    for number, level in enumerate(_levels(samples)):
        if level < threshold:
            quiet += 1
            continue
        if quiet >= HUSH_BLOCKS:
            yield number * BLOCK
        quiet = 0


def _level(block: Sequence[int]) -> float:
    """dB of full scale."""
    return 10 * math.log10(max(sum(map(mul, block, block)) / len(block) / 32768**2, 1e-12))


def _best(
    samples: "array[int]", start: int, patterns: Mapping[str, "array[int]"], onsets: Mapping[str, int]
) -> FoundClip:
    """The clip that fits best where a sound begins; a clip's own sound may begin some way into it."""
    glances = {name: _glance(samples, start - onsets[name], pattern) for name, pattern in patterns.items()}
    best = max(fit for fit, _ in glances.values())
    likely = ((begin, name) for name, (fit, begin) in glances.items() if fit > best - ALIKE)
    score, begin, name = max((_fit(samples, patterns[name], LOOK_STRIDE)(begin), begin, name) for begin, name in likely)
    return FoundClip(name, begin / RATE, score) if score > GOOD_ENOUGH else FoundClip(UNKNOWN, start / RATE, score)


def _glance(samples: "array[int]", start: int, pattern: "array[int]") -> tuple[float, int]:
    """How well a clip's first part fits about there, and where exactly."""
    begins = range(max(start - SLACK, 0), start + SLACK)
    fit = _fit(samples, pattern[:GLANCE_SAMPLES], GLANCE_STRIDE)
    return max(((fit(begin), begin) for begin in begins), default=(0.0, 0))


def _fit(samples: "array[int]", pattern: "array[int]", stride: int) -> Callable[[int], float]:
    """The correlation of a pattern with what begins at a place. What is the pattern's alone is computed once."""
    part, length = pattern[::stride], len(pattern)
    power = sum(map(mul, part, part))

    def at(begin: int) -> float:
        there = samples[begin : begin + length : stride]
        both = power * sum(map(mul, there, there))
        return sum(map(mul, there, part)) / math.sqrt(both) if both else 0.0

    return at
