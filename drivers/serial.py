"""The SMS driver for GSM modems on a serial port (3GPP 27.005, PDU mode).

It owns the AT session: `drivers.at` parses, `drivers.line` waits, `drivers.modem` asks, this file decides. One thread a
modem opens the port, initialises whatever dialect it meets, sends one message at a time, and starts again when the port
is gone, the modem restarts or falls silent. Between two messages nothing is asked: a modem waits only for its network.
"""

import contextlib
import glob
import logging
import queue
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NoReturn

import serial

from drivers import (
    DeviceState,
    DriverError,
    IncomingSms,
    ModemStatus,
    Receipt,
    Refused,
    Sms,
    SmsListener,
    StateChanged,
    StatusReport,
    Unavailable,
    Uncertain,
    at,
    pdu,
    ports,
    power,
)
from drivers.line import WRITE_S, Interrupted, Line, Lost, Silent, Wake
from drivers.modem import (
    RATES,
    READ_ONLY,
    REGISTERED,
    REGISTRATIONS,
    Blocked,
    Identity,
    Modem,
    WrongPort,
)
from drivers.recovery import Cure, Hourly, Ladder, Port, Search
from drivers.sending import Sender
from drivers.serial_options import SAME_IMEI
from drivers.serial_options import Options as Options
from drivers.storage import Storage
from drivers.timing import Timing

log = logging.getLogger("pinwheel.modem")

SIGNS_AN_HOUR = 6  # of a restart without a banner that are believed, lest a modem of odd habits be set up for ever
RESET_WRITE_S = 0.5  # for the command that restarts a modem: 15 octets, at 1200 baud too


class _Restarted(Exception):
    """The modem has just started, or its SIM is locked or gone: all is to be set up again."""


class _Stuck(Exception):
    """The modem answers, but message after message fails for a reason of its own."""


@dataclass(frozen=True, slots=True)
class _End:
    """Why a session ended. pause_s: before the next; None: by the back-off. silent, stuck: a cure may be due.

    away: the modem is not there, so that cutting its power may help; None: what is there says nothing of it.
    """

    state: DeviceState
    detail: str
    pause_s: float | None = None
    silent: bool = False
    stuck: bool = False
    away: bool | None = False


@dataclass(slots=True)
class _Job:
    sms: Sms
    future: Future[Receipt]


@dataclass(slots=True)
class _Question:
    command: str
    future: Future[tuple[str, ...]]


