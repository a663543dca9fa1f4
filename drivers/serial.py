"""The SMS driver for GSM modems on a serial port (3GPP 27.005, PDU mode).

It owns the AT session: `drivers.at` parses, `drivers.line` waits, this file decides. One thread a modem opens the port,
initialises whatever dialect it meets, sends one message at a time, and starts again when the port is gone, the modem
restarts or falls silent. Between two messages nothing is asked, so a modem is busy only with its network.

The rule that keeps people from getting an SMS twice: before Ctrl-Z a failure is `Unavailable` and safe to repeat; after
it, only the modem's own words make it anything but `Uncertain`. What is said too late is told as a `LateAnswer`.
"""

import contextlib
import errno
import logging
import os
import queue
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import serial

from drivers import (
    DeviceState,
    DriverError,
    LateAnswer,
    ModemStatus,
    Receipt,
    Refused,
    Sms,
    SmsEvent,
    StateChanged,
    Unavailable,
    Uncertain,
    at,
    pdu,
)
from drivers.line import WRITE_S, Interrupted, Line, Lost, Reply, Silent, Wake

log = logging.getLogger("pinwheel.modem")


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of a [[modem]] with this driver."""

    port: str = field(
        default="",
        metadata={
            "help": "The serial port; a name under /dev/serial/by-id survives unplugging.",
            "required": True,
        },
    )
    baudrate: int | str = field(
        default=115200, metadata={"help": 'Its speed, or "auto"; USB modems ignore it.', "choices": ("auto",)}
    )
    flow_control: str = field(default="none", metadata={"help": '"none" or "rtscts".', "choices": ("none", "rtscts")})
    pin_file: str = field(default="", metadata={"help": "A file with the SIM's PIN; it is tried once."})


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The defaults are for real modems; tests shorten them."""

    alive: float = 1.0  # an answer to a bare AT
    alive_tries: int = 5
    command: float = 10.0
    prompt: float = 5.0
    answer: float = 30.0  # after Ctrl-Z until the message counts as uncertain
    listen: float = 180.0  # after Ctrl-Z until a modem that says nothing counts as hung (a Quectel needed 135)
    probe: float = 3.0
    busy: float = 1.0  # between two questions to a SIM that is still starting
    health: float = 30.0
    absent: float = 1.0  # between two looks for a port
    retry: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0)  # after one failed session, two in a row, ...
    blocked: float = 30.0  # where a person has to do something
    close: float = 3.0  # for the message on the wire


# --- dialects ------------------------------------------------------------------------------------------------

RATES = (115200, 9600, 460800, 57600, 38400, 19200, 230400, 921600)
"""For baudrate = "auto", the likely first."""

SETTINGS: tuple[tuple[str, ...], ...] = (
    ("AT+CMMS=2",),  # keep the radio link between messages (27.005 3.5.6)
    ("AT+CREG=1",),
    ("AT+CGREG=1",),
    ("AT+CEREG=1",),
    ("AT+CSMS=0",),
    # Reports as they come, incoming messages by index (27.005 3.4.1); the modes differ by maker.
    ("AT+CNMI=2,1,0,1,0", "AT+CNMI=1,1,0,1,0", "AT+CNMI=2,1,0,2,0", "AT+CNMI=3,1,0,1,0", "AT+CNMI=2,1,0,0,0"),
)
"""Optional settings: of each row, the first that the modem accepts."""

REGISTRATION_QUERIES = (("AT+CREG?", "+CREG"), ("AT+CGREG?", "+CGREG"), ("AT+CEREG?", "+CEREG"))
REGISTERED = frozenset({1, 5, 6, 7})  # home, roaming, and "SMS only" of both (27.007 7.2)
REGISTRATIONS = {
    0: "not registered and not searching: check the SIM and the antenna",
    2: "searching for a network: check the antenna",
    3: "the network denies registration: check that the SIM is active",
    4: "no network is known: check the antenna",
}

