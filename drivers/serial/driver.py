"""The SMS driver for GSM modems on a serial port (3GPP 27.005, PDU mode).

One thread a modem opens the port, serves a session (`session`), and starts again when the port is gone, the modem
restarts or falls silent. `at` parses, `line` waits, `dialogue` knows whose answer it is, `modem` asks, the session
decides what is asked when, this file what follows a session's end.
"""

import contextlib
import glob
import logging
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import serial

from drivers import (
    DeviceState,
    IncomingSms,
    ModemStatus,
    Receipt,
    Refused,
    Sms,
    SmsListener,
    StateChanged,
    StatusReport,
)
from drivers.serial import at, ports, power
from drivers.serial.condition import Condition
from drivers.serial.cures import Cure, Hourly, Ladder
from drivers.serial.line import WRITE_S, Interrupted, Lost, Silent, Wake
from drivers.serial.modem import RATES, READ_ONLY, Blocked, WrongPort
from drivers.serial.options import Options
from drivers.serial.place import Place, Restarted, Stuck
from drivers.serial.requests import Job, Question, Requests
from drivers.serial.search import Port, Search
from drivers.serial.sending import Sender
from drivers.serial.session import Session
from drivers.serial.storage import Storage
from drivers.serial.timing import Timing

log = logging.getLogger("pinwheel.modem")

SIGNS_AN_HOUR = 6  # of a restart without a banner that are believed, lest a modem of odd habits be set up for ever
RESET_WRITE_S = 0.5  # for the command that restarts a modem: 15 octets, at 1200 baud too
BLOCKED_AT_FIRST_S = 2.0  # between two sessions, as long as what blocks may still pass: a SIM that is found late, say

__all__ = ["SIGNS_AN_HOUR", "Driver", "Options"]


@dataclass(frozen=True, slots=True)
class _End:
    """Why a session ended. pause_s: before the next; None: by the back-off. silent: a cure may be due; sure: at once.

    away: the modem is not there, so that cutting its power may help; None: what is there says nothing of it.
    """

    state: DeviceState
    detail: str
    pause_s: float | None = None
    silent: bool = False
    sure: bool = False
    away: bool | None = False


