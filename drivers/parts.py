"""One delivery report for a message of several parts. Pure.

Each part is reported by itself (3GPP 23.040 9.2.2.3). The message was delivered when all its parts were, and failed
when one did; of one that was not sent whole, nothing is said.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from drivers import Delivery, StatusReport

REMEMBERED = 256  # messages; TP-MR wraps then


@dataclass(slots=True)
class Message:
    """references: of the parts that were sent so far; delivered: those that arrived."""

    number: str = field(repr=False)
    parts: int
    references: list[int] = field(default_factory=list)
    delivered: set[int] = field(default_factory=set)


class PartReports:
    """Tell it each message of several parts, and each report; of other messages it knows nothing."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=REMEMBERED)

    def begin(self, number: str, parts: int) -> Message:
        """A message; each part's TP-MR is to be added to its references as it is sent."""
        message = Message(number, parts)
        if parts > 1:
            self._messages.append(message)
        return message

    def whole(self, report: StatusReport) -> StatusReport | None:
        """What the report says of its whole message, with the reference of the last part; None: nothing yet."""
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

    def _of(self, report: StatusReport) -> Message | None:
        """The newest to this number that has the reference."""
        for message in reversed(self._messages):
            if message.number == report.number and report.reference in message.references:
                return message
        return None
