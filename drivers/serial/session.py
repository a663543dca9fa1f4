"""One session with a modem on an open port, from any state it may be in until something ends it.

First what is needed for a message, then messages as they come; whatever else is to be asked or read goes on in between,
a command at a time (`drivers.serial.chores`).
"""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import NoReturn

import serial

from drivers import DeviceState, DriverError, IncomingSms, StatusReport, Unavailable, Uncertain
from drivers.serial import at, dialects, pdu
from drivers.serial.care import Care
from drivers.serial.line import Interrupted, Line, Silent, Wake
from drivers.serial.modem import Blocked, Modem, WrongPort
from drivers.serial.options import SAME_IMEI
from drivers.serial.place import Place, Restarted, Stuck
from drivers.serial.requests import Job, Question

log = logging.getLogger("pinwheel.modem")


class Session:
    """begin, then serve. Both end by an exception: Lost, Silent, Interrupted, Restarted, Stuck, Blocked, WrongPort."""

    def __init__(self, place: Place, port: serial.Serial, wake: Wake, until: Callable[[], float]) -> None:
        self._place, self._port, self._timing = place, port, place.timing
        self._line = Line(port, wake, self._hear, until)
        self._modem = Modem(self._line, place.timing)
        self._care = Care(place, self._modem)

    def close(self) -> None:
        self._line.close()

    # --- at first ---

    def begin(self, rates: tuple[int, ...]) -> int:
        """What a message needs; the speed that fits."""
        rate = self._find_rate(rates)
        modem, options = self._modem, self._place.options
        modem.reply("ATE0")
        modem.dialect.use(dialects.ERRORS)
        self._line.trust_echo()
        self._recognise()
        if modem.is_asleep() and self._care.believes():
            modem.wake()
        modem.unlock(options.pin_file)
        self._insist_on_pdu_mode()
        for setting in dialects.SETTINGS[1 : dialects.URGENT]:
            modem.dialect.use(setting)
        self._care.find_network()
        self._care.set_up()
        return rate

    def _find_rate(self, rates: tuple[int, ...]) -> int:
        for rate in rates:
            self._port.baudrate = rate
            with contextlib.suppress(Silent):
                self._modem.dialogue.wake()
                return rate
        raise Silent("no baud rate fits")

    def _recognise(self) -> None:
        """Where it matters. Raises WrongPort unless this is the modem, and the port, that was meant."""
        wanted, pattern, searched = self._place.options.imei, self._place.options.port, self._place.searched
        if wanted or searched:
            found = self._care.identify()
            if wanted and found.imei[:SAME_IMEI] != wanted[:SAME_IMEI]:
                raise WrongPort(f"no modem with the IMEI {wanted} at {pattern}")
        if searched and not self._modem.takes_messages():
            raise WrongPort(f"no port at {pattern} takes messages")

    def _insist_on_pdu_mode(self) -> None:
        """Without it nothing can be sent; a modem that is still starting refuses it, for a minute at the most."""
        end = time.monotonic() + self._timing.starting
        while not (reply := self._modem.reply("AT+CMGF=0")).ok:
            cause = at.cause(reply.final)
            if time.monotonic() >= end:
                raise Blocked(f"the modem has no PDU mode (AT+CMGF=0: {cause}): it cannot be used")
            self._place.condition.become(DeviceState.STARTING, f"the modem does not accept AT+CMGF=0 yet: {cause}")
            self._line.idle(time.monotonic() + self._timing.busy)

    # --- serving ---

    def serve(self) -> NoReturn:
        """Send, listen, and look after the modem in between."""
        chores = self._care.chores
        while True:
            self._judge()
            if self._place.closing():
                raise Interrupted
            now = time.monotonic()
            urgent = self._care.must_acknowledge(now) or chores.starving(now)
            job = None if urgent else self._place.requests.next_job()
            if job is not None:
                self._send(job)
            elif (question := self._place.requests.next_question()) is not None:
                self._answer(question)
            elif not chores.step(now):
                self._line.idle(chores.next_at(now))

    def _judge(self) -> None:
        """READY or WAITING."""
        condition = self._place.condition
        if self._care.network.registered:
            condition.become(DeviceState.READY)
            return
        condition.become(DeviceState.WAITING, self._care.network.reason)
        self._care.lost_network()
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
            self._care.alive()
            job.future.set_result(receipt)

    def _after_trouble(self, *, busy: bool) -> None:
        """Find out whether the modem, or its network, is what failed. Raises Restarted, Stuck."""
        sender = self._place.sender
        if busy:
            self._place.requests.decline_jobs()
            sender.wait_until_free(self._modem)
        self._care.notice_restart()
        sender.make_room(self._modem, self._place.wait)
        self._care.find_network()
        if sender.stuck and self._care.network.registered:
            raise Stuck

    # --- what the modem says by itself ---

    def _hear(self, notice: at.Notice) -> None:
        try:
            self._sort(notice)
        except (at.Malformed, pdu.PduError) as exc:
            log.warning("modem=%s notice=%s unreadable: %s", self._place.name, notice.name or "unknown", exc)

    def _sort(self, notice: at.Notice) -> None:
        match notice.name:
            case "+CDS" | "+CMT":
                self._care.reported()
                self._hand_on(pdu.decode(notice.pdu))
            case "+CMTI" | "+CDSI":
                self._place.storage.announced(*at.storage_index(notice.text))
                self._care.announced()
            case "+CREG" | "+CGREG" | "+CEREG":
                self._care.network.told(notice.name, at.registration(notice.text))
            case at.MESSAGE_REFERENCE | "+CMS ERROR":
                self._place.sender.heard(notice)
            case at.ECHO if not self._care.believes():
                pass
            case name if name in at.BANNERS:
                raise Restarted

    def _hand_on(self, news: StatusReport | IncomingSms) -> None:
        whole = self._place.sender.reported(news) if isinstance(news, StatusReport) else news
        if whole is not None:
            self._place.tell(whole)
