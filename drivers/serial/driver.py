"""The SMS driver for GSM modems on a serial port (3GPP 27.005, PDU mode).

One thread a modem opens the port, serves a session (`session`), and starts again when the port is gone, the modem
restarts or falls silent. What is asked, and what follows, the pure parts say: `sending` for messages, procedures
(`procedure`) for all else, `supervisor` for what comes after a session. The thread carries out; only `line` waits for a
modem.
"""

import contextlib
import glob
import logging
import select
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import assert_never

import serial

from drivers import (
    DeviceState,
    IncomingSms,
    LeftBehind,
    ModemStatus,
    Reason,
    Receipt,
    Refused,
    Sms,
    SmsListener,
    StateChanged,
    StatusReport,
)
from drivers.serial import at, ports, power_command, supervisor
from drivers.serial.balance_check import BalanceSchedule
from drivers.serial.between_sessions import Lasting
from drivers.serial.hourly import Hourly
from drivers.serial.line import WRITE_S
from drivers.serial.message_storage import Storage
from drivers.serial.modem import READ_ONLY
from drivers.serial.modem_status import Became, Condition
from drivers.serial.options import Options
from drivers.serial.requests import Job, Question, Requests
from drivers.serial.sending import Exchange
from drivers.serial.sending_interface import ModemRestarted, Reported, SessionBegan
from drivers.serial.session import Session
from drivers.serial.session_ends import Blocked, Interrupted, Lost, Restarted, Silent, Stuck, WrongPort
from drivers.serial.supervisor import Cause, Opened, PortsFound, SessionEnded, Supervisor
from drivers.serial.timing import Timing
from drivers.wake import Wake

log = logging.getLogger("pinwheel.modem")

SIGNS_AN_HOUR = 6  # of a restart without a banner that are believed: some modems change settings by themselves
WARNINGS_AN_HOUR = 60  # of what a modem says, in the log: noise on the line does not fill the disk
RESET_WRITE_S = 0.5  # for the command that restarts a modem: 15 octets, at 1200 baud too

CAUSES: dict[type[Exception], Cause] = {
    Lost: Cause.LOST,
    Silent: Cause.SILENT,
    Stuck: Cause.STUCK,
    Restarted: Cause.RESTARTED,
    WrongPort: Cause.WRONG_PORT,
    Blocked: Cause.BLOCKED,
    at.Malformed: Cause.UNREADABLE,
    Interrupted: Cause.CLOSING,
}
"""What ends a session, beside a port that fails."""


