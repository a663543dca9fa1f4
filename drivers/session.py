"""One session with a modem on an open port, from any state it may be in until something ends it.

First what is needed for a message, then messages as they come; whatever else is to be asked or read goes on in between,
a command at a time (`drivers.chores`).
"""

import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NoReturn

import serial

from drivers import (
    DeviceState,
    DriverError,
    IncomingSms,
    SmsEvent,
    StatusReport,
    Unavailable,
    Uncertain,
    at,
    dialect,
    network,
    pdu,
)
from drivers.chores import Chore, Chores, Steps
from drivers.condition import Condition
from drivers.line import Interrupted, Line, Silent, Wake
from drivers.modem import CLEARED, Blocked, Identity, Modem, WrongPort
from drivers.network import Registrations
from drivers.recovery import Hourly
from drivers.requests import Job, Question, Requests
from drivers.sending import Sender
from drivers.serial_options import SAME_IMEI, Options
from drivers.storage import Storage
from drivers.timing import Timing

log = logging.getLogger("pinwheel.modem")

NO_EXPECTED_ACKNOWLEDGEMENT = 340


class Restarted(Exception):
    """The modem has just started, or its SIM is locked or gone: all is to be set up again."""


class Stuck(Exception):
    """The modem answers, but message after message fails for a reason of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """What outlives a session. searched: the port is one of a pattern.

    tell: hears the news of the modem; wait: until a future is done, or the driver is closed, for a bounded time.
    works: is called when a message was sent.
    """

    name: str
    options: Options
    timing: Timing
    searched: bool
    condition: Condition
    requests: Requests
    storage: Storage
    sender: Sender
    signs: Hourly
    tell: Callable[[SmsEvent], Future[bool]]
    wait: Callable[[Future[bool]], object]
    closing: Callable[[], bool]
    works: Callable[[], None]


class Session:
    """begin, then serve. Both end by an exception: Lost, Silent, Interrupted, Restarted, Stuck, Blocked, WrongPort."""

    def __init__(self, place: Place, port: serial.Serial, wake: Wake, until: Callable[[], float]) -> None:
        self._place, self._port, self._timing = place, port, place.timing
        self._line = Line(port, wake, self._hear, until)
        self._modem = Modem(self._line, place.timing)
        self._network = Registrations()
        self._acknowledges = False
        self._unacknowledged = 0
        self._started = time.monotonic()
        self._pulses = 0
        keep_s = place.timing.keep
        self._acks = Chore(self._acknowledge, float("inf"))
        self._announced = Chore(lambda: place.storage.read_announced(self._modem), float("inf"), keep_s)
        self._setup = Chore(self._set_up, float("inf"), keep_s)
        self._watch = Chore(self._look_for_network, float("inf"))
        self._retries = Chore(self._retry_settings, place.timing.retry_settings)
        self._pulse = Chore(self._feel_pulse, place.timing.pulse)
        self._health = Chore(self._look_around, place.timing.health, keep_s)
        self._chores = Chores(
            self._acks, self._watch, self._pulse, self._announced, self._setup, self._retries, self._health
        )

    def close(self) -> None:
        self._line.close()

    # --- at first ---

    def begin(self, rates: tuple[int, ...]) -> int:
        """What a message needs; the speed that fits."""
        rate = self._find_rate(rates)
        modem, options = self._modem, self._place.options
        modem.reply("ATE0")
        modem.dialect.use(dialect.ERRORS)
        self._line.trust_echo()
        self._recognise(modem.identify())
        if modem.is_asleep() and self._believes():
            modem.wake()
        modem.unlock(options.pin_file)
        self._insist_on_pdu_mode()
        for setting in dialect.SETTINGS[1 : dialect.URGENT]:
            modem.dialect.use(setting)
        for command, domain in network.QUERIES:
            self._ask_registration(command, domain)
            if self._network.registered:
                break
        self._set_up_quickly()
        return rate

    def _find_rate(self, rates: tuple[int, ...]) -> int:
        for rate in rates:
            self._port.baudrate = rate
            with contextlib.suppress(Silent):
                self._modem.dialogue.wake()
                return rate
        raise Silent("no baud rate fits")

    def _recognise(self, found: Identity) -> None:
        """Raises WrongPort unless this is the modem, and the port, that was meant."""
        wanted, pattern = self._place.options.imei, self._place.options.port
        if wanted and found.imei[:SAME_IMEI] != wanted[:SAME_IMEI]:
            raise WrongPort(f"no modem with the IMEI {wanted} at {pattern}")
        if self._place.searched and not self._modem.takes_messages():
            raise WrongPort(f"no port at {pattern} takes messages")
        self._place.condition.know(model=found.model, imei=found.imei)

    def _insist_on_pdu_mode(self) -> None:
        """Without it nothing can be sent; a modem that is still starting refuses it, for a minute at the most."""
        end = time.monotonic() + self._timing.starting
        while not (reply := self._modem.reply("AT+CMGF=0")).ok:
            cause = at.cause(reply.final)
            if time.monotonic() >= end:
                raise Blocked(f"the modem has no PDU mode (AT+CMGF=0: {cause}): it cannot be used")
            self._place.condition.become(DeviceState.STARTING, f"the modem does not accept AT+CMGF=0 yet: {cause}")
            self._line.idle(time.monotonic() + self._timing.busy)

    def _set_up_quickly(self) -> None:
        """What else there is to set up, unless it takes long: then it goes on between the messages."""
        end, steps = time.monotonic() + self._timing.setup, self._set_up()
        for waits_for in steps:
            if waits_for is not None or time.monotonic() >= end:
                break
        self._setup.work = lambda: steps
        self._setup.want(time.monotonic())

    def _set_up(self) -> Steps:
        modem, condition = self._modem, self._place.condition
        yield from self._learn_settings()
        for setting in dialect.SETTINGS[dialect.URGENT :]:
            modem.dialect.use(setting)
            yield None
        self._learn_acknowledging()
        yield None
        condition.know(imsi=modem.imsi())
        yield from self._look_at_network()
        yield from self._place.storage.begin(modem)
        self._tell_remarks()
        now = time.monotonic()
        self._retries.want(now + self._timing.retry_settings)
        self._health.want(now + self._timing.health)

    def _learn_settings(self) -> Steps:
        """Those by which a restart shows."""
        self._modem.forget_settings()
        for command, answer in CLEARED:
            self._modem.learn_setting(command, answer)
            yield None

    def _learn_acknowledging(self) -> None:
        told = self._modem.acknowledges()
        self._acknowledges = not self._modem.dialect.knows(dialect.PHASE) if told is None else told

    # --- serving ---

    def serve(self) -> NoReturn:
        """Send, listen, and look after the modem in between."""
        self._pulse.want(time.monotonic() + self._timing.pulse)
        while True:
            self._judge()
            if self._place.closing():
                raise Interrupted
            now = time.monotonic()
            urgent = self._acks.ready_at(now) <= now or self._chores.starving(now)
            job = None if urgent else self._place.requests.next_job()
            if job is not None:
                self._send(job)
            elif (question := self._place.requests.next_question()) is not None:
                self._answer(question)
            elif not self._chores.step(now):
                self._line.idle(self._chores.next_at(now))

    def _judge(self) -> None:
        """READY or WAITING."""
        condition = self._place.condition
        if self._network.registered:
            condition.become(DeviceState.READY)
            return
        condition.become(DeviceState.WAITING, self._network.reason)
        self._watch.want(min(self._watch.due, time.monotonic() + self._timing.watch))
        self._place.requests.decline_jobs()

    def _answer(self, question: Question) -> None:
        command = question.command
        try:
            reply = self._modem.ask(command, at.answer_name(command), free_text=True)
        except BaseException:
            question.future.set_exception(Unavailable("the modem was lost before it answered"))
            raise
        question.future.set_result((*reply.answers, at.cause(reply.final)))

    # --- one message ---

    def _send(self, job: Job) -> None:
        sender, condition = self._place.sender, self._place.condition
        try:
            receipt = sender.send(self._modem, job.sms)
        except DriverError as exc:
            busy = sender.busy_with(job.sms)
            if busy:
                condition.become(DeviceState.WAITING, "listening for the answer to a message; it may have been sent")
            job.future.set_exception(exc)
            self._after_trouble(busy=busy)
        except BaseException:  # what ends a session; whoever waits must hear of a defect, too
            lost = "the modem was lost before it answered"
            if self._place.closing():
                lost = "the modem was drained, or the daemon stopped, before it answered"
            condition.become(DeviceState.STARTING, lost)  # before the answer: whoever hears it tries another modem
            job.future.set_exception(Uncertain(lost) if sender.on_wire else Unavailable(lost))
            raise
        else:
            self._place.works()
            job.future.set_result(receipt)

    def _after_trouble(self, *, busy: bool) -> None:
        """Find out whether the modem, or its network, is what failed. Raises Restarted, Stuck."""
        sender = self._place.sender
        if busy:
            self._place.requests.decline_jobs()
            sender.wait_until_free(self._modem)
        self._notice_restart()
        sender.make_room(self._modem, self._place.wait)
        for command, domain in network.QUERIES:
            self._ask_registration(command, domain)
        if sender.stuck and self._network.registered:
            raise Stuck

    # --- chores ---

    def _feel_pulse(self) -> Steps:
        """Whether it answers at all, and by the settings that a restart clears, whether it has restarted."""
        queries = self._modem.signs_of_life or [("AT", "")]
        command, answer = queries[self._pulses % len(queries)]
        self._pulses += 1
        try:
            told = self._modem.ask(command, answer, timeout_s=self._timing.probe).answers
        except Silent:
            self._modem.dialogue.regain()
        else:
            if any(self._modem.differs(line) for line in told[:1]):
                self._notice_restart()
        yield None

    def _look_around(self) -> Steps:
        self._notice_restart()
        yield None
        yield from self._look_at_network()
        yield from self._place.storage.look(self._modem)
        self._tell_remarks()

    def _look_at_network(self) -> Steps:
        """Registration, signal, operator."""
        for command, domain in network.QUERIES:
            self._ask_registration(command, domain)
            yield None
        operator = self._modem.operator() if self._network.registered else ""
        yield None
        self._place.condition.know(signal_dbm=self._modem.signal_dbm(), operator=operator)

    def _look_for_network(self) -> Steps:
        """Some modems do not say by themselves when they are back."""
        for command, domain in network.QUERIES:
            self._ask_registration(command, domain)
            yield None

    def _ask_registration(self, command: str, domain: str) -> None:
        status = self._modem.registration(command, domain)
        if status is not None:
            self._network.told(domain, status)

    def _retry_settings(self) -> Steps:
        """What it has refused, perhaps because it was still starting."""
        if time.monotonic() - self._started > self._timing.starting:
            self._retries.every_s = float("inf")
            return
        spoken = self._modem.dialect
        before = spoken.refused()
        for setting in before:
            spoken.retry(setting)
            yield None
        if spoken.refused() != before:
            yield from self._learn_settings()
        self._tell_remarks()

    def _tell_remarks(self) -> None:
        place = self._place
        place.condition.know(remarks=(*self._modem.dialect.remarks(), *place.sender.remarks()))

    def _acknowledge(self) -> Steps:
        """Each report that was told, or the modem tells no more (27.005 3.4.4)."""
        while self._unacknowledged and self._acknowledges:
            self._unacknowledged -= 1
            reply = self._modem.dialect.use(dialect.ACKNOWLEDGE)
            self._acknowledges = reply.ok
            yield None

    def _notice_restart(self) -> None:
        """Of a modem that has no banner. Raises Restarted."""
        if self._modem.has_changed() and self._believes():
            raise Restarted

    def _believes(self) -> bool:
        """Whether a sign of a restart is followed: there are only so many in an hour."""
        now, signs = time.monotonic(), self._place.signs
        believed = signs.allows(now)
        if believed:
            signs.add(now)
        return believed

    # --- what the modem says by itself ---

    def _hear(self, notice: at.Notice) -> None:
        try:
            self._sort(notice)
        except (at.Malformed, pdu.PduError) as exc:
            log.warning("modem=%s notice=%s unreadable: %s", self._place.name, notice.name or "unknown", exc)

    def _sort(self, notice: at.Notice) -> None:
        match notice.name:
            case "+CDS" | "+CMT":
                self._unacknowledged += 1
                self._acks.want(time.monotonic())
                self._hand_on(pdu.decode(notice.pdu))
            case "+CMTI" | "+CDSI":
                self._place.storage.announced(*at.storage_index(notice.text))
                self._announced.want(time.monotonic())
            case "+CREG" | "+CGREG" | "+CEREG":
                self._network.told(notice.name, at.registration(notice.text))
            case at.MESSAGE_REFERENCE | "+CMS ERROR":
                self._place.sender.heard(notice)
            case at.ECHO if not self._believes():
                pass
            case name if name in at.BANNERS:
                raise Restarted

    def _hand_on(self, news: StatusReport | IncomingSms) -> None:
        whole = self._place.sender.reported(news) if isinstance(news, StatusReport) else news
        if whole is not None:
            self._place.tell(whole)
