"""Messages that ended in `Uncertain`, and the answers that come for them late. Pure: times are monotonic seconds.

At most one message is unanswered; two while one answer could belong to either. Each late answer becomes one
`LateAnswer`; a message of which only some parts were sent stays uncertain, whatever follows.
"""

import contextlib
from dataclasses import dataclass, replace

from drivers import REFERENCES, DriverError, LateAnswer, Receipt, Sms, StatusReport
from drivers.serial import at
from drivers.serial.orders import Due, ExpectResult
from drivers.serial.reports import Message
from drivers.serial.whose_answer import Ambiguity, Answer, References


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A message whose answer, to its newest part, may still come, until then.

    expected: the part's reference, if it gets one, and the modem counts. passed: the modem has answered a command that
    was given later.
    """

    sms: Sms
    message: Message
    until: float
    expected: int | None
    passed: bool = False


class LateAnswers:
    """One modem's. The methods that take an answer return the late answers that it settles."""

    def __init__(self) -> None:
        self._older: Unanswered | None = None
        self._newer: Unanswered | None = None  # while it is ambiguous
        self._passed_over: Unanswered | None = None  # by a newer one's reference: it has another, which may still come
        self._references = References()
        self._ambiguity: Ambiguity | None = None
        self._owed_ok = False  # the last line on the wire was the reference of the one that was passed over

    def forget(self) -> None:
        """The modem has restarted: what it has not answered yet it will not answer any more."""
        self._older = self._newer = self._passed_over = self._ambiguity = None
        self._owed_ok = False
        self._references = References()

    def passed(self) -> None:
        """The modem has answered a command that was given later than the unanswered message."""
        if self._older is not None:
            self._older = replace(self._older, passed=True)

    def in_order(self) -> None:
        """The modem answers in order: what it has passed it will not answer any more."""
        if self._older is not None and self._older.passed:
            self._older = None

    def expected(self, now: float) -> bool:
        """Whether an answer may still come."""
        if self._older is not None and now >= self._older.until:
            self._older = None
        return self._older is not None

    @property
    def ambiguous(self) -> bool:
        """Whether the last answer may belong to either of two messages."""
        return self._ambiguity is not None

    @property
    def undecided(self) -> bool:
        """Whether it does, and it is worth waiting for what decides."""
        return self._ambiguity is not None and self._ambiguity.open

    @property
    def until(self) -> float:
        """When the last answer may come."""
        newest = self._newer or self._older
        return newest.until if newest is not None else float("-inf")

    # --- the message on the wire ---

    def answered(self, answer: Answer) -> None:
        """The message on the wire has been answered, with or without a reference."""
        if isinstance(answer, int):
            self._references.seen(answer)
        else:
            self._references.lose_count()

    def unanswered(self, sms: Sms, message: Message, until: float) -> None:
        """The message on the wire has not been answered in time."""
        missing = Unanswered(sms, message, until, self._references.following)
        self._references.lose_count()
        if self._ambiguity is None:
            self._older = missing
        else:
            self._newer = missing

    def dispute(self, sms: Sms, first: Answer) -> None:
        """The first answer since this message was sent may be the older message's. It has come in time for both."""
        assert self._older is not None
        self._older = replace(self._older, until=float("inf"))
        self._ambiguity = Ambiguity(self._older.sms.number, sms.number, first, self._older.expected)

    def decide(self) -> tuple[Answer | None, list[LateAnswer]]:
        """The answer of the message on the wire, as far as it is known by now; the ambiguity stays if nothing is."""
        assert self._ambiguity is not None
        older, own = self._ambiguity.answers()
        if older is None and own is None:
            return None, []
        self._ambiguity = None
        if older is None and isinstance(own, int) and self._older is not None:
            self._passed_over = replace(self._older, expected=(own - 1) % REFERENCES)  # it was sent right before
        return own, self.late(older)

    def give_up(self) -> list[LateAnswer]:
        """No more can be learned: both messages get what is known."""
        assert self._ambiguity is not None
        answers, newer = self._ambiguity.answers(), self._newer
        self._ambiguity = self._newer = None
        settled = self.late(answers[0])
        self._older = newer
        return settled + self.late(answers[1])

    # --- what comes late ---

    def reported(self, report: StatusReport) -> None:
        """A delivery report has come; its recipient is in full."""
        if self._ambiguity is not None:
            self._ambiguity.reported(report)

    def held_back(self, event: at.Event | Due) -> list[LateAnswer | ExpectResult] | None:
        """The answer of the message that was passed over, and the OK behind it, while another is on the wire.

        None for all else that comes then.
        """
        if self._passed_over is None and not self._owed_ok:
            return None
        match event:
            case at.Answer():
                self._owed_ok = False
                with contextlib.suppress(at.Malformed):
                    reference = at.message_reference(event.text)
                    self._owed_ok = self.is_held_back(reference)
                    return [*self.late(reference)] if self._owed_ok else None
            case at.Final():
                owed_ok, self._owed_ok = self._owed_ok, False
                return [ExpectResult()] if owed_ok and event.ok else None
        return None

    def is_held_back(self, reference: int) -> bool:
        """Whether it is that of the message which was passed over; then it is no other message's."""
        following = self._references.following if self._older is None else self._older.expected
        if self._passed_over is None or following is None:
            return False
        return reference == self._passed_over.expected != following

    def late(self, answer: Answer | None) -> list[LateAnswer]:
        """A result that belongs to no command under way. None: it ends the wait, but says nothing."""
        if isinstance(answer, int) and self.is_held_back(answer):
            return self._late_of_passed_over(answer)
        if self._ambiguity is not None:
            self._ambiguity.second = answer
            return []
        if not isinstance(answer, int):
            return self._settle(answer)
        if self._older is None:
            return []
        message = self._older.message  # the part that nobody answered was sent; the message too, if it was the last
        self._references.seen(answer)
        message.references.append(answer)
        return self._settle(Receipt(tuple(message.references)) if len(message.references) == message.parts else None)

    def _late_of_passed_over(self, reference: int) -> list[LateAnswer]:
        """The count has gone on: nothing else changes."""
        passed_over, self._passed_over = self._passed_over, None
        assert passed_over is not None
        references = passed_over.message.references
        references.append(reference)
        whole = len(references) == passed_over.message.parts
        return [LateAnswer(passed_over.sms, Receipt(tuple(references)))] if whole else []

    def _settle(self, answer: Receipt | DriverError | None) -> list[LateAnswer]:
        settled, self._older = self._older, None
        if settled is None or answer is None:
            return []
        in_part = bool(settled.message.references) and not isinstance(answer, Receipt)
        return [] if in_part else [LateAnswer(settled.sms, answer)]
