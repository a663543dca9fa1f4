"""Queries to a GSM modem: its identity, whether its SIM is unlocked, whether it has a network.

What makers do differently is in the tables here; `session` decides when to ask and what follows. Every answer
may be missing: only the final result to AT and PDU mode are insisted on.
"""

import contextlib
import re
from dataclasses import dataclass

from drivers import Reason
from drivers.printable import printable
from drivers.serial import at
from drivers.serial.at import Reply
from drivers.serial.dialects import STILL_BUSY, Dialect
from drivers.serial.dialogue import Dialogue
from drivers.serial.error_causes import ResultKind
from drivers.serial.imei import IMEI
from drivers.serial.procedure import Idle, PinRead, Procedure, ReadPin, Talk, Time
from drivers.serial.restart_signs import Settings
from drivers.serial.session_ends import Blocked, Silent
from drivers.serial.timing import Timing


def _locked(text: str) -> Blocked:
    return Blocked(text, Reason.SIM_PIN)


# --- dialects ------------------------------------------------------------------------------------------------

TRIES_LEFT: tuple[tuple[str, str, int], ...] = (
    ('AT+CPINR="SIM PIN"', "+CPINR", 1),  # 27.007 8.65
    ('AT+QPINC="SC"', "+QPINC", 1),  # Quectel
    ("AT+SPIC", "+SPIC", 0),  # SIMCom
    ("AT^SPIC", "^SPIC", 0),  # Siemens, Cinterion
    ("AT#PCT", "#PCT", 0),  # Telit
    ("AT+UPINCNT", "+UPINCNT", 0),  # u-blox
    ("AT+CPINC?", "+CPINC", 0),  # Sierra Wireless
    ("AT^CPIN?", "^CPIN", 1),  # Huawei
)
"""How to ask for the SIM PIN's tries left, by maker: command, name of the answer, which parameter."""
ALL_TRIES = 3  # of a SIM on which nobody has failed

NOT_READY = "NOT READY"  # what some say instead
NO_SIM = frozenset({10, 310})
REMOVED = frozenset({"NOT INSERTED", "SIM REMOVED"})  # what some say instead
OF_SIM = frozenset({*range(10, 19), *range(310, 319)})  # locked, busy or not there
OPEN = frozenset({"READY", "", "SIM PIN2", "SIM PUK2"})  # the second PIN is for other things (27.007 8.3)

READ_ONLY = frozenset(
    {"AT", "ATI", "AT+CSQ", "AT+CESQ", "AT+CREG?", "AT+CGREG?", "AT+CEREG?", "AT+COPS?", "AT+CGATT?", "AT+CEER"}
    | {"AT+CGMI", "AT+CGMM", "AT+CGMR", "AT+CGSN", "AT+CIMI", "AT+CCID", "AT+QCCID", "AT+ICCID", "AT^ICCID?"}
    | {"AT+CPIN?", "AT+CFUN?", "AT+CMEE?", "AT+CLAC", "AT+CBC", "AT+CCLK?", "AT+CSCA?", "AT+CSMS?", "AT+CGSMS?"}
    | {"AT+CMMS?", "AT+CMGF?", "AT+CNMI?", "AT+CNMI=?", "AT+CPMS?", "AT+CPMS=?", "AT+CMGS=?", "AT+CSCS?"}
    | {
        "AT^SYSINFO",
        "AT^SYSINFOEX",
        "AT^HCSQ?",
        "AT+QNWINFO",
        "AT+QCSQ",
        "AT+CPSI?",
        "AT#RFSTS",
        "AT+UCGED?",
        "AT^SMONI",
    }
)
"""What an operator may ask (`pinwheel modems at`): it changes nothing and shows nobody's messages."""


MOST_SHOWN = 64  # characters of a name that a modem gives: 27.007 7.3 has 16 for an operator

IMSI = re.compile(r"[0-9]{6,15}")  # 23.003 2.2


