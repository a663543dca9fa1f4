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
from drivers.named_files import Unreadable
from drivers.serial import at, pdu, procedure, sending_interface, ussd
from drivers.serial.between_sessions import Lasting
from drivers.serial.dialogue import NEVER_UNASKED
from drivers.serial.initialisation import Wanted, initialise
from drivers.serial.line import Line
from drivers.serial.liveness import Pulse
from drivers.serial.modem import Modem
from drivers.serial.modem_status import Became, Known
from drivers.serial.options import sim_pin
from drivers.serial.procedure import Came, HandedOver, Order, PinRead, Procedure, Talk
from drivers.serial.requests import Job, Question
from drivers.serial.sending_interface import Due, Ended, Event, Given, Output
from drivers.serial.session_chores import SessionChores
from drivers.serial.session_ends import Interrupted, Restarted, Silent, Stuck
from drivers.wake import Wake

log = logging.getLogger("pinwheel.modem")

NO_MORE = "; no more such warnings of this modem for an hour"

T = TypeVar("T")


class Session:
    """begin, then serve. Both end by an exception: Lost, Silent, Interrupted, Restarted, Stuck, Blocked, WrongPort."""

    def __init__(self, lasting: Lasting, port: serial.Serial, wake: Wake, until: Callable[[], float]) -> None:
        self._lasting, self._port = lasting, port
        self._line = Line(port, wake, self._notice, until)
        self._line.watch(NEVER_UNASKED)
        self._modem = Modem(lasting.timing)
        pulse = Pulse(self._modem, lasting.timing, lasting.signs)
        self._chores = SessionChores(self._modem, lasting.storage, pulse, lasting.balance, time.monotonic())
        self._job: Job | None = None  # whose message is under way
        self._failed = self._submitted = False  # the last message

    def close(self) -> None:
        self._line.close()

    def begin(self, rates: tuple[int, ...]) -> int:
        """What a message needs; the speed that fits."""
        options = self._lasting.options
        wanted = Wanted(options.port, options.imei, self._lasting.searched, has_pin=bool(options.pin_file))
        return self._run(initialise(self._modem, self._chores, wanted, rates, self._lasting.timing))

    # --- procedures ---

    def _run(self, steps: Procedure[T]) -> T:
        return procedure.run(steps, self._do)

    def _talk(self, steps: Talk[T]) -> T:
        """The same, of what needs nothing but the line."""
        return procedure.run(steps, self._line.carry_out)

    def _do(self, order: Order) -> Came:
        """Carry out what a procedure orders."""
        event: PinRead | HandedOver | None = None
        match order:
            case procedure.SetRate():
                self._port.baudrate = order.rate
            case procedure.ReadPin():
                event = self._read_pin()
            case procedure.HandOver():
                event = HandedOver(self._lasting.keep(order.message))
            case procedure.Await():
                self._await(order.kept)
            case procedure.GiveWay():  # to nothing: this is no chore
                pass
            case procedure.Warn():
                self._warn(order.text)
            case Known():
                self._lasting.condition.know(**order.facts)
            case Became():
                self._lasting.condition.become(order.state, order.detail, order.reason)
            case _:
                return self._line.carry_out(order)
        return Came(time.monotonic(), event)

    def _read_pin(self) -> PinRead:
        try:
            return PinRead(sim_pin(self._lasting.options.pin_file))
        except Unreadable as exc:
            return PinRead(fault=str(exc))

    def _await(self, kept: Future[bool]) -> None:
        end = time.monotonic() + self._lasting.timing.keep
        while not (kept.done() or self._lasting.closing() or time.monotonic() >= end):
            self._line.idle(end)

    def _warn(self, text: str) -> None:
        """At most so many an hour."""
        warnings, now = self._lasting.warnings, time.monotonic()
        if warnings.allows(now):
            warnings.add(now)
            log.warning("modem=%s %s%s", self._lasting.name, text, "" if warnings.allows(now) else NO_MORE)

    # --- serving ---

    def serve(self) -> NoReturn:
        """Send, listen, and look after the modem in between."""
        chores = self._chores.chores
        while True:
            self._judge()
            if self._lasting.closing():
                raise Interrupted
            now = time.monotonic()
            urgent = self._chores.acknowledgements.chore.ready_at(now) <= now or chores.starving(now)
            job = None if urgent else self._lasting.requests.next_job()
            if job is not None:
                self._send(job)
            elif (question := self._lasting.requests.next_question()) is not None:
                self._answer(question)
            elif not self._run(chores.step(now)):
                self._line.idle(chores.next_at(now))

    def _judge(self) -> None:
        """READY or WAITING."""
        condition, network = self._lasting.condition, self._chores.network.registrations
        if network.registered:
            condition.become(DeviceState.READY)
            return
        condition.become(DeviceState.WAITING, network.reason, Reason.DENIED if network.denied else Reason.NO_COVERAGE)
        self._chores.network.lost(time.monotonic())
        self._lasting.requests.decline_jobs()

    def _answer(self, question: Question) -> None:
        command = question.command
        try:
            reply = self._talk(self._modem.ask(command, at.answer_name(command), free_text=True))
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
            while not self._lasting.exchange.idle:
                event = self._line.event(self._lasting.exchange.due)
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
        for output in self._lasting.exchange.handle(event, time.monotonic()):
            self._carry_out(output)

    def _carry_out(self, output: Output) -> None:
        dialogue = self._modem.dialogue
        match output:
            case sending_interface.Offer():
                self._talk(dialogue.offer(f"AT+CMGS={output.length}", at.MESSAGE_REFERENCE))
                self._feed(sending_interface.Offered(dialogue.prompt_s))
            case sending_interface.Body():
                self._line.carry_out(procedure.Body(output.hex))
                self._feed(sending_interface.BodyWritten())
            case sending_interface.Submit():
                self._submitted = True
                self._talk(dialogue.submit())
            case sending_interface.ExpectPrompt():
                self._line.carry_out(procedure.Expect(at.MESSAGE_REFERENCE, prompt=True))
            case sending_interface.ExpectResult():
                self._line.carry_out(procedure.Expect(at.MESSAGE_REFERENCE))
            case sending_interface.Query():
                self._talk(dialogue.ask_beside(output.command, output.answer))
            case sending_interface.GiveUp():
                self._talk(dialogue.give_up(at.MESSAGE_REFERENCE))
            case sending_interface.Synchronise():
                self._talk(dialogue.synchronise(always=output.always, no_prompt=output.no_prompt))
                self._feed(sending_interface.Synchronised())
            case sending_interface.Probe():
                self._feed(sending_interface.Probed(self._talk(dialogue.probe())))
            case sending_interface.Mute():
                raise Silent("no answer to any query")
            case sending_interface.Ended():
                self._ended(output)
            case LateAnswer() | StatusReport():
                self._lasting.publish(output)
            case _:
                assert_never(output)

    def _ended(self, ended: Ended) -> None:
        """The result of the message under way."""
        job, self._job = self._job, None
        assert job is not None
        self._chores.balance.give_way(time.monotonic())
        if isinstance(ended.result, Receipt):
            self._lasting.works()
            self._chores.pulse.alive(time.monotonic())
            job.future.set_result(ended.result)
            return
        self._failed = True
        if ended.listening:
            why = "listening for the answer to a message; it may have been sent"
            self._lasting.condition.become(DeviceState.WAITING, why)
        job.future.set_exception(ended.result)
        if ended.listening:
            self._lasting.requests.decline_jobs()

    def _lost(self) -> None:
        """The session ends; a message that is under way gets its result."""
        why = "the modem was lost before it answered"
        if self._lasting.closing():
            why = "the modem was drained, or the daemon stopped, before it answered"
        if self._job is not None:  # before the result: who gets it tries another modem
            self._lasting.condition.become(DeviceState.STARTING, why)
        try:
            self._feed(sending_interface.SessionEnded(why))
        finally:
            if self._job is not None:  # a defect
                self._job.future.set_exception(Uncertain(why) if self._submitted else Unavailable(why))

    def _after_trouble(self) -> None:
        """Find out whether the modem, or its network, is what failed. Raises Restarted, Stuck."""
        exchange = self._lasting.exchange
        self._run(self._chores.pulse.notice_restart())
        if exchange.errors.storage_full:
            self._feed(sending_interface.StorageEmptied(self._run(self._lasting.storage.make_room(self._modem))))
        self._run(self._chores.network.find())
        if exchange.errors.stuck and self._chores.network.registrations.registered:
            raise Stuck

    # --- what the modem says by itself ---

    def _notice(self, notice: at.Notice) -> None:
        try:
            self._sort(notice)
        except (at.Malformed, pdu.PduError) as exc:
            self._warn(f"notice={notice.name or 'unknown'} unreadable: {exc}")

    def _sort(self, notice: at.Notice) -> None:
        match notice.name:
            case "+CDS" | "+CMT":
                self._chores.acknowledgements.reported(time.monotonic())
                self._hand_on(pdu.decode(notice.pdu))
            case "+CMTI" | "+CDSI":
                self._lasting.storage.announced(*at.storage_index(notice.text))
                self._chores.announced(time.monotonic())
            case "+CREG" | "+CGREG" | "+CEREG":
                self._chores.network.registrations.update(notice.name, at.registration(notice.text))
            case at.MESSAGE_REFERENCE | "+CMS ERROR":
                self._feed(notice)
            case at.ECHO if not self._chores.pulse.believes(time.monotonic()):
                pass
            case ussd.NAME | "":
                self._chores.balance.take(notice.text)
            case name if name in at.BANNERS:
                raise Restarted

    def _hand_on(self, news: StatusReport | IncomingSms) -> None:
        if isinstance(news, StatusReport):
            self._feed(sending_interface.Reported(news))
        else:
            self._lasting.publish(news)
