"""Doing what the dialogue asks for. What goes wrong is an outcome with its remedy, never an exception."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import phonenumbers

from daemon.config import Config, ConfigErrors, Modem, parse
from daemon.operations.setup import modems, plan, trial
from daemon.operations.setup.document import changed, difference
from daemon.operations.setup.model import NONE, Known, Outcome, Stick, Task, key_value
from daemon.operations.setup.modems import Owned
from daemon.operations.setup.plan import Draft
from daemon.operations.setup.service import Service
from daemon.operations.setup.trial import Tell
from daemon.operations.setup.writing import Earlier, earlier, put, put_back

CODE_DIGITS = 4
PIN_DIGITS = range(4, 9)  # 3GPP 31.101 9.5.1
NO_CENTRE = "the SIM has no service centre: put it into a phone, set the number of its SMS centre there, try again"
DRY = "a dry run: nothing is sent, called or written"


@dataclass(frozen=True, slots=True)
class Place:
    """path: of the configuration; before: its text; trial: a folder for secrets; root: stands for "/" of devices."""

    path: Path
    before: str
    trial: Path
    root: Path
    config: Config


class Worker:
    """tell: prints a line while something is under way."""

    def __init__(self, place: Place, service: Service, tell: Tell) -> None:
        self._place, self._service, self._tell = place, service, tell
        self._earlier: list[Earlier] = []  # what was written over
        self._tasks: Mapping[Task, Callable[[Known], Outcome]] = {
            Task.FIND: self._find,
            Task.PROBE: self._probe,
            Task.FREE: self._free,
            Task.NETWORK: self._network,
            Task.SMS: self._sms,
            Task.REGISTER: self._register,
            Task.CALL: self._call,
            Task.PLAN: self._plan,
            Task.WRITE: self._write,
            Task.START: self._start,
        }

    def do(self, task: Task, known: Known) -> Outcome:
        try:
            return self._tasks[task](known)
        except ConfigErrors as exc:
            return Outcome(False, tuple(exc.mistakes), ("give other answers",))
        except OSError as exc:
            where = f" {exc.filename}" if exc.filename else ""
            return Outcome(False, (f"{exc.strerror or exc}{where}",), ("run it as root: sudo pinwheel setup",))

    # --- the modem ---

    def _owned(self) -> Owned:
        rows = self._place.config.modem
        ports = {row.name: str(getattr(row.options, "port", "")) for row in rows}
        imeis = {row.name: str(getattr(row.options, "imei", "")) for row in rows}
        return Owned(ports, imeis, self._service.ports())

    def _find(self, _: Known) -> Outcome:
        found = modems.find(self._place.root, self._owned())
        usable = [stick for stick in found if not stick.trouble]
        said = (f"{len(usable)} modem{'s' * (len(usable) != 1)} found",) if usable else ()
        return Outcome(True, said, sticks=found)

    def _probe(self, known: Known) -> Outcome:
        name = known.answers.get("port") or known.answers["modem"]
        stick = modems.probe(name, self._place.root, self._owned())
        said = f"{stick.title or stick.port} {'is in use by pinwheeld' if stick.held else 'answers'}"
        return _judged(stick, Outcome(True, (said,), sticks=(stick,)))

    def _free(self, known: Known) -> Outcome:
        return self._service.free(_stick(known).row)

    def _network(self, known: Known) -> Outcome:
        config = self._candidate(known)
        outcome = trial.network(_row(config, known), self._tell)
        if not outcome.ok:
            return outcome
        stick = modems.probe(_stick(known).port, self._place.root, self._owned())
        if stick.centre is False:
            return Outcome(False, outcome.said, (NO_CENTRE,))
        return Outcome(True, (*outcome.said, *(["a service centre is set"] if stick.centre else [])))

    def _sms(self, known: Known) -> Outcome:
        row = _row(self._candidate(known), known)
        return trial.send_code(row, digits(known.number), _code(), self._tell)

    # --- the trunk ---

    def _register(self, known: Known) -> Outcome:
        return trial.register(self._candidate(known).voice, self._tell)

    def _call(self, known: Known) -> Outcome:
        return trial.call(self._candidate(known), digits(known.number), _code(), self._tell)

    # --- the files ---

    def _plan(self, known: Known) -> Outcome:
        place = self._place
        new = plan.files(known, place.before, place.path, place.root)
        parse(new[-1].text, place.path)
        fresh = [file for file in new if file.is_new]
        lines = difference(place.before, new[-1].text)
        others = [f"and {file.path} (mode {file.access.mode:04o})" for file in fresh if file.path != place.path]
        if not fresh:
            return Outcome(True, (f"{place.path} is as it should be",), changed=False)
        return Outcome(True, (f"{place.path}, what changes:", *lines, *others, *([DRY] if known.dry_run else [])))

    def _write(self, known: Known) -> Outcome:
        """All of it or, where something cannot be written, nothing. Raises OSError."""
        place = self._place
        fresh = [file for file in plan.files(known, place.before, place.path, place.root) if file.is_new]
        self._earlier = [earlier(file.path) for file in fresh]
        try:
            for file in fresh:
                put(file)
        except OSError:
            self._put_back()
            raise
        return Outcome(True, tuple(f"written: {file.path}" for file in fresh))

    def _start(self, known: Known) -> Outcome:
        """Where the daemon cannot use what was written, all is as it was before."""
        written = known.worked(Task.WRITE)
        rules = written and known.stick is not None
        outcome = self._service.start(rules=rules, again=written)
        if outcome.started or not self._earlier:
            return outcome
        self._put_back()
        back = f"{self._place.path} is as it was before; {self._service.start_as_before(rules=rules)}"
        return replace(outcome, said=(*outcome.said, back))

    def _put_back(self) -> None:
        """Raises OSError."""
        before, self._earlier = self._earlier, []
        for file in reversed(before):
            put_back(file)

    # --- what they share ---

    def _candidate(self, known: Known) -> Config:
        """The configuration with the answers so far, its secrets in files of the trial. Raises ConfigErrors."""
        draft = Draft(self._place.trial, final=False)
        for file in plan.secrets(known, draft):
            put(file)
        return parse(plan.configuration(known, self._place.before, draft), self._place.path)


def _judged(stick: Stick, good: Outcome) -> Outcome:
    return Outcome(False, (stick.trouble,), ("choose another",), sticks=()) if stick.trouble else good


def _stick(known: Known) -> Stick:
    assert known.stick is not None
    return known.stick


def _row(config: Config, known: Known) -> Modem:
    return next(row for row in config.modem if row.name == plan.name_of(known))


def _code() -> str:
    return "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))


# --- what is wrong with an answer ------------------------------------------------------------------------------


def digits(number: str) -> str:
    """E.164 digits of what `mistake` has let through."""
    return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164)[1:]


def mistake(name: str, answer: str) -> str:
    """By the name of a question; a key of [voice] is checked as --check-config does."""
    match name:
        case "number":
            return _number(answer)
        case "sim_pin":
            fits = answer.isascii() and answer.isdecimal() and len(answer) in PIN_DIGITS
            return "" if fits else "a PIN has 4 to 8 digits"
        case "port":
            return "" if answer.startswith("/") else "it begins with /, as in /dev/ttyUSB2"
        case "password":
            return "" if answer.isprintable() and answer == answer.strip() else "it has spaces around it, or controls"
        case _:
            return _of_voice(name, answer)


def _number(answer: str) -> str:
    if answer == NONE:
        return ""
    try:
        number = phonenumbers.parse(answer)
    except phonenumbers.NumberParseException:
        return "it begins with + and the country code, as in +447700900123; or none"
    return "" if phonenumbers.is_possible_number(number) else "no number of that country has so few or so many digits"


def _of_voice(key: str, answer: str) -> str:
    text = changed("", {"driver": plan.VOICE_DRIVER, "server": "pbx.example", key: key_value(key, answer)}, {})
    try:
        parse(text, Path("answers"))
    except ConfigErrors as exc:
        where = f"[voice] {key}: "
        found = (each.partition(where) for each in str(exc).splitlines())
        return next((wrong for _, here, wrong in found if here), "")
    return ""