class Driver:
    """One modem. Everything but the public methods runs on its own thread."""

    def __init__(self, name: str, options: Options, timing: Timing | None = None) -> None:
        self.name = name
        self._options = options
        self._timing = timing or Timing()
        self._listener: SmsListener = lambda _: Future()
        self._opened_at, self._closing_at = 0.0, float("inf")
        self._thread: threading.Thread | None = None
        self._wake: Wake | None = None
        self._serving = False
        self._ladder = Ladder(self._timing.cure, self._timing.cures_an_hour, power=bool(options.power_cycle))
        self._rate = options.baudrate if isinstance(options.baudrate, int) else RATES[0]  # the last that fitted
        self._search = Search()
        self._round: dict[Port, _End] = {}  # how it went at the other ports of a pattern
        self._blocked_since: float | None = None
        self._condition = Condition(lambda: self._listener(StateChanged()))
        self._requests = Requests(lambda: self._condition.now.detail)
        storage = Storage(name, self._keep)
        self._sender = Sender(self._timing, storage, lambda news: self._listener(news))
        self._place = Place(
            name,
            options,
            self._timing,
            glob.has_magic(options.port),
            self._condition,
            self._requests,
            storage,
            self._sender,
            Hourly(SIGNS_AN_HOUR),
            tell=lambda news: self._listener(news),
            wait=lambda kept: self._sleep(self._timing.keep, until=kept.done),
            closing=self._closing,
            works=self._ladder.works,
        )

    # --- the contract ---

    def open(self, listener: SmsListener) -> None:
        if self._thread is not None and self._thread.is_alive():  # two threads on one port would be worse than none
            log.error("modem=%s has not let go of its port yet: resume it again later", self.name)
            return
        self._listener = listener
        self._opened_at, self._closing_at = time.monotonic(), float("inf")
        self._wake = Wake()
        self._condition.now = ModemStatus(DeviceState.STARTING)
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
                self._condition.become(DeviceState.CLOSED)
            else:
                self._condition.become(
                    DeviceState.FAILED, "a defect has stopped this driver: report the log, drain and resume"
                )
            self._requests.decline()

    def _sessions(self) -> None:
        failures = 0
        while not self._closing():
            started = time.monotonic()
            end = self._one_session()
            lasted = time.monotonic() - started > self._timing.health
            failures = 1 if lasted else min(failures + 1, len(self._timing.retry))
            self._condition.know(signal_dbm=None, operator="")  # of a network that it may have left
            self._condition.become(end.state, end.detail)
            self._requests.decline()
            self._cure(end)
            self._pause(self._timing.retry[failures - 1] if end.pause_s is None else end.pause_s)

    def _one_session(self) -> _End:
        """Open, initialise, serve until something ends it."""
        self._place.storage.forget()
        self._sender.begin()
        fitting = ports.fitting(self._options.port)
        if not fitting:
            what = "no port fits the pattern: plug the modem in"
            return _End(DeviceState.ABSENT, what, self._timing.absent, away=True)
        port = self._search.choose(fitting)
        self._condition.know(port=port.name)
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
            now = self._condition.now
            return _End(now.state, now.detail, end.pause_s, away=None)
        ends = [self._round[each] for each in fitting]
        self._round.clear()
        most = max(ends, key=lambda each: (each.silent, bool(each.away)))
        return replace(most, pause_s=end.pause_s, away=all(each.away for each in ends))

    def _session_at(self, port: Port, *, alone: bool) -> _End:
        """alone: no other port fits, so that there is no hurry to try the next."""
        try:
            with self._opened(port.name) as opened, contextlib.closing(self._session(opened)) as session:
                self._rate = session.begin((self._rate, *(RATES if self._options.baudrate == "auto" else ())))
                if self._search.known not in (port, None):
                    self._sender.forget()
                self._search.seen(port)
                self._round.clear()
                self._blocked_since = None
                self._ladder.answers()
                self._serving = True
                session.serve()
        except Lost as exc:
            self._sender.forget()
            return _End(DeviceState.ABSENT, str(exc), away=True)
        except Silent:
            return _End(
                DeviceState.ABSENT,
                "the modem does not answer: check port and baudrate",
                silent=True,
                sure=self._serving,
            )
        except Stuck:
            return _End(DeviceState.STARTING, "the modem answers but sends nothing", silent=True, sure=True)
        except Restarted:
            self._sender.forget()
            return _End(DeviceState.STARTING, "the modem restarted")
        except WrongPort as exc:
            pause_s = self._timing.absent if alone else None
            return _End(DeviceState.ABSENT, str(exc), pause_s, away=self._place.searched)
        except Blocked as exc:
            return _End(DeviceState.FAILED, str(exc), self._blocked_pause_s())
        except at.Malformed as exc:
            return _End(DeviceState.STARTING, str(exc))
        except Interrupted:
            return _End(DeviceState.CLOSED, "", 0)
        except ports.FAILURES as exc:
            return self._not_opened(port, exc)

    def _not_opened(self, port: Port, exc: Exception) -> _End:
        self._sender.forget()
        failure = ports.failure(port.name, exc)
        away = self._place.searched if failure.ours else not failure.there  # another's port says that ours is away
        return _End(DeviceState.ABSENT, failure.cause, self._timing.absent, away=away)

    def _blocked_pause_s(self) -> float:
        """Short for a minute: a modem that has just started says for a while, say, that it has no SIM."""
        now = time.monotonic()
        self._blocked_since = self._blocked_since or now
        starting = now - self._blocked_since < self._timing.starting
        return min(BLOCKED_AT_FIRST_S, self._timing.blocked) if starting else self._timing.blocked

    def _opened(self, name: str) -> AbstractContextManager[serial.Serial]:
        return ports.opened(name, self._rate, rtscts=self._options.flow_control == "rtscts")

    def _session(self, port: serial.Serial) -> Session:
        assert self._wake is not None
        return Session(self._place, port, self._wake, lambda: self._closing_at + self._timing.close)

    def _pause(self, seconds: float) -> bool:
        """Wait; who wants something meanwhile is told at once. Whether to go on: the driver is not being closed."""

        def decline() -> bool:
            self._requests.decline()
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

    def _keep(self, news: StatusReport | IncomingSms) -> Future[bool] | None:
        """Of a message that the SIM has stored: when it is safe with who listens; None: there is nothing to tell."""
        whole = self._sender.reported(news) if isinstance(news, StatusReport) else news
        if whole is None:
            return None
        told = self._listener(whole)
        told.add_done_callback(lambda _: self._rouse())
        return told

    # --- when it stays silent ---

    def _cure(self, end: _End) -> None:
        """What the ladder says is due: a restart by command, or the operator's command."""
        now, port = time.monotonic(), self._resettable()
        if end.silent and self._may_be_sending(now):
            return
        if end.silent:
            cure = self._ladder.silent(now, sure=end.sure, resettable=bool(port))
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

    def _may_be_sending(self, now: float) -> bool:
        """Whether a modem that never answered may be busy with a message of a daemon that was killed before."""
        return self._search.known is None and now - self._opened_at < self._timing.listen

    def _cut_power(self) -> None:
        """Of the modem that is meant, wherever it was last seen."""
        port = self._search.known.name if self._search.known is not None else self._resettable()
        imei = self._options.imei or self._condition.now.imei
        who = {"PINWHEEL_MODEM": self.name, "PINWHEEL_PORT": port, "PINWHEEL_IMEI": imei}
        if not power.cycle(self.name, self._options.power_cycle, who, self._timing.power_cycle, self._pause):
            self._ladder.power_failed()

    def _resettable(self) -> str:
        """The port that is surely the modem's: the one that is configured, or where it was last seen; "" if none is."""
        if not self._place.searched:
            return self._options.port
        known = self._search.known
        return known.name if known is not None and ports.port(known.name) == known else ""

    def _reset(self, name: str) -> None:
        """AT+CFUN=1,1 (27.007 8.2), whether or not anybody listens."""
        with contextlib.suppress(*ports.FAILURES), self._opened(name) as port:
            port.write(bytes([at.ESC, at.CR]) + b"AT+CFUN=1,1\r")
            self._pause(RESET_WRITE_S)  # to let it out; tcdrain(3) would wait for ever for a modem without CTS
            port.reset_output_buffer()
