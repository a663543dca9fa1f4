"""What a modem still owes: the answers to messages that ended in `Uncertain`. Pure: times are monotonic arguments.

There is one at the most, or, while there is a doubt, an older and a newer one. Whoever it was told to hears of the late
answer once; a message that was sent in part stays uncertain, whatever follows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers import DriverError, LateAnswer, Receipt, Sms, StatusReport
from drivers.serial.reports import Message
from drivers.serial.whose_answer import Answer, Doubt, References


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A message whose answer, to its newest part, may still come, until then.

    expected: the part's reference, if it gets one, and the modem counts.
    """

    sms: Sms
    message: Message
    until: float
    expected: int | None


class Outstanding:
    """One modem's. tell: hears each late answer."""

    def __init__(self, tell: Callable[[LateAnswer], object]) -> None:
        self._tell = tell
        self._older: Unanswered | None = None
        self._newer: Unanswered | None = None  # while there is a doubt
        self._references = References()
        self.doubt: Doubt | None = None

    def forget(self) -> None:
        """The modem has started anew: what it has not answered yet it will not answer any more."""
        self._older = self._newer = self.doubt = None
        self._references.lost_count()

    def any(self, now: float) -> bool:
        """Whether an answer may still come."""
        if self._older is not None and now >= self._older.until:
            self._older = None
        return self._older is not None

    def is_for(self, sms: Sms) -> bool:
        return self._newest is not None and self._newest.sms is sms

    @property
    def until(self) -> float:
        """When the last answer may come."""
        return self._newest.until if self._newest is not None else float("-inf")

    @property
    def _newest(self) -> Unanswered | None:
        return self._newer or self._older

    # --- a message on the wire ---

    def told(self, answer: Answer) -> None:
        """The message on the wire has been answered, with or without a reference."""
        if isinstance(answer, int):
            self._references.told(answer)
        else:
            self._references.lost_count()

    def add(self, sms: Sms, message: Message, until: float) -> None:
        """The message on the wire has not been answered in time."""
        unanswered = Unanswered(sms, message, until, self._references.following)
        self._references.lost_count()
        if self.doubt is None:
            self._older = unanswered
        else:
            self._newer = unanswered

    def dispute(self, sms: Sms, first: Answer) -> None:
        """The first answer since this message went out may be the older message's. It has come in time for both."""
        assert self._older is not None
        self._older = replace(self._older, until=float("inf"))
        self.doubt = Doubt(self._older.sms.number, sms.number, first, self._older.expected)

    def decide(self) -> Answer | None:
        """The answer of the message on the wire, as far as it is known by now; the doubt stays if nothing is."""
        assert self.doubt is not None
        older, own = self.doubt.answers()
        if older is not None or own is not None:
            self.doubt = None
            self.answered(older)
        return own

    def give_up_doubt(self) -> None:
        """No more can be learned: tell both what is known."""
        assert self.doubt is not None
        answers, newer = self.doubt.answers(), self._newer
        self.doubt = self._newer = None
        self.answered(answers[0])
        self._older = newer
        self.answered(answers[1])

    # --- what the modem says late ---

    def reported(self, report: StatusReport) -> None:
        """A delivery report in full was heard."""
        if self.doubt is not None:
            self.doubt.reported(report)

    def answered(self, answer: Answer | None) -> None:
        """A result that belongs to no command under way. None: it ends the wait, but says nothing."""
        if self.doubt is not None:
            self.doubt.second = answer
        elif isinstance(answer, int):
            self._sent(answer)
        else:
            self._settle(answer)

    def _sent(self, reference: int) -> None:
        """The part that nobody answered was sent; the message too, if it was the last."""
        if self._older is not None:
            message = self._older.message
            self._references.told(reference)
            message.references.append(reference)
            self._settle(Receipt(tuple(message.references)) if len(message.references) == message.parts else None)

    def _settle(self, answer: Receipt | DriverError | None) -> None:
        late, self._older = self._older, None
        if late is None or answer is None:
            return
        if isinstance(answer, Receipt) or not late.message.references:
            self._tell(LateAnswer(late.sms, answer))
