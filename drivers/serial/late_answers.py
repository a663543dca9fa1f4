"""What a modem owes: messages without an answer, in the order of sending, and the answers that come for them. Pure.

An answer settles its message once it can be no other's (`drivers.serial.whose_answer`); until then no further message
is sent. Each answer that comes late becomes one `LateAnswer`; a message of which only some parts were sent stays
uncertain, whatever follows. Times are monotonic seconds.
"""

from collections.abc import Sequence

from drivers import LateAnswer, Receipt, Sms, StatusReport
from drivers.serial.reports import Message
from drivers.serial.whose_answer import (
    UNCOUNTED,
    Answer,
    Arrived,
    Owners,
    References,
    Unanswered,
    counted_from,
    possible,
    the_owner,
)

MOST = 3  # messages without an answer before which no other is sent
MOST_UNCOUNTED = 2  # of a modem whose references show nothing
OVERTAKEN = 4  # messages at most whose references are remembered


class LateAnswers:
    """One modem's. The methods that take an answer or a report return the late answers that are known by it."""

    def __init__(self) -> None:
        self._owed: list[Unanswered] = []
        self._arrived: list[Arrived] = []  # since one came that may belong to several messages
        self._reported: dict[int, str] = {}  # by reference, the recipient in full, while an answer is owed
        self._references = References()
        self._on_wire: Unanswered | None = None
        self._lost_track = False  # of what is owed
        self._place = 0
        self.own: Answer | None = None  # of the message on the wire, once it is known

    def forget(self) -> None:
        """The modem has restarted: what it has not answered yet it will not answer any more."""
        self._give_up()
        self._references = References()

    def _give_up(self) -> None:
        self._owed.clear()
        self._arrived.clear()
        self._reported.clear()
        self._lost_track = False

    def passed(self) -> None:
        """The modem has answered a command that was given later than what it owes."""
        for message in self._owed:
            message.passed = True

    def in_order(self) -> None:
        """The modem answers in order: what it has passed it will not answer any more."""
        if not self.undecided:
            self._owed = [message for message in self._owed if not message.passed]

    # --- how it stands ---

    def expected(self, now: float) -> int:
        """How many messages may still be answered."""
        self._expire(now)
        return sum(not message.overtaken for message in self._owed)

    def holds(self, now: float) -> bool:
        """Whether the next message has to wait, since its answer could be taken for that of another."""
        expected = self.expected(now)
        if self.undecided or expected < MOST_UNCOUNTED:
            return self.undecided
        return expected >= MOST or self._references.of(self._place + 1) is None

    @property
    def undecided(self) -> bool:
        """Whether an answer has come that may belong to several messages."""
        return self._lost_track or bool(self._arrived)

    @property
    def until(self) -> float:
        """When the last answer may come."""
        return max((message.until for message in self._owed), default=float("-inf"))

    def _expire(self, now: float) -> None:
        """No answer of these comes any more. One that has come, and is undecided, has come in time for all of them."""
        if not self.undecided:
            self._owed = [message for message in self._owed if now < message.until]
        elif now >= self.until:
            self._give_up()
        if not self._owed:
            self._reported.clear()

    # --- the message on the wire ---

    def submitted(self, sms: Sms, message: Message, until: float, *, alone: bool = False) -> None:
        """A part of a message is on the wire; its answer may come until then. alone: as of `Unanswered`."""
        self._place += 1
        self._on_wire = Unanswered(self._place, sms, message, until, self._references.of(self._place), alone=alone)
        self.own = None

    def answered(self, answer: Answer, now: float) -> list[LateAnswer]:
        """The command of the message on the wire has ended with this answer, which may be an older message's."""
        self._expire(now)
        self._owe()
        return self._arrive(answer)

    def unanswered(self) -> None:
        """The message on the wire is given up: its answer is late from now on."""
        self._owe()
        self._on_wire = None

    def _owe(self) -> None:
        if self._on_wire is not None and self._on_wire not in self._owed:
            self._owed.append(self._on_wire)

    # --- what comes late ---

    def is_anothers(self, reference: int) -> bool:
        """Whether it can only be another's than that of the message on the wire."""
        if self._on_wire is None or not self._owed:
            return False
        arrived = Arrived(reference, reported=self._recipient(reference))
        owners = arrived.owners([*self._owed, self._on_wire])
        return bool(owners) and self._on_wire not in owners

    def late(self, answer: Answer | None, now: float) -> list[LateAnswer]:
        """A result that belongs to no command under way. None: it ends a wait, but says nothing."""
        expected = self.expected(now)
        if any(message.may_get(answer) for message in self._owed):
            return self._arrive(answer)
        if expected:  # it does not count, or it has said an answer twice: now the order shows nothing, either
            self._lose_count()
            self._lost_track = True
        return []

    def reported(self, report: StatusReport) -> list[LateAnswer]:
        """A delivery report has come, of a message without an answer; its recipient is in full."""
        if self._references.counted:  # some modems give the same to all
            self._reported[report.reference] = report.number
        _recognise([*self._owed, self._on_wire], report)
        for each in self._arrived:
            each.reported = each.reported or self._recipient(each.answer)
        return self._judge() if self._arrived and not self._lost_track else []

    def _arrive(self, answer: Answer | None) -> list[LateAnswer]:
        if self._lost_track:  # nobody knows whose it is; and a modem may say it thousands of times
            return []
        self._arrived.append(Arrived(answer, reported=self._recipient(answer)))
        return self._judge()

    def _recipient(self, answer: Answer | None) -> str:
        """Of the message with this reference, as far as a report has said it."""
        return self._reported.get(answer, "") if isinstance(answer, int) else ""

    # --- whose it is ---

    def _judge(self) -> list[LateAnswer]:
        """Settle what is known of the answers that have arrived."""
        ways = self._ways()
        if not ways:  # the modem does not count as it seemed
            self._lose_count()
            ways = self._ways()
        for at, each in enumerate(self._arrived):
            owner = the_owner(at, each, ways)
            if owner is not None and each.owner is None:
                each.owner = owner
                return self._settle(owner, each.answer) + self._judge()  # it narrows the others down
        self._arrived = [each for at, each in enumerate(self._arrived) if _is_worth_waiting(at, each, ways)]
        if all(each.owner is not None for each in self._arrived):
            self._close()
        return []

    def _ways(self) -> list[Owners]:
        return possible(self._arrived, self._owed, counted=self._references.counted)

    def _lose_count(self) -> None:
        """References show nothing any more."""
        self._references.counted = False
        self._reported.clear()
        for each in self._arrived:
            each.reported = ""
        self._owed = [message for message in self._owed if not message.overtaken]
        for message in self._owed:
            message.among = None

    def _settle(self, owner: Unanswered, answer: Answer | None) -> list[LateAnswer]:
        if isinstance(answer, int):
            self._references.seen(owner.place, answer)
            if self._references.counted:
                _narrow(self._owed, owner.place, answer)
        if owner is self._on_wire:
            self.own = answer
            return []
        references = owner.message.references
        if isinstance(answer, int):
            references.append(answer)  # of the newest part: the message was sent, if it is the last
            whole = len(references) == owner.message.parts
            return [LateAnswer(owner.sms, Receipt(tuple(references)))] if whole else []
        return [LateAnswer(owner.sms, answer)] if answer is not None and not references else []

    def _close(self) -> None:
        """Every answer has its owner; what is older than one of them was overtaken."""
        owners = [each.owner for each in self._arrived]
        newest = max((owner.place for owner in owners if owner is not None), default=0)
        for message in self._owed:
            message.overtaken |= message.place < newest
        owed = [message for message in self._owed if message not in owners]
        overtaken = [message for message in owed if message.overtaken and message.among]
        self._owed = overtaken[-OVERTAKEN:] + [message for message in owed if not message.overtaken]
        self._arrived.clear()


def _narrow(owed: Sequence[Unanswered], place: int, reference: int) -> None:
    """What the reference of one message says of those of the others, if the modem counts."""
    for message in owed:
        if 0 < abs(message.place - place) <= UNCOUNTED:
            by_it = counted_from(place, reference, message.place)
            message.among = by_it if message.among is None else message.among & by_it


def _recognise(messages: Sequence[Unanswered | None], report: StatusReport) -> None:
    """Of a message that alone went to its recipient, the report says the reference: no other answer can be its own."""
    meant = {message for message in messages if message is not None and message.sms.number == report.number}
    for message in meant if len(meant) == 1 else ():
        if message.alone and not message.overtaken:
            message.among, message.overtaken = frozenset({report.reference}), True


def _is_worth_waiting(at: int, arrived: Arrived, ways: Sequence[Owners]) -> bool:
    """Whether the answer at this place has its owner, or an owner that is still waited for."""
    return arrived.owner is not None or any(not owners[at].overtaken for owners in ways)