TRIES_LEFT: tuple[tuple[str, str, int], ...] = (
    ('AT+CPINR="SIM PIN"', "+CPINR", 1),  # 27.007 8.65
    ('AT+QPINC="SC"', "+QPINC", 1),  # Quectel
    ("AT+SPIC", "+SPIC", 0),  # SIMCom
    ("AT^SPIC", "^SPIC", 0),  # Siemens, Cinterion
    ("AT#PCT", "#PCT", 0),  # Telit
    ("AT+UPINCNT", "+UPINCNT", 0),  # u-blox
)
"""How makers tell the SIM PIN's tries left: command, name of the answer, which parameter."""
ALL_TRIES = 3  # of a SIM on which nobody has failed

STILL_BUSY = frozenset({14, 314, 512, 515})  # SIM busy, initialising
NO_SIM = frozenset({10, 310})

OPEN_ERRORS = {
    errno.ENOENT: "no such port: plug the modem in, or correct port",
    errno.ENODEV: "no such device: plug the modem in",
    errno.ENXIO: "no such device: plug the modem in",
    errno.EACCES: "no permission to open the port: add the user pinwheel to the group dialout",
    errno.EBUSY: "the port is in use by another program",
    errno.EAGAIN: "the port is in use by another program (ModemManager, gammu-smsd?): stop it there",
    errno.EIO: "the device does not answer: plug it out and in",
}


class _Restarted(Exception):
    """The modem said that it has just started: all settings are gone."""


class _Blocked(Exception):
    """The modem answers but cannot work before somebody has done something; the text says what."""


SESSION_ENDS = (Lost, Silent, Interrupted, _Restarted)


@dataclass(frozen=True, slots=True)
class _End:
    """Why a session ended. pause_s: before the next; None: by the back-off."""

    state: DeviceState
    detail: str
    pause_s: float | None = None


@dataclass(slots=True)
class _Job:
    sms: Sms
    future: Future[Receipt]


