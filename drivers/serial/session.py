"""One session with a modem on an open port, from any state it may be in until something ends it.

First what is needed for a message, then messages as they come; whatever else is to be asked or read goes on in between,
a command at a time (`drivers.serial.chores`).
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NoReturn, TypeVar, assert_never

import serial

from drivers import DeviceState, IncomingSms, LateAnswer, Reason, Receipt, StatusReport, Unavailable, Uncertain
from drivers.checks import Unreadable
from drivers.serial import at, orders, pdu, procedure
from drivers.serial.between_sessions import Place
from drivers.serial.dialogue import NEVER_UNASKED
from drivers.serial.ends import Interrupted, Restarted, Silent, Stuck
from drivers.serial.initialisation import Wanted, initialise
from drivers.serial.line import Line
from drivers.serial.modem import Modem
from drivers.serial.modem_status import Became, Known
from drivers.serial.options import sim_pin
from drivers.serial.orders import Due, Ended, Event, Given, Output
from drivers.serial.own_queries import Care
from drivers.serial.procedure import Came, HandedOver, Order, PinRead, Procedure
from drivers.serial.pulse import Pulse
from drivers.serial.requests import Job, Question
from drivers.wake import Wake

log = logging.getLogger("pinwheel.modem")

T = TypeVar("T")


class Session:
    """begin, then serve. Both end by an exception: Lost, Silent, Interrupted, Restarted, Stuck, Blocked, WrongPort."""

    def __init__(self, place: Place, port: serial.Serial, wake: Wake, until: Callable[[], float]) -> None:
        self._place, self._port = place, port
        self._line = Line(port, wake, self._notice, until)
        self._line.watch(NEVER_UNASKED)
        self._modem = Modem(place.timing)
        pulse, remarks = Pulse(self._modem, place.timing, place.signs), place.exchange.remarks
        self._care = Care(self._modem, place.timing, place.storage, pulse, remarks, time.monotonic())
        self._job: Job | None = None  # whose message is under way
        self._failed = self._submitted = False  # the last message

    def close(self) -> None:
        self._line.close()

    def begin(self, rates: tuple[int, ...]) -> int:
        """What a message needs; the speed that fits."""
        options = self._place.options
        wanted = Wanted(options.port, options.imei, self._place.searched, has_pin=bool(options.pin_file))
        return self._run(initialise(self._modem, self._care, wanted, rates, self._place.timing))

    # --- procedures ---

    def _run(self, steps: Procedure[T]) -> T:
        return procedure.run(steps, self._do)

    def _do(self, order: Order) -> Came:
        """Carry out what a procedure orders."""
        event: PinRead | HandedOver | None = None
        match order:
            case procedure.SetRate():
                self._port.baudrate = order.rate
            case procedure.ReadPin():
                event = self._read_pin()
            case procedure.HandOver():
                event = HandedOver(self._place.keep(order.message))
            case procedure.Await():
                self._await(order.kept)
            case procedure.GiveWay():  # to nothing: this is no chore
                pass
            case procedure.Warn():
                log.warning("modem=%s %s", self._place.name, order.text)
            case Known():
                self._place.condition.know(**order.facts)
            case Became():
                self._place.condition.become(order.state, order.detail, order.reason)
            case _:
                return self._line.carry_out(order)
        return Came(time.monotonic(), event)

    def _read_pin(self) -> PinRead:
        try:
            return PinRead(sim_pin(self._place.options.pin_file))
        except Unreadable as exc:
            return PinRead(fault=str(exc))

    def _await(self, kept: Future[bool]) -> None:
        end = time.monotonic() + self._place.timing.keep
        while not (kept.done() or self._place.closing() or time.monotonic() >= end):
            self._line.idle(end)

    # --- serving ---

    def serve(self) -> NoReturn:
        """Send, listen, and look after the modem in between."""
        chores = self._care.chores
        while True:
            self._judge()
            if self._place.closing():
                raise Interrupted
            now = time.monotonic()
            urgent = self._care.acknowledgements.chore.ready_at(now) <= now or chores.starving(now)
            job = None if urgent else self._place.requests.next_job()
            if job is not None:
                self._send(job)
            elif (question := self._place.requests.next_question()) is not None:
                self._answer(question)
            elif not self._run(chores.step(now)):
                self._line.idle(chores.next_at(now))

    def _judge(self) -> None:
        """READY or WAITING."""
        condition, network = self._place.condition, self._care.network.registrations
        if network.registered:
            condition.become(DeviceState.READY)
            return
        condition.become(DeviceState.WAITING, network.reason, Reason.DENIED if network.denied else Reason.NO_COVERAGE)
        self._care.network.lost(time.monotonic())
        self._place.requests.decline_jobs()

    def _answer(self, question: Question) -> None:
        command = question.command
        try:
            reply = self._run(self._modem.ask(command, at.answer_name(command), free_text=True))
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
                self._run(dialogue.offer(f"AT+CMGS={output.length}", at.MESSAGE_REFERENCE))
                self._feed(orders.Offered(dialogue.prompt_s))
            case orders.Body():
                self._do(procedure.Body(output.hex))
                self._feed(orders.BodyWritten())
            case orders.Submit():
                self._submitted = True
                self._run(dialogue.submit())
            case orders.ExpectPrompt():
                self._do(procedure.Expect(at.MESSAGE_REFERENCE, prompt=True))
            case orders.ExpectResult():
                self._do(procedure.Expect(at.MESSAGE_REFERENCE))
            case orders.Query():
                self._run(dialogue.ask_beside(output.command, output.answer))
            case orders.GiveUp():
                self._run(dialogue.give_up(at.MESSAGE_REFERENCE))
            case orders.Synchronise():
                self._run(dialogue.synchronise(always=output.always, no_prompt=output.no_prompt))
                self._feed(orders.Synchronised())
            case orders.Probe():
                self._feed(orders.Probed(self._run(dialogue.probe())))
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
            self._care.pulse.alive(time.monotonic())
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
        self._run(self._care.pulse.notice_restart())
        if exchange.trouble.storage_full:
            self._feed(orders.StorageEmptied(self._run(self._place.storage.make_room(self._modem))))
        self._run(self._care.network.find())
        if exchange.trouble.stuck and self._care.network.registrations.registered:
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
                self._care.acknowledgements.reported(time.monotonic())
                self._hand_on(pdu.decode(notice.pdu))
            case "+CMTI" | "+CDSI":
                self._place.storage.announced(*at.storage_index(notice.text))
                self._care.announced(time.monotonic())
            case "+CREG" | "+CGREG" | "+CEREG":
                self._care.network.registrations.update(notice.name, at.registration(notice.text))
            case at.MESSAGE_REFERENCE | "+CMS ERROR":
                self._feed(notice)
            case at.ECHO if not self._care.pulse.believes(time.monotonic()):
                pass
            case name if name in at.BANNERS:
                raise Restarted

    def _hand_on(self, news: StatusReport | IncomingSms) -> None:
        if isinstance(news, StatusReport):
            self._feed(orders.Reported(news))
        else:
            self._place.publish(news)
