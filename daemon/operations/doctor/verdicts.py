"""What a check says. Pure."""

import shlex
from dataclasses import dataclass
from enum import StrEnum

Words = tuple[str, ...]
"""A command, as its words."""
RENEW_DAYS = 14  # before the end of a certificate


class State(StrEnum):
    """The worst last."""

    OK = "ok"
    INFO = "info"  # worth knowing, nothing to do
    SKIPPED = "skipped"  # not looked at, or it only follows from something else
    WARNING = "warning"  # it works, and may soon not
    ERROR = "error"  # something does not work

    @property
    def is_problem(self) -> bool:
        return self in (State.WARNING, State.ERROR)


@dataclass(frozen=True, slots=True)
class Verdict:
    """text: one sentence. remedy: what to do, mostly a command. subject: the modem it is about, "" for the gateway.

    fix: the commands that `--fix` runs, none where a person has to decide. starts: the daemon starts with it.
    """

    state: State
    text: str
    remedy: str = ""
    subject: str = ""
    fix: tuple[Words, ...] = ()
    starts: bool = False

    @property
    def sentence(self) -> str:
        """Both in a line."""
        return f"{self.text}: {self.remedy}" if self.remedy else self.text


def ok(text: str = "", subject: str = "") -> Verdict:
    return Verdict(State.OK, text, subject=subject)


def info(text: str, remedy: str = "", subject: str = "") -> Verdict:
    return Verdict(State.INFO, text, remedy, subject)


def skipped(why: str, subject: str = "") -> Verdict:
    return Verdict(State.SKIPPED, why, subject=subject)


def warning(text: str, remedy: str = "", subject: str = "", fix: tuple[Words, ...] = ()) -> Verdict:
    return Verdict(State.WARNING, text, remedy or command(*fix), subject, fix)


def error(text: str, remedy: str = "", subject: str = "", fix: tuple[Words, ...] = ()) -> Verdict:
    return Verdict(State.ERROR, text, remedy or command(*fix), subject, fix)


def command(*commands: Words) -> str:
    """As it is typed in a shell."""
    return " && ".join(shlex.join(words) for words in commands)


def parted(detail: str) -> tuple[str, str]:
    """A driver's detail, "no SIM card: insert one": what is wrong, and what to do."""
    text, _, remedy = detail.partition(": ")
    return text, remedy