class Driver:
    """One modem. Everything but the public methods runs on its own thread."""

    def __init__(self, name: str, options: Options, timing: Timing | None = None) -> None:
        self.name = name
        self._options = options
        self._timing = timing or Timing()
        self._status = ModemStatus(DeviceState.CLOSED)
        self._listener: Callable[[SmsEvent], None] = lambda _: None
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._closing_at = float("inf")
        self._thread: threading.Thread | None = None
        self._wake = Wake()
        self._registrations: dict[str, int] = {}
        self._stored: list[tuple[str, int]] = []
        self._storage = ""
        self._concatenation = 0
        self._on_wire = False
        self._late: tuple[Sms, float] | None = None

    # --- the contract ---

    def open(self, listener: Callable[[SmsEvent], None]) -> None:
        self._listener = listener
        self._status = ModemStatus(DeviceState.STARTING)
        self._thread = threading.Thread(target=self._run, name=f"modem-{self.name}", daemon=True)
        self._thread.start()

    def send(self, sms: Sms) -> Future[Receipt]:
        job = _Job(sms, Future())
        self._jobs.put(job)
        if self._status.state is not DeviceState.READY:  # looked at after the put: nobody is left waiting
            self._refuse_jobs()
        self._wake()
        return job.future

    def status(self) -> ModemStatus:
        return self._status

    def close(self) -> None:
        if self._thread is None:
            return
        self._closing_at = time.monotonic()
        self._wake()
        self._thread.join(self._timing.close + 1)
        self._thread = None
        self._wake.close()

    # --- the thread: one session after the other ---

    def _run(self) -> None:
        failures = 0
        while time.monotonic() < self._closing_at:
            started = time.monotonic()
            end = self._one_session()
            lasted = time.monotonic() - started > self._timing.health
            failures = 1 if lasted else min(failures + 1, len(self._timing.retry))
            self._set_state(end.state, end.detail)
            self._refuse_jobs()
            self._pause(self._timing.retry[failures - 1] if end.pause_s is None else end.pause_s)

    def _one_session(self) -> _End:
        """Open, initialise, serve until something ends it."""
        self._registrations, self._stored, self._storage = {}, [], ""
        try:
            with self._opened() as port, contextlib.closing(self._line(port)) as line:
                self._initialise(line, port)
                self._serve(line)
        except Lost:
            return _End(DeviceState.ABSENT, "the port closed: was the modem unplugged?")
        except Silent:
            return _End(DeviceState.ABSENT, "the modem does not answer: check port and baudrate")
        except _Restarted:
            return _End(DeviceState.STARTING, "the modem restarted")
        except _Blocked as exc:
            return _End(DeviceState.FAILED, str(exc), self._timing.blocked)
        except Interrupted:
            return _End(DeviceState.CLOSED, "", 0)
        except (OSError, serial.SerialException, ValueError) as exc:
            return _End(DeviceState.ABSENT, _open_error(exc), self._timing.absent)

    def _opened(self) -> serial.Serial:
        rate = self._options.baudrate
        return serial.Serial(
            self._options.port,
            baudrate=rate if isinstance(rate, int) else RATES[0],
            rtscts=self._options.flow_control == "rtscts",
            exclusive=True,  # two programs on one modem corrupt each other's commands
            timeout=0,
            write_timeout=WRITE_S,
        )

    def _line(self, port: serial.Serial) -> Line:
        return Line(port, self._wake, self._hear, lambda: self._closing_at + self._timing.close)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the driver is closed; who wants to send meanwhile is told at once."""
        end = time.monotonic() + seconds
        while time.monotonic() < min(end, self._closing_at):
            select.select([self._wake], [], [], max(end - time.monotonic(), 0))
            self._wake.clear()
            self._refuse_jobs()

    def _refuse_jobs(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(Unavailable(self._status.detail or "the modem is not ready"))

    def _set_state(self, state: DeviceState, detail: str = "") -> None:
        changed = (state, detail) != (self._status.state, self._status.detail)
        self._status = replace(self._status, state=state, detail=detail)
        if changed:
            self._listener(StateChanged())

    # --- initialising ---

    def _initialise(self, line: Line, port: serial.Serial) -> None:
        """From any state a modem may be in to one that sends. Raises Silent, _Blocked and what else ends a session."""
        rates = RATES if self._options.baudrate == "auto" else (port.baudrate,)
        self._find_rate(line, port, rates)
        self._ask(line, "ATE0")
        self._ask(line, "AT+CMEE=1")  # errors as numbers (27.007 9.1)
        self._identify(line)
        self._unlock(line)
        if not self._insist(line, "AT+CMGF=0").ok:
            raise _Blocked("the modem has no PDU mode (AT+CMGF=0): it cannot be used")
        for choices in SETTINGS:
            any(self._ask(line, command).ok for command in choices)
        self._look_around(line)
        self._sweep(line)

    def _find_rate(self, line: Line, port: serial.Serial, rates: tuple[int, ...]) -> None:
        for rate in rates:
            port.baudrate = rate
            with contextlib.suppress(Silent):
                return self._synchronise(line)
        raise Silent("no baud rate fits")

    def _synchronise(self, line: Line) -> None:
        """Leave whatever the modem is in the middle of; any final result to AT means that it listens."""
        for _ in range(self._timing.alive_tries):
            line.escape()
            with contextlib.suppress(Silent):
                line.ask("AT", timeout_s=self._timing.alive)
                return
        raise Silent("no answer to AT")

    def _ask(self, line: Line, command: str, answer: str = "", *, free_text: bool = False) -> Reply:
        return line.ask(command, answer, free_text=free_text, timeout_s=self._timing.command)

    def _insist(self, line: Line, command: str, answer: str = "") -> Reply:
        """Ask again while the SIM is busy, as it is for seconds after it was started."""
        end = time.monotonic() + self._timing.command
        while True:
            reply = self._ask(line, command, answer)
            if reply.final.code not in STILL_BUSY or time.monotonic() >= end:
                return reply
            line.idle(time.monotonic() + self._timing.busy)

    def _identify(self, line: Line) -> None:
        model = self._ask(line, "AT+CGMM", free_text=True).answers
        imei = self._ask(line, "AT+CGSN", free_text=True).answers
        digits = "".join(filter(str.isdigit, imei[0])) if imei else ""
        self._status = replace(self._status, model=model[0].strip('"') if model else "", imei=digits)

    def _unlock(self, line: Line) -> None:
        """Enter the SIM's PIN, where one is wanted, all tries are left and we were given it. Raises _Blocked."""
        state = self._sim_state(line)
        if state == "SIM PIN":
            self._enter_pin(line)
        elif state not in ("READY", ""):
            raise _Blocked(f"the SIM wants {state}: put it into a phone and unlock it there")

    def _sim_state(self, line: Line) -> str:
        """ "READY", "SIM PIN", "SIM PUK" ...; "" of a modem that cannot tell (27.007 8.3)."""
        reply = self._insist(line, "AT+CPIN?", "+CPIN")
        if reply.final.code in NO_SIM:
            raise _Blocked("no SIM card: insert one")
        return at.fields(reply.answers[0])[0] if reply.answers else ""

    def _enter_pin(self, line: Line) -> None:
        if not self._options.pin_file:
            raise _Blocked("the SIM wants its PIN: set pin_file")
        left = self._tries_left(line)
        if left is None:
            raise _Blocked("the SIM wants its PIN, and the modem cannot tell the tries left: remove the PIN in a phone")
        if left < ALL_TRIES:
            raise _Blocked(f"the SIM wants its PIN and has {left} tries left: enter it in a phone, correct pin_file")
        pin = self._pin()
        if not self._ask(line, f'AT+CPIN="{pin}"').ok:
            raise _Blocked("the SIM refuses the PIN in pin_file: enter the right one in a phone, correct pin_file")
        if self._sim_state(line) not in ("READY", ""):
            raise _Blocked("the SIM is still locked after its PIN")

    def _pin(self) -> str:
        try:
            pin = Path(self._options.pin_file).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise _Blocked(f"cannot read pin_file {self._options.pin_file}") from None
        if not (pin.isdecimal() and 4 <= len(pin) <= 8):
            raise _Blocked(f"pin_file {self._options.pin_file} does not hold a PIN of 4 to 8 digits")
        return pin

    def _tries_left(self, line: Line) -> int | None:
        for command, answer, place in TRIES_LEFT:
            reply = self._ask(line, command, answer)
            with contextlib.suppress(at.Malformed, IndexError):
                return at.integer(at.fields(reply.answers[0])[place])
        return None

    # --- health ---

    def _look_around(self, line: Line) -> None:
        """Registration, signal, operator; and with them the state."""
        self._look_at_registration(line)
        signal = self._ask(line, "AT+CSQ", "+CSQ").answers
        operator = self._ask(line, "AT+COPS?", "+COPS").answers
        with contextlib.suppress(at.Malformed, IndexError):
            self._status = replace(self._status, signal_dbm=at.signal_dbm(signal[0]))
        with contextlib.suppress(IndexError):
            self._status = replace(self._status, operator=at.fields(operator[0])[2])

    def _look_at_registration(self, line: Line) -> None:
        for command, answer in REGISTRATION_QUERIES:
            reply = self._ask(line, command, answer)
            with contextlib.suppress(at.Malformed, IndexError):
                self._registrations[answer] = at.registration(reply.answers[0])

    def _judge(self) -> None:
        """READY or WAITING, by what is known of the registration; on LTE only one of three may say 1."""
        known = self._registrations.values()
        if not known or REGISTERED & set(known):
            self._set_state(DeviceState.READY)
        else:
            worst = max(known)
            self._set_state(DeviceState.WAITING, REGISTRATIONS.get(worst, f"not registered ({worst})"))

    # --- serving ---

    def _serve(self, line: Line) -> NoReturn:
        """Send, listen, and look at the modem's health in between. Ends by an exception."""
        health_due = time.monotonic() + self._timing.health
        while True:
            self._judge()
            if time.monotonic() >= self._closing_at:
                raise Interrupted
            self._read_stored(line)
            job = self._next_job()
            if job is not None:
                self._send(line, job)
            elif time.monotonic() >= health_due:
                self._look_around(line)
                health_due = time.monotonic() + self._timing.health
            else:
                line.idle(health_due)

    def _next_job(self) -> _Job | None:
        if self._status.state is not DeviceState.READY:
            self._refuse_jobs()
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            return None

    # --- one message ---

    def _send(self, line: Line, job: _Job) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        self._on_wire = False
        try:
            receipt = self._submit_all(line, job.sms)
        except SESSION_ENDS:
            lost = "the modem was lost before it answered"
            self._set_state(DeviceState.STARTING, lost)  # before the answer: whoever hears it tries another modem
            job.future.set_exception(Uncertain(lost) if self._on_wire else Unavailable(lost))
            raise
        except DriverError as exc:
            if self._late is not None:
                self._set_state(DeviceState.WAITING, "listening for the answer to a message; it may have been sent")
            job.future.set_exception(exc)
            self._after_trouble(line)
        else:
            job.future.set_result(receipt)

    def _submit_all(self, line: Line, sms: Sms) -> Receipt:
        """Every part of a message. Raises Refused, Unavailable, Uncertain, and what ends a session."""
        self._concatenation = (self._concatenation + 1) & 0xFF
        try:
            parts = pdu.encode_submit(sms, self._concatenation)
        except pdu.PduError as exc:
            raise Refused(str(exc)) from None
        references: list[int] = []
        try:
            for part in parts:
                self._offer(line, part)
                references.append(self._result(line, sms))
        except (Refused, Unavailable) as exc:
            if references:
                raise Uncertain(f"{len(references)} of {len(parts)} parts were sent, then: {exc}") from None
            raise
        return Receipt(tuple(references))

    def _offer(self, line: Line, part: pdu.SubmitPdu) -> None:
        """AT+CMGS up to the end of the body; nothing has been sent yet."""
        line.begin(f"AT+CMGS={part.length}", "+CMGS", prompt=True)
        deadline = time.monotonic() + self._timing.prompt
        while not isinstance(event := line.next(deadline), at.Prompt):
            if isinstance(event, at.Final):
                raise _refusal(event, on_wire=False)
            if isinstance(event, at.Answer):
                self._answer_late(event.text)
            if event is None:
                self._synchronise(line)
                raise Unavailable("the modem gave no prompt for the message")
        line.body(part.hex)

    def _result(self, line: Line, sms: Sms) -> int:
        """Ctrl-Z, and what the network said: the message reference (TP-MR)."""
        self._on_wire = True
        line.send()
        sent_at = time.monotonic()
        reference: int | None = None
        while not isinstance(event := line.next(sent_at + self._timing.answer), at.Final):
            if isinstance(event, at.Answer):
                with contextlib.suppress(at.Malformed):
                    reference = at.message_reference(event.text)
            if event is None:
                self._late = (sms, sent_at + self._timing.listen)
                raise Uncertain(f"no answer from the network within {self._timing.answer:g} s")
        if not event.ok:
            raise _refusal(event, on_wire=True)
        if reference is None:  # a Siemens MC35i says so when it has failed
            raise Uncertain("the modem said OK without a message reference")
        return reference

    def _after_trouble(self, line: Line) -> None:
        """Find out whether the modem, or its network, is what failed."""
        if self._late is not None:
            self._refuse_jobs()
            self._until_free(line)
        self._look_at_registration(line)

    def _until_free(self, line: Line) -> None:
        """A modem answers its commands in order: once it answers a probe, it is done with the message."""
        while self._late is not None and time.monotonic() < self._late[1]:
            with contextlib.suppress(Silent):
                reply = line.ask("AT+CSQ", "+CSQ", timeout_s=self._timing.probe)
                if reply.answers:
                    return
                if reply.final.kind == "CMS":  # CSQ has no such error: it is the message's
                    self._settle_late(_refusal(reply.final, on_wire=True))
        self._synchronise(line)

    # --- what the modem says by itself ---

    def _hear(self, notice: at.Notice) -> None:
        try:
            self._sort(notice)
        except (at.Malformed, pdu.PduError) as exc:
            log.warning("modem=%s notice=%s unreadable: %s", self.name, notice.name or "unknown", exc)

    def _sort(self, notice: at.Notice) -> None:
        match notice.name:
            case "+CDS" | "+CMT":
                self._listener(pdu.decode(notice.pdu))
            case "+CMTI" | "+CDSI":
                self._stored.append(at.storage_index(notice.text))
            case "+CREG" | "+CGREG" | "+CEREG":
                self._registrations[notice.name] = at.registration(notice.text)
            case "+CMGS":
                self._answer_late(notice.text)
            case "+CMS ERROR":
                final = at.parse_final(notice.text)
                self._settle_late(_refusal(final, on_wire=True) if final is not None else None)
            case name if name in at.BANNERS:
                raise _Restarted

    def _answer_late(self, line: str) -> None:
        self._settle_late(Receipt((at.message_reference(line),)))

    def _settle_late(self, answer: Receipt | DriverError | None) -> None:
        if self._late is not None and answer is not None:
            sms, _ = self._late
            self._late = None
            self._listener(LateAnswer(sms, answer))

    # --- the SIM's storage ---

    def _read_stored(self, line: Line) -> None:
        """Take what +CMTI and +CDSI announced."""
        while self._stored:
            storage, index = self._stored.pop(0)
            if storage != self._storage and self._ask(line, f'AT+CPMS="{storage}"', "+CPMS").ok:
                self._storage = storage
            for answer in self._ask(line, f"AT+CMGR={index}", "+CMGR").answers:
                self._take(line, index, answer)

    def _sweep(self, line: Line) -> None:
        """Take what came while nobody listened; a full SIM receives no more reports."""
        for answer in self._ask(line, "AT+CMGL=4", "+CMGL").answers:
            with contextlib.suppress(at.Malformed):
                self._take(line, at.integer(at.fields(answer)[0]), answer)

    def _take(self, line: Line, index: int, answer: str) -> None:
        """Hand a stored message over, then delete it; one that nobody can read stays where it is."""
        try:
            self._listener(pdu.decode(answer.partition("\n")[2]))
        except pdu.PduError as exc:
            log.warning("modem=%s stored=%s unreadable: %s", self.name, index, exc)
            return
        self._ask(line, f"AT+CMGD={index}")


def _refusal(final: at.Final, *, on_wire: bool) -> DriverError:
    """What an error result means for the message."""
    verdict = at.verdict(final)
    if verdict is at.Verdict.REFUSED:
        return Refused(at.cause(final))
    if verdict is at.Verdict.UNCERTAIN and on_wire:
        return Uncertain(at.cause(final))
    return Unavailable(at.cause(final))


def _open_error(exc: Exception) -> str:
    """Why the port does not open, and what to do; pyserial hides some errno in its text."""
    number = getattr(exc, "errno", None)
    if number in OPEN_ERRORS:
        return OPEN_ERRORS[number]
    if "exclusively lock" in str(exc):
        return OPEN_ERRORS[errno.EAGAIN]
    return f"cannot open the port: {os.strerror(number) if number else type(exc).__name__}"
