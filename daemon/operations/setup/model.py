"""What setup knows, asks and does, as values. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

YES, NO = "yes", "no"
NONE, OTHER, AGAIN, SKIP, STOP = "none", "other", "again", "skip", "stop"


class Section(StrEnum):
    """What the screens are about, in this order."""

    MODEM = "Modem"
    TRUNK = "Calls"
    FILES = "Configuration"


class Task(StrEnum):
    """What is done between two questions."""

    FIND = "find"
    PROBE = "probe"
    FREE = "free"
    NETWORK = "network"
    SMS = "sms"
    REGISTER = "register"
    CALL = "call"
    PLAN = "plan"
    WRITE = "write"
    START = "start"


# --- a trunk's profile -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blank:
    """A question of a profile. key: of [voice], or "password", which goes into a file."""

    key: str
    text: str
    help: str = ""
    default: str = ""
    hidden: bool = False
    optional: bool = False


def key_value(key: str, answer: str) -> int | str:
    """An answer as the value of a key of [voice]; one of many digits stays a text, which the key refuses."""
    return int(answer) if key.endswith("_seconds") and answer.isdecimal() and len(answer) < 10 else answer


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of trunk. source: of its facts; tested: what was tried, on what; first: what to do at the far end before.

    voice: keys of [voice]; when: more of them, by key and answer.
    """

    name: str
    title: str
    source: str
    tested: str
    first: tuple[str, ...]
    voice: Mapping[str, object]
    blanks: tuple[Blank, ...]
    when: Mapping[str, Mapping[str, Mapping[str, object]]]

    def keys(self, answers: Mapping[str, str]) -> dict[str, object]:
        """The keys of [voice] that the answers make; without the password's file."""
        given = {blank.key: answers.get(blank.key, "") for blank in self.blanks if blank.key != "password"}
        typed = {key: key_value(key, text) for key, text in given.items() if text}
        more: dict[str, object] = {}
        for key, table in self.when.items():
            more |= table.get(answers.get(key, ""), {})
        return {**self.voice, **typed, **more}


# --- what is found ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stick:
    """A device that is, or may become, a modem. trouble: why it cannot be used, with the remedy; "" if it can.

    port: the name that is written into the configuration; vendor, product: of USB, in hexadecimal; place: where it is
    plugged in; interface: of the port, in hexadecimal; row: the [[modem]] that has it already; held: by the daemon.
    wants_pin: the SIM does. centre: a service centre is set; None if that is unknown.
    """

    port: str
    title: str = ""
    trouble: str = ""
    imei: str = ""
    wants_pin: bool = False
    centre: bool | None = None
    vendor: str = ""
    product: str = ""
    serial: str = ""
    place: str = ""
    interface: str = ""
    row: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """The configuration as it is. pins: the [[modem]] rows that have a pin_file; voice: its keys, as texts."""

    modems: tuple[str, ...] = ()
    pins: frozenset[str] = frozenset()
    trunk: str = ""
    voice: Mapping[str, str] = field(default_factory=dict)


# --- what is asked and what came of it -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """more: lines below it."""

    value: str
    text: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """name: as in a file of answers. default: what Enter alone answers; None if something must be typed.

    hidden: what is typed does not show. others: answers besides the choices are possible. check: what is wrong with an
    answer that is no choice, or "". notes: said before it is asked.
    """

    name: str
    section: Section
    text: str
    notes: tuple[str, ...] = ()
    default: str | None = None
    choices: tuple[Choice, ...] = ()
    hidden: bool = False
    others: bool = False
    check: Callable[[str], str] = field(default=lambda _: "", repr=False)

    def mistake(self, answer: str) -> str:
        """What is wrong with an answer, or ""."""
        values = [choice.value for choice in self.choices]
        if answer in values or (not answer and self.default == ""):
            return ""
        if values and not (self.others and not self.check(answer)):
            return f"it can be {', '.join(values)}"
        return self.check(answer) if answer else "something must be typed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task. said: lines for the operator; remedy: where it failed. secret: the code that was sent.

    started: the daemon could use the files that were written; where it could not, the earlier ones are back.
    """

    ok: bool
    said: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()
    sticks: tuple[Stick, ...] = ()
    secret: str = field(default="", repr=False)
    changed: bool = True
    started: bool = True


Check = Callable[[str, str], str]
"""(name of a question, answer): what is wrong with it, or ""."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything so far. earlier: answers that were taken back, as defaults."""

    profiles: tuple[Profile, ...]
    present: Present = Present()
    check: Check = field(default=lambda _, __: "", repr=False)
    dry_run: bool = False
    answers: Mapping[str, str] = field(default_factory=dict, repr=False)
    outcomes: Mapping[Task, Outcome] = field(default_factory=dict)
    earlier: Mapping[str, str] = field(default_factory=dict, repr=False)

    def done(self, task: Task, outcome: Outcome) -> "Known":
        return replace(self, outcomes={**self.outcomes, task: outcome})

    def answered(self, name: str, answer: str) -> "Known":
        return replace(self, answers={**self.answers, name: answer})

    def without(self, names: frozenset[str], tasks: frozenset[Task]) -> "Known":
        """These are to be asked and done again."""
        kept = {name: answer for name, answer in self.answers.items() if name not in names}
        outcomes = {task: outcome for task, outcome in self.outcomes.items() if task not in tasks}
        return replace(self, answers=kept, outcomes=outcomes, earlier={**self.earlier, **self.answers})

    @property
    def profile(self) -> Profile | None:
        """The trunk's that was chosen."""
        return next((each for each in self.profiles if each.name == self.answers.get("trunk")), None)

    @property
    def number(self) -> str:
        """The operator's own; "" for no test."""
        number = self.answers.get("number", NONE)
        return "" if number == NONE else number

    @property
    def sticks(self) -> tuple[Stick, ...]:
        return tuple(stick for task in (Task.FIND, Task.PROBE) for stick in self._found(task))

    @property
    def stick(self) -> Stick | None:
        """The modem that was chosen."""
        wanted = self.answers.get("port") or self.answers.get("modem")
        return next((stick for stick in self.sticks if stick.port == wanted), None)

    def _found(self, task: Task) -> tuple[Stick, ...]:
        outcome = self.outcomes.get(task)
        return outcome.sticks if outcome else ()

    def worked(self, task: Task) -> bool:
        return task in self.outcomes and self.outcomes[task].ok