class Driver:
    """One modem. Everything but the public methods runs on its own thread."""

    def __init__(self, name: str, options: Options, timing: Timing | None = None) -> None:
        self.name = name
        self._options = options
        self._timing = timing or Timing()
        self._listener: SmsListener = lambda _: Future()
        self._closing_at = float("inf")
        self._thread: threading.Thread | None = None
        self._wake: Wake | None = None
        self._serving = False
        searched = glob.has_magic(options.port)
        self._supervisor = Supervisor(
            options.port,
            self._timing,
            searched=searched,
            baudrate=options.baudrate if isinstance(options.baudrate, int) else None,
            power=bool(options.power_cycle),
        )
        self._condition = Condition(lambda: self._listener(StateChanged()))
        self._condition.know(counts=self._supervisor.counts)
        self._requests = Requests(lambda: self._condition.now.detail)
        self._exchange = Exchange(self._timing)
        self._lasting = Lasting(
            name,
            options,
            self._timing,
            searched,
            condition=self._condition,
            requests=self._requests,
            storage=Storage(),
            exchange=self._exchange,
            signs=Hourly(SIGNS_AN_HOUR),
            warnings=Hourly(WARNINGS_AN_HOUR),
            balance=BalanceSchedule(options.balance_ussd, options.balance_every, options.balance_pattern),
            publish=lambda news: self._listener(news),
            keep=self._keep,
            closing=self._closing,
            works=lambda: self._supervise(supervisor.MessageSent()),
        )

    # --- the contract ---

    def open(self, listener: SmsListener, left: Sequence[LeftBehind] = ()) -> None:
        if self._thread is not None and self._thread.is_alive():  # two threads on one port would be worse than none
            log.error("modem=%s has not closed its port yet: resume it again later", self.name)
            return
        self._listener = listener
        self._closing_at = float("inf")
        self._wake = Wake()
        self._condition.now = ModemStatus(DeviceState.STARTING, counts=self._supervisor.counts)
        self._lasting.balance.want()
        for each in left:
            self._exchange.handle(each, time.monotonic())
        self._thread = threading.Thread(target=self._run, name=f"modem-{self.name}", daemon=True)
        self._thread.start()

    def send(self, sms: Sms) -> Future[Receipt]:
        job = Job(sms, Future())
        self._requests.add(job)
        if self._condition.now.state is not DeviceState.READY:  # looked at after it was added: nobody is left waiting
            self._requests.decline_jobs()
        self._rouse()
        return job.future

    def ask(self, command: str) -> Future[tuple[str, ...]]:
        question = Question(command.strip().upper(), Future())
        if question.command not in READ_ONLY:
            question.future.set_exception(Refused("only commands that change nothing: " + " ".join(sorted(READ_ONLY))))
            return question.future
        self._requests.add(question)
        if not self._serving:
            self._requests.decline_questions()
        self._rouse()
        return question.future

    def status(self) -> ModemStatus:
        return self._condition.now

    def close(self) -> None:
        thread, wake = self._thread, self._wake
        if thread is None or wake is None:
            return
        self._closing_at = min(self._closing_at, time.monotonic())  # a second order gives no more time
        self._rouse()
        thread.join(self._timing.close + WRITE_S + 1)  # it may be writing
        if thread.is_alive():
            log.error("modem=%s does not close its port: report the log, restart the daemon", self.name)
            return
        self._thread = None
        wake.close()

    def _closing(self) -> bool:
        return time.monotonic() >= self._closing_at

    def _rouse(self) -> None:
        if self._wake is not None:
            self._wake()

    # --- the thread: it carries out what the supervisor orders ---

    def _run(self) -> None:
        try:
            event: supervisor.Event | None = Opened()
            while event is not None and not self._closing():
                event = self._supervise(event)
        finally:  # a defect must not look like a modem that is ready
            if self._closing():
                self._condition.become(DeviceState.CLOSED)
            else:
                self._condition.become(
                    DeviceState.FAILED, "a defect has stopped this driver: report the log, drain and resume"
                )
            self._requests.decline()

    def _supervise(self, event: supervisor.Event) -> supervisor.Event | None:
        """An event into the supervisor; the event that comes of its last order, if any does."""
        following = None
        outputs = self._supervisor.handle(event, time.monotonic())
        self._condition.know(counts=self._supervisor.counts)
        for output in outputs:
            following = self._carry_out(output)
        return following

    def _carry_out(self, output: supervisor.Output) -> supervisor.Event | None:
        match output:
            case supervisor.FindPorts():
                return PortsFound(ports.fitting(self._options.port))
            case supervisor.Serve():
                return self._session(output)
            case supervisor.ForgetAnswers():
                self._exchange.handle(ModemRestarted(), time.monotonic())
            case supervisor.Reset():
                log.warning("modem=%s recovery='reset' because=%r", self.name, output.why)
                self._reset(output)
                return supervisor.WasReset()
            case supervisor.CyclePower():
                log.warning("modem=%s recovery='power cycle' because=%r", self.name, output.why)
                return supervisor.PowerCycled(self._cycle_power(output.port))
            case supervisor.Pause():
                self._pause(output.seconds)
                return supervisor.PauseOver()
            case Became():
                self._condition.become(output.state, output.detail, output.reason)
                self._requests.decline()
            case _:
                assert_never(output)
        return None

    def _session(self, order: supervisor.Serve) -> SessionEnded:
        self._lasting.storage.forget()
        self._exchange.handle(SessionBegan(), time.monotonic())
        self._condition.know(port=order.port)
        cause, why, reason = self._serve(order)
        self._serving = False
        self._condition.know(signal_dbm=None, operator="")  # of a network that it may have left
        return SessionEnded(cause, why, ports.fitting(self._options.port), reason)

    def _serve(self, order: supervisor.Serve) -> tuple[Cause, str, Reason]:
        """Open the port, initialise the modem and serve until something ends it: why."""
        assert self._wake is not None
        try:
            with (
                self._opened(order.port, order.rates[0]) as port,
                contextlib.closing(Session(self._lasting, port, self._wake, self._until)) as session,
            ):
                self._supervise(supervisor.Serving(session.begin(order.rates)))
                self._serving = True
                session.serve()
        except tuple(CAUSES) as exc:
            return CAUSES[type(exc)], str(exc), exc.reason if isinstance(exc, Blocked) else Reason.NONE
        except ports.FAILURES as exc:
            failure = ports.failure(order.port, exc)
            there = Cause.NOT_OPENED if failure.there else Cause.NOT_THERE
            return Cause.TAKEN if failure.ours else there, failure.cause, failure.reason

    def _opened(self, name: str, rate: int) -> AbstractContextManager[serial.Serial]:
        return ports.opened(name, rate, rtscts=self._options.flow_control == "rtscts")

    def _until(self) -> float:
        """When a session has to have let go of its port."""
        return self._closing_at + self._timing.close

    def _pause(self, seconds: float) -> bool:
        """Wait; requests are declined meanwhile. Whether to go on: the driver is not being closed."""
        assert self._wake is not None
        end = time.monotonic() + seconds
        self._requests.decline()
        while time.monotonic() < min(end, self._closing_at):
            select.select([self._wake], [], [], max(end - time.monotonic(), 0))
            self._wake.clear()
            self._requests.decline()
        return not self._closing()

    def _keep(self, message: StatusReport | IncomingSms) -> Future[bool] | None:
        """Of a message that the SIM has stored: when it is safe with the listener; None: there is nothing to keep."""
        kept = None
        news = self._exchange.handle(Reported(message), time.monotonic()) if isinstance(message, StatusReport) else None
        for each in [message] if news is None else news:
            if isinstance(each, StatusReport | IncomingSms):
                kept = self._listener(each)
                kept.add_done_callback(lambda _: self._rouse())
        return kept

    def _cycle_power(self, port: str) -> bool:
        imei = self._options.imei or self._condition.now.imei
        who = {"PINWHEEL_MODEM": self.name, "PINWHEEL_PORT": port, "PINWHEEL_IMEI": imei}
        return power_command.cycle(self.name, self._options.power_cycle, who, self._timing.power_cycle, self._pause)

    def _reset(self, order: supervisor.Reset) -> None:
        """AT+CFUN=1,1 (27.007 8.2), whether or not the modem listens."""
        with contextlib.suppress(*ports.FAILURES), self._opened(order.port, order.rate) as port:
            port.write(bytes([at.ESC, at.CR]) + b"AT+CFUN=1,1\r")
            self._pause(RESET_WRITE_S)  # to let it out; tcdrain(3) would wait for ever for a modem without CTS
            port.reset_output_buffer()