@dataclass(frozen=True, slots=True)
class Storages:
    """Where messages are written and received (<mem2>, <mem3> of 27.005 3.2.2), and how many were received.

    known: False of a modem without an answer, which may not know the command at all; received: None if unknown.
    """

    known: bool = False
    writing: str = ""
    receiving: str = ""
    received: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What names the device and its SIM; "" where it does not say."""

    model: str = ""
    imei: str = ""
    imsi: str = ""


def shown(name: str) -> str:
    """A name that a modem gives, as people see it: of bounded length, and without what no screen shows."""
    return printable(name[: 2 * MOST_SHOWN], MOST_SHOWN).strip()


class Modem:
    """One modem in one session. What is insisted on raises Silent where it gets no answer."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.dialogue = Dialogue(timing)
        self.ask = self.dialogue.ask
        self.dialect = Dialect(self.reply)
        self.settings = Settings()

    def insist(self, command: str, answer: str) -> Talk[Reply]:
        """Ask again while the SIM is busy, as it is for seconds after it was started."""
        end = (yield Time()).now + self.timing.starting
        while True:
            reply = yield from self.ask(command, answer)
            busy = reply.final.code in STILL_BUSY or any(NOT_READY in line for line in reply.answers)
            now = (yield Time()).now
            if not busy or now >= end:
                return reply
            yield Idle(now + self.timing.busy)

    # --- who it is ---

    def identify(self) -> Talk[Identity]:
        model = shown((yield from self._text("AT+CGMM")).strip('"'))
        imei = IMEI.search((yield from self._text("AT+CGSN")))
        return Identity(model, imei[0] if imei else "")

    def imsi(self) -> Talk[str]:
        """Who the SIM is (27.007 5.6); only once it is open."""
        imsi = IMSI.search((yield from self._text("AT+CIMI")))
        return imsi[0] if imsi else ""

    def _text(self, command: str) -> Talk[str]:
        name = at.answer_name(command)
        reply = yield from self.reply(command, name, free_text=True)
        if reply.final.kind is ResultKind.NONE:  # it came too late; who it is matters enough to ask once more
            reply = yield from self.reply(command, name, free_text=True)
        return at.text_of(reply, command)

    def takes_messages(self) -> Talk[bool]:
        """Whether this port is for AT+CMGS; a stick has others, say for diagnostics, that answer AT, too."""
        reply = yield from self.ask("AT+CMGS=?")
        return reply.ok or reply.final.code in OF_SIM

    # --- the SIM ---

    def is_asleep(self) -> Talk[bool]:
        """In flight mode or minimum functionality: sticks start so, ModemManager leaves them so (27.007 8.2)."""
        lines = yield from self.lines("AT+CFUN?", "+CFUN")
        return any(at.fields(line)[0] in ("0", "4") for line in lines)

    def wake(self) -> Talk[Reply]:
        return self.ask("AT+CFUN=1")

    def unlock(self, *, has_pin: bool) -> Procedure[None]:
        """Enter the SIM's PIN, where one is wanted, all tries are left and we were given it. Raises Blocked."""
        state = yield from self._sim_state()
        if state == "SIM PIN":
            yield from self._enter_pin(has_pin)
        elif state not in OPEN:
            reason = Reason.SIM_PUK if "PUK" in state else Reason.SIM_PIN
            raise Blocked(f"the SIM wants {state}: put it into a phone and unlock it there", reason)

    def _sim_state(self) -> Talk[str]:
        """ "READY", "SIM PIN", "SIM PUK" ...; "" of a modem without an answer (27.007 8.3)."""
        reply = yield from self.insist("AT+CPIN?", "+CPIN")
        state = shown(at.fields(reply.answers[0])[0]) if reply.answers else ""
        if reply.final.code in NO_SIM or state in REMOVED:
            raise Blocked("no SIM card: insert one", Reason.NO_SIM)
        return state

    def _enter_pin(self, has_pin: bool) -> Procedure[None]:
        if not has_pin:
            raise _locked("the SIM wants its PIN: set pin_file")
        left = yield from self._tries_left()
        if left is None:
            raise _locked(
                "the SIM wants its PIN, and the modem does not say how many tries are left: remove the PIN in a phone"
            )
        if left < ALL_TRIES:
            raise _locked(f"the SIM wants its PIN and has {left} tries left: enter it in a phone, correct pin_file")
        read = (yield ReadPin()).event
        assert isinstance(read, PinRead)
        if read.fault:
            raise _locked(f"cannot use pin_file: {read.fault}")
        if not (yield from self.ask(f'AT+CPIN="{read.pin}"')).ok:
            raise _locked("the SIM refuses the PIN in pin_file: enter the right one in a phone, correct pin_file")
        if (yield from self._sim_state()) not in OPEN:
            raise _locked("the SIM is still locked after its PIN")

    def _tries_left(self) -> Talk[int | None]:
        for command, answer, place in TRIES_LEFT:
            reply = yield from self.ask(command, answer)
            with contextlib.suppress(at.Malformed, IndexError):
                return at.integer(at.fields(reply.answers[0])[place])
        return None

    # --- how it is ---

    def lines(self, command: str, answer: str) -> Talk[list[str]]:
        """The lines of an answer that is not needed; none where it does not know it, or does not come by it in time."""
        return (yield from self.reply(command, answer)).answers

    def reply(self, command: str, answer: str = "", *, free_text: bool = False) -> Talk[Reply]:
        """Of what is not insisted on: it ends in NONE where no answer comes in time, though the modem still answers."""
        try:
            return (yield from self.ask(command, answer, free_text=free_text))
        except Silent:
            yield from self.dialogue.regain()
            return Reply(at.Final(ResultKind.NONE))

    def has_changed(self) -> Talk[bool]:
        """Whether it has restarted since, or its SIM is locked or gone."""
        reply = yield from self.reply("AT+CPIN?", "+CPIN")
        if reply.final.code in NO_SIM or any(at.fields(line)[0] not in OPEN for line in reply.answers[:1]):
            return True
        for query in self.settings.queries:
            lines = yield from self.lines(*query)
            if any(self.settings.differ(line) for line in lines[:1]):
                return True
        return False

    def registration(self, command: str, answer: str) -> Talk[int | None]:
        """<stat> of one domain, of `network_registration.QUERIES`; None where it does not say."""
        lines = yield from self.lines(command, answer)
        with contextlib.suppress(at.Malformed, IndexError):
            return at.registration(lines[0])
        return None

    def acknowledges(self) -> Talk[bool | None]:
        """Whether each report is to be acknowledged: the service of phase 2+ (27.005 3.2.1); None: it does not say."""
        lines = yield from self.lines("AT+CSMS?", "+CSMS")
        return at.fields(lines[0])[0] == "1" if lines else None

    def signal_dbm(self) -> Talk[int | None]:
        lines = yield from self.lines("AT+CSQ", "+CSQ")
        with contextlib.suppress(at.Malformed, IndexError):
            return at.signal_dbm(lines[0])
        return None

    def operator(self) -> Talk[str]:
        """To be asked of a registered modem: one that searches may answer after minutes only."""
        lines = yield from self.lines("AT+COPS?", "+COPS")
        with contextlib.suppress(IndexError):
            return shown(at.fields(lines[0])[2])
        return ""

    def storages(self) -> Talk[Storages]:
        reply = yield from self.reply("AT+CPMS?", "+CPMS")
        with contextlib.suppress(at.Malformed, IndexError):
            fields = at.fields(reply.answers[0])
            writing, receiving = (3, 6) if len(fields) > 7 else (0, 0)
            return Storages(True, fields[writing], fields[receiving], at.integer(fields[receiving + 1]))
        return Storages(known=reply.final.kind in (ResultKind.OK, ResultKind.NONE))
