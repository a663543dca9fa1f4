"""The script of what goes wrong: with the next messages, and with commands."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat


@dataclass(slots=True)
class Faults:
    """Belongs to the modem's thread; each is used up by what it happens to.

    errors: kind and code of messages that the network refuses, and to which number ("": any). lost: of messages whose
    answer never comes: whether they are sent. prompts: how late the next prompts come, None for never. delays: how long
    a command takes the first time. answers: what a command is answered with instead.
    """

    errors: list[tuple[str, int, str]] = field(default_factory=list)
    lost: list[bool] = field(default_factory=list)
    prompts: list[float | None] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)
    answers: dict[str, Iterator[tuple[str, ...]]] = field(default_factory=dict)

    def answer(self, command: str, lines: tuple[str, ...], times: int) -> None:
        """Answer so, after what was scripted before; times 0: for ever."""
        answers = repeat(lines, times) if times else repeat(lines)
        self.answers[command] = chain(self.answers.get(command, ()), answers)

    def answer_of(self, command: str) -> tuple[str, ...] | None:
        """The scripted answer, None where there is none."""
        return next(self.answers.get(command, iter(())), None)

    def delay_s(self, command: str) -> float:
        return self.delays.pop(command, 0.0)

    def prompt_s(self) -> float | None:
        return self.prompts.pop(0) if self.prompts else 0.0

    def error_of(self, number: str) -> tuple[str, int] | None:
        """The error that a message to this number ends in."""
        for place, (kind, code, wanted) in enumerate(self.errors):
            if wanted in ("", number):
                del self.errors[place]
                return kind, code
        return None

    def loses_answer(self) -> bool | None:
        """Whether a message whose answer is lost is sent; None: its answer comes."""
        return self.lost.pop(0) if self.lost else None