class Driver:
    """One modem. Everything but the public methods runs on its own thread."""

    def __init__(self, name: str, options: Options, timing: Timing | None = None) -> None:
        self.name = name
        self._options = options
        self._timing = timing or Timing()
        self._status = ModemStatus(DeviceState.CLOSED)
        self._listener: SmsListener = lambda _: Future()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[_Question] = queue.SimpleQueue()
        self._serving = False
        self._closing_at = float("inf")
        self._thread: threading.Thread | None = None
        self._wake: Wake | None = None
        self._ladder = Ladder(self._timing.cure, self._timing.cures_an_hour, power=bool(options.power_cycle))
        self._rate = options.baudrate if isinstance(options.baudrate, int) else RATES[0]  # the last that fitted
        self._search = Search()
        self._round: dict[Port, _End] = {}  # how it went at the other ports of a pattern
        self._registrations: dict[str, int] = {}
        self._settings: dict[str, str] = {}
        self._signs = Hourly(SIGNS_AN_HOUR)
        self._storage = Storage(name, lambda news: self._kept(self._tell(news)))
        self._sender = Sender(self._timing, self._storage, lambda news: self._listener(news))

    # --- the contract ---

    def open(self, listener: SmsListener) -> None:
        if self._thread is not None and self._thread.is_alive():  # two threads on one port would be worse than none
            log.error("modem=%s has not let go of its port yet: resume it again later", self.name)
            return
        self._listener = listener
        self._closing_at = float("inf")
        self._wake = Wake()
        self._status = ModemStatus(DeviceState.STARTING)
        self._thread = threading.Thread(target=self._run, name=f"modem-{self.name}", daemon=True)
        self._thread.start()

    def send(self, sms: Sms) -> Future[Receipt]:
        job = _Job(sms, Future())
        self._jobs.put(job)
        if self._status.state is not DeviceState.READY:  # looked at after the put: nobody is left waiting
            self._refuse_jobs()
        self._rouse()
        return job.future

    def ask(self, command: str) -> Future[tuple[str, ...]]:
        question = _Question(command.strip().upper(), Future())
        if question.command not in READ_ONLY:
            question.future.set_exception(Refused("only commands that change nothing: " + " ".join(sorted(READ_ONLY))))
            return question.future
        self._questions.put(question)
        if not self._serving:
            self._refuse_questions()
        self._rouse()
        return question.future

    def status(self) -> ModemStatus:
        return self._status

    def close(self) -> None:
        thread, wake = self._thread, self._wake
        if thread is None or wake is None:
            return
        self._closing_at = time.monotonic()
        self._rouse()
        thread.join(self._timing.close + WRITE_S + 1)  # it may be writing
        if thread.is_alive():
            log.error("modem=%s does not let go of its port: report the log, restart the daemon", self.name)
            return
        self._thread = None
        wake.close()

    def _closing(self) -> bool:
        return time.monotonic() >= self._closing_at

    def _rouse(self) -> None:
        if self._wake is not None:
            self._wake()

    # --- the thread: one session after the other ---

    def _run(self) -> None:
        try:
            self._sessions()
        finally:  # a defect must not look like a modem that is ready
            if self._closing():
                self._set_state(DeviceState.CLOSED)
            else:
                self._set_state(
                    DeviceState.FAILED, "a defect has stopped this driver: report the log, drain and resume"
                )
            self._refuse_jobs()
            self._refuse_questions()

    def _sessions(self) -> None:
        failures = 0
        while not self._closing():
            started = time.monotonic()
            end = self._one_session()
            lasted = time.monotonic() - started > self._timing.health
            failures = 1 if lasted else min(failures + 1, len(self._timing.retry))
            self._status = replace(self._status, signal_dbm=None, operator="")  # of a network that it may have left
            self._set_state(end.state, end.detail)
            self._refuse_jobs()
            self._refuse_questions()
            self._cure(end)
            self._pause(self._timing.retry[failures - 1] if end.pause_s is None else end.pause_s)

    def _one_session(self) -> _End:
        """Open, initialise, serve until something ends it."""
        self._registrations = {}
        self._storage.forget()
        self._sender.begin()
        fitting = ports.fitting(self._options.port)
        if not fitting:
            what = "no port fits the pattern: plug the modem in"
            return _End(DeviceState.ABSENT, what, self._timing.absent, away=True)
        port = self._search.choose(fitting)
        self._status = replace(self._status, port=port.name)
        end = self._session_at(port, alone=len(fitting) == 1)
        if not self._serving:
            silent = self._search.missed(port, fitting, silent=end.silent)
            end = replace(self._of_round(port, fitting, end), silent=silent)
        self._serving = False
        return end

    def _of_round(self, port: Port, fitting: list[Port], end: _End) -> _End:
        """What is said of a modem that is searched for: nothing before every port was tried, then what tells most."""
        self._round[port] = end
        if end.state in (DeviceState.FAILED, DeviceState.CLOSED):
            return end
        if not self._round.keys() >= set(fitting):
            return _End(self._status.state, self._status.detail, end.pause_s, away=None)
        ends = [self._round[each] for each in fitting]
        self._round.clear()
        most = max(ends, key=lambda each: (each.silent, bool(each.away)))
        return replace(most, pause_s=end.pause_s, away=all(each.away for each in ends))

    def _session_at(self, port: Port, *, alone: bool) -> _End:
        """alone: no other port fits, so that there is no hurry to try the next."""
        try:
            with self._opened(port.name) as opened, contextlib.closing(self._line(opened)) as line:
                modem = Modem(line, self._timing)
                self._initialise(modem, opened)
                if self._search.known not in (port, None):
                    self._sender.forget()
                self._search.seen(port)
                self._round.clear()
                self._serve(modem)
        except Lost as exc:
            self._sender.forget()
            return _End(DeviceState.ABSENT, str(exc), away=True)
        except Silent:
            return _End(DeviceState.ABSENT, "the modem does not answer: check port and baudrate", silent=True)
        except _Stuck:
            return _End(DeviceState.STARTING, "the modem answers but sends nothing", stuck=True)
        except _Restarted:
            self._sender.forget()
            return _End(DeviceState.STARTING, "the modem restarted")
        except WrongPort as exc:
            pause_s = self._timing.absent if alone else None
            return _End(DeviceState.ABSENT, str(exc), pause_s, away=self._is_searched_for())
        except Blocked as exc:
            return _End(DeviceState.FAILED, str(exc), self._timing.blocked)
        except at.Malformed as exc:
            return _End(DeviceState.STARTING, str(exc))
        except Interrupted:
            return _End(DeviceState.CLOSED, "", 0)
        except ports.FAILURES as exc:
            self._sender.forget()
            failure = ports.failure(port.name, exc)
            away = self._is_searched_for() if failure.ours else not failure.there
            return _End(DeviceState.ABSENT, failure.cause, self._timing.absent, away=away)

    def _is_searched_for(self) -> bool:
        """Whether the port is a pattern: one that is another's then says that ours is not there."""
        return glob.has_magic(self._options.port)

    def _opened(self, name: str) -> AbstractContextManager[serial.Serial]:
        return ports.opened(name, self._rate, rtscts=self._options.flow_control == "rtscts")

    def _line(self, port: serial.Serial) -> Line:
        assert self._wake is not None
        return Line(port, self._wake, self._hear, lambda: self._closing_at + self._timing.close)

    def _pause(self, seconds: float) -> bool:
        """Wait; who wants something meanwhile is told at once. Whether to go on: the driver is not being closed."""

        def decline() -> bool:
            self._refuse_jobs()
            self._refuse_questions()
            return False

        self._sleep(seconds, until=decline)
        return not self._closing()

    def _sleep(self, seconds: float, until: Callable[[], bool]) -> None:
        """Until the time is over, the driver is closed, or, whenever another thread has woken us, `until` says so."""
        assert self._wake is not None
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < min(end, self._closing_at):
            select.select([self._wake], [], [], max(end - time.monotonic(), 0))
            self._wake.clear()

    def _refuse_jobs(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                _decline(self._jobs.get_nowait().future, self._status.detail)

    def _refuse_questions(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                _decline(self._questions.get_nowait().future, self._status.detail)

    def _set_state(self, state: DeviceState, detail: str = "") -> None:
        if (state, detail) != (self._status.state, self._status.detail):
            self._status = replace(self._status, state=state, detail=detail)
            self._listener(StateChanged())

    # --- when it stays silent ---

    def _cure(self, end: _End) -> None:
        """What the ladder says is due: a restart by command, or the operator's command."""
        now, port = time.monotonic(), self._resettable()
        if end.silent or end.stuck:
            cure = self._ladder.silent(now, stuck=end.stuck, resettable=bool(port))
        else:
            cure = self._ladder.absent(now, away=end.away)
        if cure is None:
            return
        log.warning("modem=%s cure=%r because=%r", self.name, str(cure), end.detail)
        self._sender.forget()
        if cure is Cure.RESET:
            self._reset(port)
        else:
            self._cut_power()

    def _cut_power(self) -> None:
        """Of the modem that is meant, wherever it was last seen."""
        port = self._search.known.name if self._search.known is not None else self._resettable()
        imei = self._options.imei or self._status.imei
        who = {"PINWHEEL_MODEM": self.name, "PINWHEEL_PORT": port, "PINWHEEL_IMEI": imei}
        if not power.cycle(self.name, self._options.power_cycle, who, self._timing.power_cycle, self._pause):
            self._ladder.power_failed()

    def _resettable(self) -> str:
        """The port that is surely the modem's: the one that is configured, or where it was last seen; "" if none is."""
        if not self._is_searched_for():
            return self._options.port
        known = self._search.known
        return known.name if known is not None and ports.port(known.name) == known else ""

    def _reset(self, name: str) -> None:
        """AT+CFUN=1,1 (27.007 8.2), whether or not anybody listens."""
        with contextlib.suppress(*ports.FAILURES), self._opened(name) as port:
            port.write(bytes([at.ESC, at.CR]) + b"AT+CFUN=1,1\r")
            self._pause(RESET_WRITE_S)  # to let it out; tcdrain(3) would wait for ever for a modem without CTS
            port.reset_output_buffer()

    # --- initialising ---

    def _initialise(self, modem: Modem, port: serial.Serial) -> None:
        """From any state a modem may be in to one that sends. Raises Silent, Blocked and what else ends a session."""
        self._find_rate(modem, port, RATES if self._options.baudrate == "auto" else ())
        modem.ask("ATE0")
        modem.ask("AT+CMEE=1")  # errors as numbers (27.007 9.1)
        modem.line.trust_echo()
        self._recognise(modem, modem.identify())
        if modem.is_asleep() and self._believes():
            modem.wake()
        modem.unlock(self._options.pin_file)
        modem.configure()
        self._settings = modem.settings()
        self._status = replace(self._status, imsi=modem.imsi())
        self._look_around(modem)
        self._storage.begin(modem)

    def _find_rate(self, modem: Modem, port: serial.Serial, rates: tuple[int, ...]) -> None:
        for rate in (self._rate, *rates):
            port.baudrate = rate
            with contextlib.suppress(Silent):
                modem.dialogue.wake()
                self._rate = rate
                return
        raise Silent("no baud rate fits")

    def _recognise(self, modem: Modem, found: Identity) -> None:
        """Raises WrongPort unless this is the modem, and the port, that was meant."""
        wanted = self._options.imei
        if wanted and found.imei[:SAME_IMEI] != wanted[:SAME_IMEI]:
            raise WrongPort(f"no modem with the IMEI {wanted} at {self._options.port}")
        if self._is_searched_for() and not modem.takes_messages():
            raise WrongPort(f"no port at {self._options.port} takes messages")
        self._status = replace(self._status, model=found.model, imei=found.imei)

    # --- health ---

    def _notice_restart(self, modem: Modem) -> None:
        """Of a modem that has no banner. Raises _Restarted."""
        if modem.has_changed(self._settings) and self._believes():
            raise _Restarted

    def _believes(self) -> bool:
        """Whether a sign of a restart is followed: there are only so many in an hour."""
        now = time.monotonic()
        believed = self._signs.allows(now)
        if believed:
            self._signs.add(now)
        return believed

    def _look_around(self, modem: Modem) -> None:
        """Registration, signal, operator; and with them the state."""
        self._registrations |= modem.registrations()
        operator = modem.operator() if self._registered() else ""
        self._status = replace(self._status, signal_dbm=modem.signal_dbm(), operator=operator)

    def _registered(self) -> bool:
        """By what is known; on LTE only one of three may say so."""
        return not self._registrations or bool(REGISTERED & set(self._registrations.values()))

    def _judge(self) -> None:
        """READY or WAITING."""
        if self._registered():
            self._set_state(DeviceState.READY)
        else:
            worst = max(self._registrations.values())
            self._set_state(DeviceState.WAITING, REGISTRATIONS.get(worst, f"not registered ({worst})"))

    # --- serving ---

    def _serve(self, modem: Modem) -> NoReturn:
        """Send, listen, and look at the modem's health in between. Ends by an exception."""
        self._serving = True
        self._ladder.answers()
        health_due = time.monotonic() + self._timing.health
        while True:
            self._judge()
            if self._closing():
                raise Interrupted
            self._storage.read_announced(modem)
            self._answer_questions(modem)
            job = self._next_job()
            if job is not None:
                self._send(modem, job)
            elif time.monotonic() >= health_due:
                self._notice_restart(modem)
                self._look_around(modem)
                self._storage.look(modem)
                health_due = time.monotonic() + self._timing.health
            else:
                modem.line.idle(health_due)

    def _next_job(self) -> _Job | None:
        if self._status.state is not DeviceState.READY:
            self._refuse_jobs()
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            return None

    def _answer_questions(self, modem: Modem) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                question = self._questions.get_nowait()
                if question.future.set_running_or_notify_cancel():
                    self._answer(modem, question)

    def _answer(self, modem: Modem, question: _Question) -> None:
        try:
            reply = modem.ask(question.command, at.answer_name(question.command), free_text=True)
        except BaseException:
            question.future.set_exception(Unavailable("the modem was lost before it answered"))
            raise
        question.future.set_result((*reply.answers, at.cause(reply.final)))

    # --- one message ---

    def _send(self, modem: Modem, job: _Job) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            receipt = self._sender.send(modem, job.sms)
        except DriverError as exc:
            busy = self._sender.busy_with(job.sms)
            if busy:
                self._set_state(DeviceState.WAITING, "listening for the answer to a message; it may have been sent")
            job.future.set_exception(exc)
            self._after_trouble(modem, busy=busy)
        except BaseException:  # what ends a session; whoever waits must hear of a defect, too
            lost = "the modem was lost before it answered"
            if self._closing():
                lost = "the modem was drained, or the daemon stopped, before it answered"
            self._set_state(DeviceState.STARTING, lost)  # before the answer: whoever hears it tries another modem
            job.future.set_exception(Uncertain(lost) if self._sender.on_wire else Unavailable(lost))
            raise
        else:
            self._ladder.works()
            job.future.set_result(receipt)

    def _after_trouble(self, modem: Modem, *, busy: bool) -> None:
        """Find out whether the modem, or its network, is what failed. Raises _Restarted, _Stuck."""
        if busy:
            self._refuse_jobs()
            self._sender.wait_until_free(modem)
        self._notice_restart(modem)
        self._sender.make_room(modem)
        self._registrations |= modem.registrations()
        if self._sender.stuck and self._registered():
            raise _Stuck

    # --- what the modem says by itself ---

    def _hear(self, notice: at.Notice) -> None:
        try:
            self._sort(notice)
        except (at.Malformed, pdu.PduError) as exc:
            log.warning("modem=%s notice=%s unreadable: %s", self.name, notice.name or "unknown", exc)

    def _sort(self, notice: at.Notice) -> None:
        match notice.name:
            case "+CDS" | "+CMT":
                self._tell(pdu.decode(notice.pdu))
            case "+CMTI" | "+CDSI":
                self._storage.announced(*at.storage_index(notice.text))
            case "+CREG" | "+CGREG" | "+CEREG":
                self._registrations[notice.name] = at.registration(notice.text)
            case "+CMGS" | "+CMS ERROR":
                self._sender.heard(notice)
            case at.ECHO if not self._believes():
                pass
            case name if name in at.BANNERS:
                raise _Restarted

    def _tell(self, news: StatusReport | IncomingSms) -> Future[bool] | None:
        """When it is safe with who listens; None where there is nothing to tell yet."""
        whole = self._sender.reported(news) if isinstance(news, StatusReport) else news
        return None if whole is None else self._listener(whole)

    def _kept(self, told: Future[bool] | None) -> bool:
        """Whether the news is safe, once that is known."""
        if told is None:
            return True
        told.add_done_callback(lambda _: self._rouse())
        self._sleep(self._timing.keep, until=told.done)
        return told.done() and told.result()


def _decline(future: Future[Receipt] | Future[tuple[str, ...]], why: str) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(Unavailable(why or "the modem is not ready"))
