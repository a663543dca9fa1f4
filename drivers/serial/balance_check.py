"""What is left on a SIM: the network is asked by USSD now and then, in a pause between messages. Pure.

It never comes before a message, and never follows one at once. While the network thinks, messages go out as usual.
"""

from concurrent.futures import Future
from dataclasses import dataclass

from drivers import Balance
from drivers.serial import at, balance_text, ussd
from drivers.serial.chores import Chore
from drivers.serial.error_causes import ResultKind
from drivers.serial.modem import Modem
from drivers.serial.modem_status import Known
from drivers.serial.network_watch import NetworkWatch
from drivers.serial.procedure import Await, Procedure, Talk, Time, Warn
from drivers.serial.ussd import Answer, Reader, Status

ANSWER_S = 60.0  # that the network has for its answer; networks end what takes them longer
QUIET_S = 2.0  # of silence behind the set-up or a message: the next one may follow
NO_NETWORK_S, AGAIN_S = 60.0, 900.0  # before the next try, where there is no network, and after the first failures
MOST_FAILURES = 3  # in a row, after which what was known is too old
NEVER = float("inf")

WHY = {
    Status.OTHER_CLIENT: "another program of the modem got the answer",
    Status.NOT_SUPPORTED: "the network does not know the code",
    Status.TIME_OUT: "the network has not answered",
}


@dataclass(slots=True)
class BalanceSchedule:
    """When a SIM is asked next; it outlives a session.

    dialled: the code, "" for never; template: of `balance_text.find`; due: monotonic.
    """

    dialled: str = ""
    every_s: float = NEVER
    template: str = ""
    imsi: str = ""
    due: float = -NEVER
    failures: int = 0
    remark: str = ""

    def put_in(self, imsi: str) -> bool:
        """The SIM that is there now; whether it is another one, of which nothing is known."""
        if imsi == self.imsi:
            return False
        self.imsi, self.due, self.failures, self.remark = imsi, -NEVER, 0, ""
        return True

    def want(self) -> None:
        """The driver was opened: somebody may have topped the SIM up."""
        self.due = -NEVER

    def known(self) -> None:
        self.failures, self.remark = 0, ""

    def failed(self, why: str, now: float) -> bool:
        """Whether operators do not know that yet."""
        before, self.remark = self.remark, f"the balance is not known: {why}"
        self.failures += 1
        if self.failures < MOST_FAILURES:
            self.due = min(self.due, now + AGAIN_S)
        return self.remark != before


class BalanceCheck:
    """Of one modem in one session. chore: asks."""

    def __init__(self, modem: Modem, network: NetworkWatch, schedule: BalanceSchedule) -> None:
        self._modem, self._network, self._schedule = modem, network, schedule
        self._reader: Reader | None = None
        self._answered: Future[bool] = Future()
        self._answer: Answer | None = None
        self.chore = Chore(self._ask, NEVER, ANSWER_S, polite=True)

    @property
    def remarks(self) -> tuple[str, ...]:
        """For operators: why it is not known."""
        return (self._schedule.remark,) if self._schedule.remark else ()

    def set_due(self, imsi: str, now: float) -> Procedure[None]:
        """Behind the set-up."""
        if not self._schedule.dialled:
            return
        if self._schedule.put_in(imsi):
            yield Known({"balance": None})
        self.chore.want(max(now + QUIET_S, self._schedule.due))  # messages may have waited for the modem

    def give_way(self, now: float) -> None:
        """A message has ended."""
        self.chore.not_before(now + QUIET_S)

    def take(self, line: str) -> None:
        """What the modem has said by itself, if it is of the answer. Raises at.Malformed."""
        reader = self._reader
        if reader is None or not (reader.begun or at.name_of(line) == ussd.NAME):
            return
        self._answer = reader.take(line)
        if self._answer is not None:
            self._reader = None
            self._answered.set_result(True)

    def _ask(self) -> Procedure[None]:
        schedule, now = self._schedule, (yield Time()).now
        if not self._network.registrations.registered:
            self.chore.want(now + NO_NETWORK_S)
            return
        schedule.due = now + schedule.every_s  # at once: a modem that this restarts is not asked again and again
        charset = yield from self._charset()
        self._reader, self._answered, self._answer = Reader(charset), Future(), None
        reply = yield from self._modem.reply(ussd.question(schedule.dialled, charset))
        if reply.ok or reply.final.kind is ResultKind.NONE:
            yield Await(self._answered)
            yield from self._judge(self._answer)
        else:
            yield from self._fail(f"the modem refuses AT+CUSD ({at.cause(reply.final)})")
        self._reader = None
        self.chore.want(schedule.due)

    def _charset(self) -> Talk[str]:
        lines = yield from self._modem.lines("AT+CSCS?", "+CSCS")
        return at.fields(lines[0])[0].upper() if lines else ""

    def _judge(self, answer: Answer | None) -> Procedure[None]:
        if answer is None or answer.status is Status.MORE_WANTED:
            yield from self._modem.reply(ussd.CANCEL)
        if answer is None:
            yield from self._fail(f"no answer to {self._schedule.dialled}")
            return
        found = balance_text.find(answer.text, self._schedule.template)
        if answer.status in WHY:
            yield from self._fail(WHY[answer.status])
        elif found is None:
            yield from self._fail(f"no amount is in the answer to {self._schedule.dialled}: set balance_pattern")
        else:
            self._schedule.known()
            yield Known({"balance": Balance(found.value, found.currency, (yield Time()).now)})

    def _fail(self, why: str) -> Procedure[None]:
        if self._schedule.failed(why, (yield Time()).now):
            yield Warn(self._schedule.remark)
        if self._schedule.failures >= MOST_FAILURES:
            yield Known({"balance": None})
