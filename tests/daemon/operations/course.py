"""What a daemon says of itself in the course of time, put through the rules of config/monitoring by promtool."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.daemon.operations.test_metrics import Series, scraped, series
from tests.gateway import Gateway, until

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "config" / "monitoring" / "pinwheel.rules.yml"
ALERTS = re.findall(r"alert: (\w+)", RULES.read_text())
FIGURE = re.compile(r"\b(?:pinwheel|process)_\w+")
READ = frozenset(FIGURE.findall(RULES.read_text()))
Key = tuple[str, tuple[tuple[str, str], ...]]
OLDEST = "pinwheel_queue_oldest_seconds"
SCRAPED = {"instance": "gateway", "job": "pinwheel"}  # labels that Prometheus itself gives


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Scrape:
    """All that /metrics said. at: then, in Unix time."""

    at: float
    found: Series

    def figure(self, key: Key, began_s: float, held_s: float) -> float | None:
        """As it is at another time, at which nothing else has changed for so long: a date moves, an age grows."""
        value = self.found.get(key)
        if value is None:
            return None
        if key[0].endswith("_timestamp_seconds"):
            return value - self.at + began_s
        return value + held_s if key[0] == OLDEST and value else value


GONE = Scrape(0, {})
"""Nobody answered."""


def scrape(gateway: Gateway, *lines: str) -> Scrape:
    """The first that has all these lines: a figure without its prefix, and its value."""

    def look() -> Scrape | None:
        text = scraped(gateway)
        there = text.splitlines() if lines else ()
        return Scrape(time.time(), series(text)) if {f"pinwheel_{line}" for line in lines} <= {*there} else None

    found: Scrape = until(look, f"/metrics has {lines}")
    return found


@dataclass(slots=True)
class Course:
    """Scrapes in their order, at times that the test gives them. step: minutes between two."""

    step: int = 1
    _phases: list[tuple[int, Scrape]] = field(default_factory=list)
    _expected: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def hold(self, minutes: int, what: Scrape, firing: tuple[str, ...] | None = None) -> None:
        """Nothing else changes for so long; firing: all alerts that fire at the end of it, where that matters."""
        self._phases.append((minutes, what))
        if firing is not None:
            self.expect(*firing)

    def expect(self, *firing: str) -> None:
        """All alerts that fire now."""
        self._expected[sum(minutes for minutes, _ in self._phases) - self.step] = firing

    @property
    def last(self) -> Scrape:
        return self._phases[-1][1]

    def judge(self, directory: Path) -> set[str]:
        """Assert what fires when; gives the alerts that have fired, and cleared afterwards."""
        names = sorted({key for _, what in self._phases for key in what.found if key[0] in READ})
        inputs = [{"series": _written(*key), "values": " ".join(self._values(key))} for key in names]
        every = f"{self.step}m"
        test = {"interval": every, "input_series": inputs, "promql_expr_test": self._questions()}
        file = directory / "course.yml"
        file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": every, "tests": [test]}))
        promtool("test", "rules", str(file))
        return {alert for firing in self._expected.values() for alert in firing} - {
            *self._expected[max(self._expected)]
        }

    def _values(self, key: Key) -> Iterator[str]:
        """In the notation of promtool; what is no longer there is stale at once, as Prometheus marks it."""
        began, there = 0, False
        for minutes, what in self._phases:
            for held in range(0, minutes, self.step):
                value = what.figure(key, began * 60, held * 60)
                yield str(value) if value is not None else "stale" if there else "_"
                there = value is not None
            began += minutes

    def _questions(self) -> list[dict[str, Any]]:
        return [
            {
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{at}m",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in firing],
            }
            for at, firing in self._expected.items()
        ]


def _written(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    every = {**dict(labels), **SCRAPED}
    return f"{name}{{{', '.join(f'{label}={json.dumps(value)}' for label, value in every.items())}}}"
