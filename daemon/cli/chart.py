"""The figures of a report as a picture. It needs matplotlib: the extra `plot`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from daemon.operations.report import Figures, Report
from daemon.operations.wording import channel_word

ENDED, VERIFIED, LINE = "#b9c7d8", "#1f4e79", "#333333"
TOP, LABEL = 12, 22  # bars; characters of a name
LONGEST_S = 300.0  # of the times: later codes are in the last bar


def draw(found: Report, title: str, file: Path) -> None:
    """SVG or PNG, by the name of the file. Raises OSError."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    figure.suptitle(title, fontsize=12)
    (channels, countries), (hours, times) = figure.subplots(2, 2)
    _bars(channels, "by the channel of the last delivery", _named(found.channels))
    _bars(countries, "by country", _largest(found.countries))
    _bars(hours, "by hour of the start", found.hours)
    _times(times, found.seconds)
    channels.legend(loc="best", fontsize=8)
    figure.savefig(file, format=file.suffix[1:], dpi=120)


def _bars(axes: Any, title: str, groups: Mapping[str, Figures]) -> None:
    """For each group all that ended, in it those that were verified, and the rate in % above it."""
    axes.set_title(title, fontsize=10)
    places = range(len(groups))
    axes.bar(places, [each.requests for each in groups.values()], color=ENDED, label="ended")
    axes.bar(places, [each.verified for each in groups.values()], 0.5, color=VERIFIED, label="verified")
    percent = "%" if len(groups) <= TOP else ""
    for place, each in zip(places, groups.values(), strict=True):
        axes.text(
            place,
            each.requests,
            f"{100 * (each.rate or 0):.0f}{percent}",
            ha="center",
            va="bottom",
            fontsize=7,
            color=LINE,
        )
    steep = max(map(len, groups), default=0) > 8
    axes.set_xticks(
        places, [name[:LABEL] for name in groups], fontsize=8, rotation=30 * steep, ha="right" if steep else "center"
    )
    axes.set_ylabel("requests")
    axes.margins(y=0.12)


def _times(axes: Any, seconds: Sequence[float]) -> None:
    axes.set_title("seconds to the right code", fontsize=10)
    axes.hist([min(each, LONGEST_S) for each in seconds], bins=30, range=(0, LONGEST_S), color=VERIFIED)
    axes.set_ylabel("requests")


def _named(groups: Mapping[str, Figures]) -> dict[str, Figures]:
    return {channel_word(name): each for name, each in groups.items()}


def _largest(groups: Mapping[str, Figures]) -> dict[str, Figures]:
    return dict(sorted(groups.items(), key=lambda item: -item[1].requests)[:TOP])
