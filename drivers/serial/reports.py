"""Which message a delivery report means, and what it says of one of several parts. Pure.

A report names its message by TP-MR and recipient (3GPP 23.040 9.2.2.3); the newest that has both is meant, since TP-MR
wraps, and some networks write the recipient in national form. Each part is reported by itself: a message was delivered
when all its parts were, and failed when one did; of one that was not sent whole, nothing is said.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace

from drivers import NATIONAL_DIGITS, REFERENCES, Delivery, StatusReport

COUNTRY_CODE_DIGITS = 3  # at most (E.164 6.2.1)


@dataclass(slots=True, eq=False)
class Message:
    """references: of the parts that were sent so far; delivered: those that arrived; early: a report until then."""

    number: str = field(repr=False)
    parts: int
    references: list[int] = field(default_factory=list)
    delivered: set[int] = field(default_factory=set)
    early: StatusReport | None = None


def _differ_in_prefix(written: str, number: str) -> bool:
    """Whether only a country code (E.164 6.2.1) differs from what stands for it, such as 0, 00, 06 or 8."""
    least = len(number) - COUNTRY_CODE_DIGITS
    ends = (written[prefix:] for prefix in range(COUNTRY_CODE_DIGITS + 1))
    return any(number.endswith(end) and len(end) >= least for end in ends)


class Reports:
    """Gets each message, and each report; of messages before its time it knows nothing."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()  # the last ones
        self._to: dict[str, list[Message]] = defaultdict(list)  # the same, by recipient

    def begin(self, number: str, parts: int) -> Message:
        """A message; each part's TP-MR is to be added to its references as it is sent."""
        if len(self._messages) == REFERENCES:
            self.unsent(self._messages[0])
        message = Message(number, parts)
        self._messages.append(message)
        self._to[number].append(message)
        return message

    def unsent(self, message: Message) -> None:
        """Nothing of it was sent: no report means it."""
        self._messages.remove(message)
        self._to[message.number].remove(message)
        if not self._to[message.number]:
            del self._to[message.number]

    def knows(self, report: StatusReport) -> bool:
        """Whether a report in full means a part whose reference is known."""
        return any(report.reference in message.references for message in self._to.get(report.number, ()))

    def in_full(self, report: StatusReport) -> StatusReport:
        """With the recipient as it was written to: "07700 900123" is +44 7700 900123, "8 916..." is +7 916...

        Where no reference is the report's, numbers that are alike at the end only are those of two people.
        """
        number = report.number
        if len(number) < NATIONAL_DIGITS or number in self._to:
            return report
        tail = number[-NATIONAL_DIGITS:]
        alike = [message for message in reversed(self._messages) if message.number.endswith(tail)]
        meant = next((message for message in alike if report.reference in message.references), None)
        meant = meant or next((message for message in alike if _differ_in_prefix(number, message.number)), None)
        return report if meant is None else replace(report, number=meant.number)

    def whole(self, report: StatusReport) -> StatusReport | None:
        """What a report in full says of its whole message, with its last part's reference; None: nothing."""
        message = self._of(report)
        if message is None or message.parts == 1 or report.delivery is Delivery.TRYING:
            return report
        if report.delivery is Delivery.DELIVERED:
            message.delivered.add(report.reference)
        if len(message.references) < message.parts:
            if message.early is None or message.early.delivery is Delivery.DELIVERED:
                message.early = report
            return None
        if report.delivery is Delivery.DELIVERED and not message.delivered.issuperset(message.references):
            return None
        return replace(report, reference=message.references[-1])

    def sent(self, message: Message) -> StatusReport | None:
        """It was sent whole: what the reports say that were quicker than its last answer; None: nothing."""
        return None if message.early is None else self.whole(message.early)

    def _of(self, report: StatusReport) -> Message | None:
        """The newest to this number that has the reference; else the newest that lacks a part's answer."""
        there = self._to.get(report.number, ())[::-1]
        unanswered = next((message for message in there if len(message.references) < message.parts), None)
        return next((message for message in there if report.reference in message.references), unanswered)
