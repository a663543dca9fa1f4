"""A call as a picture: its waveform, the clips by name, the gaps between them, and how loud each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from daemon.prompts.making.sets import active_dbfs
from drivers import RATE

ROW_S = 6.0
ROW_INCHES, WIDTH_INCHES = 1.9, 13.0
SHORTEST_GAP_S = 0.1  # less is only the rest of a frame
SENTENCE, DIGIT, GAP, WAVE = "#dbe8f6", "#fbe3c5", "#8a8a8a", "#1f4e79"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clip in the call, or a gap, which has no name."""

    name: str
    start_s: float
    end_s: float


def draw(stretches: Sequence[Stretch], pcm: bytes, title: str, path: Path) -> None:
    """Write a PNG; a row for each six seconds. Raises OSError."""
    samples = np.frombuffer(pcm, "<i2") / 32768
    rows = max(int(np.ceil(len(samples) / RATE / ROW_S)), 1)
    figure = Figure(figsize=(WIDTH_INCHES, ROW_INCHES * rows + 0.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    peak = max(float(np.abs(samples).max(initial=0)), 0.1)
    for row, axes in enumerate(np.atleast_1d(figure.subplots(rows, 1))):
        _row(axes, samples, row * ROW_S, peak)
        for stretch in stretches:
            _stretch(axes, stretch, row * ROW_S, peak, pcm)
    axes.set_xlabel("seconds · level: RMS while somebody speaks, in dB of full scale")
    figure.savefig(path, format="png", dpi=110)


def _row(axes: Any, samples: Any, start_s: float, peak: float) -> None:
    """The waveform of six seconds, as the lowest and highest sample of each 2 ms."""
    step = RATE // 500
    part = samples[int(start_s * RATE) : int((start_s + ROW_S) * RATE)]
    blocks = part[: len(part) // step * step].reshape(-1, step)
    times = start_s + np.arange(len(blocks)) * step / RATE
    axes.fill_between(times, blocks.min(axis=1, initial=0), blocks.max(axis=1, initial=0), color=WAVE, linewidth=0.4)
    axes.set_xlim(start_s, start_s + ROW_S)
    axes.set_ylim(-1.5 * peak, 1.5 * peak)
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)


def _stretch(axes: Any, stretch: Stretch, row_s: float, peak: float, pcm: bytes) -> None:
    """Its name and level over it, or the length of the gap; where it goes on in the next row, only its colour does."""
    start_s, end_s = max(stretch.start_s, row_s), min(stretch.end_s, row_s + ROW_S)
    if end_s <= start_s or (not stretch.name and stretch.end_s - stretch.start_s < SHORTEST_GAP_S):
        return
    middle, length_s = (start_s + end_s) / 2, stretch.end_s - stretch.start_s
    widest = end_s - start_s >= length_s / 2  # the label stands in the row that has more of it
    label = {"ha": "center", "clip_on": True}
    if not stretch.name and end_s - start_s >= SHORTEST_GAP_S:
        axes.annotate("", (start_s, -0.9 * peak), (end_s, -0.9 * peak), arrowprops={"arrowstyle": "<->", "color": GAP})
    if not stretch.name:
        if widest:
            axes.text(middle, -1.3 * peak, f"{length_s * 1000:.0f} ms", color=GAP, fontsize=7, **label)
        return
    digit = stretch.name.startswith("digit_")
    axes.axvspan(start_s, end_s, color=DIGIT if digit else SENTENCE, linewidth=0, zorder=0)
    if widest:
        clip = pcm[round(stretch.start_s * RATE) * 2 : round(stretch.end_s * RATE) * 2]
        axes.text(middle, 1.18 * peak, stretch.name.removeprefix("digit_"), weight="bold", **label)
        axes.text(middle, -1.3 * peak, f"{active_dbfs(clip):.1f} dB", fontsize=7, **label)
