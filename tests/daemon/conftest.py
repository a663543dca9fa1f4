"""A clock in the hand of a test."""

from dataclasses import dataclass

import pytest

LATE_S = 0.05  # a timer fires within a tick of the wheel


@dataclass
class Hand:
    """The time in real seconds, where `daemon.clock` looks for it."""

    at: float = 1_800_000_000.0

    def time(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    moved = Hand()
    monkeypatch.setattr("daemon.clock.time", moved)
    return moved
