"""One session with a modem on an open port, from any state it may be in until something ends it.

First what is needed for a message, then messages as they come; whatever else is to be asked or read goes on in between,
a command at a time (`drivers.serial.chores`).
"""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import NoReturn, assert_never

import serial

from drivers import DeviceState, IncomingSms, LateAnswer, Reason, Receipt, StatusReport, Unavailable, Uncertain
from drivers.serial import at, dialects, orders, pdu
from drivers.serial.between_sessions import Place
from drivers.serial.ends import Blocked, Interrupted, Restarted, Silent, Stuck, WrongPort
from drivers.serial.line import Line
from drivers.serial.modem import Modem
from drivers.serial.options import SAME_IMEI
from drivers.serial.orders import Due, Ended, Event, Given, Output
from drivers.serial.own_queries import Care
from drivers.serial.requests import Job, Question
from drivers.wake import Wake

log = logging.getLogger("pinwheel.modem")


class Session:
    """begin, then serve. Both end by an exception: Lost, Silent, Interrupted, Restarted, Stuck, Blocked, WrongPort."""

    def __init__(self, place: Place, port: serial.Serial, wake: Wake, until: Callable[[], float]) -> None:
        self._place, self._port, self._timing = place, port, place.timing
        self._line = Line(port, wake, self._notice, until)
        self._modem = Modem(self._line, place.timing)
        self._care = Care(place, self._modem)
        self._job: Job | None = None  # whose message is under way
        self._failed = self._submitted = False  # the last message

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
        network = self._care.network
        condition.become(DeviceState.WAITING, network.reason, Reason.DENIED if network.denied else Reason.NO_COVERAGE)
        self._care.lost_network()
        self._place.requests.decline_jobs()

    def _answer(self, question: Question) -> None:
        command = question.command
        try:
            reply = self._modem.ask(command, at.answer_name(command), free_text=True)
        except BaseException:  # the session ends, or a defect ends the thread: whoever asked gets an answer
            question.future.set_exception(Unavailable("the modem was lost before it answered"))
            raise
        question.future.set_result((*reply.answers, at.cause(reply.final)))

    # --- one message ---

    def _send(self, job: Job) -> None:
        """A message, until the next can be sent."""
        self._job, self._failed, self._submitted = job, False, False
        try:
            self._feed(Given(job.sms, self._modem.settings))
            while not self._place.exchange.idle:
                event = self._line.event(self._place.exchange.due)
                if isinstance(event, at.Notice):
                    self._notice(event)
                else:
                    self._feed(event or Due())
        except BaseException:  # the session ends, or a defect ends the thread: the message gets its result
            self._lost()
            raise
        if self._failed:
            self._after_trouble()

    def _feed(self, event: Event) -> None:
        """An event into the exchange of messages; what comes out is carried out."""
        if isinstance(event, at.Aside):
            self._modem.dialogue.answered_beside(at.name_of(event.text))
        for output in self._place.exchange.handle(event, time.monotonic()):
            self._carry_out(output)

    def _carry_out(self, output: Output) -> None:
        dialogue = self._modem.dialogue
        match output:
            case orders.Offer():
                dialogue.offer(f"AT+CMGS={output.length}", at.MESSAGE_REFERENCE)
                self._feed(orders.Offered(dialogue.prompt_s))
            case orders.Body():
                self._line.body(output.hex)
                self._feed(orders.BodyWritten())
            case orders.Submit():
                self._submitted = True
                dialogue.submit()
            case orders.ExpectPrompt():
                self._line.expect(at.MESSAGE_REFERENCE, prompt=True)
            case orders.ExpectResult():
                self._line.expect(at.MESSAGE_REFERENCE)
            case orders.Query():
                dialogue.ask_beside(output.command, output.answer)
            case orders.GiveUp():
                dialogue.give_up(at.MESSAGE_REFERENCE)
            case orders.Synchronise():
                dialogue.synchronise(always=output.always, no_prompt=output.no_prompt)
                self._feed(orders.Synchronised())
            case orders.Probe():
                self._feed(orders.Probed(dialogue.probe()))
            case orders.Mute():
                raise Silent("no answer to any query")
            case orders.Ended():
                self._ended(output)
            case LateAnswer() | StatusReport():
                self._place.publish(output)
            case _:
                assert_never(output)

    def _ended(self, ended: Ended) -> None:
        """The result of the message under way."""
        job, self._job = self._job, None
        assert job is not None
        if isinstance(ended.result, Receipt):
            self._place.works()
            self._care.alive()
            job.future.set_result(ended.result)
            return
        self._failed = True
        if ended.listening:
            why = "listening for the answer to a message; it may have been sent"
            self._place.condition.become(DeviceState.WAITING, why)
        job.future.set_exception(ended.result)
        if ended.listening:
            self._place.requests.decline_jobs()

    def _lost(self) -> None:
        """The session ends; a message that is under way gets its result."""
        why = "the modem was lost before it answered"
        if self._place.closing():
            why = "the modem was drained, or the daemon stopped, before it answered"
        if self._job is not None:  # before the result: who gets it tries another modem
            self._place.condition.become(DeviceState.STARTING, why)
        try:
            self._feed(orders.SessionEnded(why))
        finally:
            if self._job is not None:  # a defect
                self._job.future.set_exception(Uncertain(why) if self._submitted else Unavailable(why))

    def _after_trouble(self) -> None:
        """Find out whether the modem, or its network, is what failed. Raises Restarted, Stuck."""
        exchange = self._place.exchange
        self._care.notice_restart()
        if exchange.trouble.storage_full:
            self._feed(orders.StorageEmptied(self._place.storage.make_room(self._modem, self._place.wait)))
        self._care.find_network()
        if exchange.trouble.stuck and self._care.network.registered:
            raise Stuck

    # --- what the modem says by itself ---

    def _notice(self, notice: at.Notice) -> None:
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
                self._care.network.update(notice.name, at.registration(notice.text))
            case at.MESSAGE_REFERENCE | "+CMS ERROR":
                self._feed(notice)
            case at.ECHO if not self._care.believes():
                pass
            case name if name in at.BANNERS:
                raise Restarted

    def _hand_on(self, news: StatusReport | IncomingSms) -> None:
        if isinstance(news, StatusReport):
            self._feed(orders.Reported(news))
        else:
            self._place.publish(news)
