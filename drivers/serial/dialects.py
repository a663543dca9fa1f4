"""Commands that makers implement differently: one table with the forms of each, in the order in which to try them.

The first form that a modem accepts is remembered for the session. What a modem accepts in no form, or only in one that
lacks something, is shown to operators.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.serial import at
from drivers.serial.at import Reply
from drivers.serial.error_causes import ResultKind
from drivers.serial.procedure import Talk

STILL_BUSY = frozenset({14, 314, 512, 515})  # SIM busy, initialising
NEVER = ((ResultKind.CME, 4), (ResultKind.CMS, 303))  # operation not supported


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say it: all of these commands, one after the other. lacks: what does not work with it."""

    commands: tuple[str, ...]
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """answer: the name of its information lines. lacks: what does not work where no form is accepted, if anything."""

    forms: tuple[Form, ...]
    answer: str = ""
    lacks: str = ""


def _plain(*commands: str) -> tuple[Form, ...]:
    return tuple(Form((command,)) for command in commands)


NO_REPORTS = "delivery reports: the modem has no form of AT+CNMI that reports them"

REPORTS = Command(
    # Reports as they come, incoming messages by index (27.005 3.4.1). The modes differ by maker; Siemens has bfr 1.
    # Then reports by way of the storage. Some have both only with the acknowledgements of phase 2+ (27.005 3.2.1).
    _plain("AT+CNMI=2,1,0,1,0", "AT+CNMI=1,1,0,1,0", "AT+CNMI=2,1,0,1,1", "AT+CNMI=3,1,0,1,0")
    + _plain("AT+CNMI=2,1,0,2,0", "AT+CNMI=2,1,0,2,1")
    + (Form(("AT+CSMS=1", "AT+CNMI=2,1,0,1,0")), Form(("AT+CSMS=1", "AT+CNMI=2,1,0,1,1")))
    + (Form(("AT+CNMI=2,1,0,0,0",), NO_REPORTS), Form(("AT+CNMI=2,1",), NO_REPORTS)),
    lacks="delivery reports, and incoming messages as they come: the modem accepts no form of AT+CNMI",
)
PHASE = Command(_plain("AT+CSMS=0"))  # no acknowledgement of each report is wanted of us

ERRORS = Command(_plain("AT+CMEE=1", "AT+CMEE=2"))  # errors as numbers, or else in words (27.007 9.1)

SETTINGS = (
    ERRORS,
    PHASE,
    REPORTS,
    Command(_plain("AT+CMMS=2")),  # keep the radio link between messages (27.005 3.5.6)
    Command(_plain("AT+CREG=1")),
    Command(_plain("AT+CGREG=1")),
    Command(_plain("AT+CEREG=1")),
    # By circuit first, or by circuit only: without it, the first messages on LTE fail (27.007 10.1.21).
    Command(_plain("AT+CGSMS=3", "AT+CGSMS=1")),
    Command(_plain("AT^CURC=0")),  # Huawei: no signal strength every few seconds
)
"""Optional settings. The first few are wanted before the first message."""
URGENT = 3

SELECT = Command(
    _plain('AT+CPMS="{storage}"', 'AT+CPMS="{storage}","{writing}","{receiving}"', 'AT+CPMS="{storage}","{writing}"'),
    "+CPMS",
    "stored messages: the modem accepts no form of AT+CPMS",
)
READ = Command(_plain("AT+CMGR={index}"), "+CMGR")
LIST = Command(_plain("AT+CMGL=4"), "+CMGL", "stored messages: the modem does not list them (AT+CMGL=4)")
DELETE = Command(_plain("AT+CMGD={index}", "AT+CMGD={index},0"))
ACKNOWLEDGE = Command(_plain("AT+CNMA", "AT+CNMA=0", "AT+CNMA=1"))  # 27.005 3.4.4


class Dialect:
    """Of one modem in one session. ask: asks it a command, by the name of its answer."""

    def __init__(self, ask: Callable[[str, str], Talk[Reply]]) -> None:
        self._ask = ask
        self._fits: dict[Command, Form] = {}
        self._refused: dict[Command, at.Final] = {}

    def use(self, command: Command, **values: object) -> Talk[Reply]:
        """Its reply, in the form that fits; without one, the last refusal. values: of the forms' parameters."""
        forms = (self._fits[command],) if command in self._fits else command.forms
        for form in forms:
            reply = yield from self._say(form, command.answer, values)
            if reply.ok:
                self._fits[command] = form
                self._refused.pop(command, None)
                return reply
            if reply.final.code in STILL_BUSY:
                break
        if command not in self._fits:
            self._refused[command] = reply.final
        return reply

    def _say(self, form: Form, answer: str, values: dict[str, object]) -> Talk[Reply]:
        for command in form.commands:
            reply = yield from self._ask(command.format(**values), answer)
            if not reply.ok:
                break
        return reply

    def knows(self, command: Command) -> bool:
        """Whether a form of it has been accepted."""
        return command in self._fits

    def retry(self, command: Command) -> Talk[Reply]:
        """From its first form on: it may have been refused because the modem was still starting."""
        self._fits.pop(command, None)
        return self.use(command)

    def refused(self) -> list[Command]:
        """Settings that the modem may accept later."""
        final = {command: (last.kind, last.code) for command, last in self._refused.items()}
        return [command for command in SETTINGS if self.lacks(command) or final.get(command, NEVER[0]) not in NEVER]

    def lacks(self, command: Command) -> str:
        """What does not work, as far as this command was tried; no answer in time proves nothing."""
        form, refusal = self._fits.get(command), self._refused.get(command)
        if form is not None:
            return form.lacks
        return command.lacks if refusal is not None and refusal.kind is not ResultKind.NONE else ""

    def remarks(self) -> tuple[str, ...]:
        """What does not work with this modem, for operators."""
        return tuple(lacks for command in (REPORTS, SELECT, LIST) if (lacks := self.lacks(command)))
