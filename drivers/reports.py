"""Which message a delivery report means, and what it says of one of several parts. Pure.

A report names its message by TP-MR and recipient (3GPP 23.040 9.2.2.3); the newest that has both is meant, since TP-MR
wraps, and some networks tell the recipient in national form. Each part is reported by itself: a message was delivered
when all its parts were, and failed when one did; of one that was not sent whole, nothing is said.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from drivers import Delivery, StatusReport

REMEMBERED = 256  # messages; TP-MR wraps then
NATIONAL_DIGITS = 7  # of a number without its country; a shorter one is a short code


@dataclass(slots=True)
class Message:
    """references: of the parts that were sent so far; delivered: those that arrived."""

    number: str = field(repr=False)
    parts: int
    references: list[int] = field(default_factory=list)
    delivered: set[int] = field(default_factory=set)


class Reports:
    """Tell it each message, and each report; of messages before its time it knows nothing."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=REMEMBERED)

    def begin(self, number: str, parts: int) -> Message:
        """A message; each part's TP-MR is to be added to its references as it is sent."""
        message = Message(number, parts)
        self._messages.append(message)
        return message

    def whole(self, report: StatusReport) -> StatusReport | None:
        """What the report says of its whole message, with its number and its last part's reference; None: nothing."""
        report = self._in_full(report)
        message = self._of(report)
        if message is None or report.delivery is Delivery.TRYING:
            return report
        if report.delivery is Delivery.DELIVERED:
            message.delivered.add(report.reference)
            if len(message.delivered) < message.parts:
                return None
        elif len(message.references) < message.parts:
            return None
        return replace(report, reference=message.references[-1])

    def _in_full(self, report: StatusReport) -> StatusReport:
        """With the recipient as it was written to: "07700 900123" is +44 7700 900123."""
        national = report.number.lstrip("0")
        numbers = [message.number for message in reversed(self._messages)]
        if report.number in numbers or len(national) < NATIONAL_DIGITS:
            return report
        return replace(report, number=next((n for n in numbers if n.endswith(national)), report.number))

    def _of(self, report: StatusReport) -> Message | None:
        """The newest to this number that has the reference."""
        for message in reversed(self._messages):
            if message.number == report.number and report.reference in message.references:
                return message
        return None
