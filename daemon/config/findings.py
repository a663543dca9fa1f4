"""What is wrong with a configuration file: where, why, and how much that matters."""

from dataclasses import dataclass
from pathlib import Path

from drivers.settings import FaultKind, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """where: "[api] tcp", or "" for the file as a whole. text: what is wrong, and the remedy."""

    where: str
    text: str
    severity: Severity = Severity.FATAL
    kind: FaultKind = FaultKind.VALUE

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


class ConfigErrors(Exception):
    """The file cannot be used. `mistakes` has one sentence each."""

    def __init__(self, path: Path, mistakes: list[str]) -> None:
        super().__init__("\n".join(f"cannot use {path}: {mistake}" for mistake in mistakes))
        self.mistakes = mistakes
