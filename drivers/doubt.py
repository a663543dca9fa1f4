"""Whose answer it is, when a message is on the wire and an older one is still unanswered. Pure.

Most modems answer in order, and nothing else while the network has a message; some take the next one meanwhile. The
network has one message at a time, so of two answers the first is the older message's. Of one answer the message
reference may tell, or a delivery report, or that no other follows.
"""

from dataclasses import dataclass, field

from drivers import DriverError, StatusReport, Uncertain

Answer = int | DriverError
"""The message reference (TP-MR) of a part, or why there is none."""
MODULO = 256  # of TP-MR (3GPP 23.040 9.2.3.6)


class References:
    """How a modem counts: by one for each message, as the standard asks, or in a way of its own."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._steady = False

    def told(self, reference: int) -> None:
        self._steady = self._last is not None and reference == (self._last + 1) % MODULO
        self._last = reference

    @property
    def following(self) -> int | None:
        """Of the next message; None of a modem that has not been seen to count."""
        return (self._last + 1) % MODULO if self._last is not None and self._steady else None


@dataclass(slots=True)
class Doubt:
    """The first answer after a newer message went out. older, newer: the recipients.

    expected: the older message's reference, if it got one and the modem counts; second: the next answer, if one came.
    """

    older: str = field(repr=False)
    newer: str = field(repr=False)
    first: Answer
    expected: int | None = None
    second: Answer | None = None
    _reported: str = field(default="", repr=False)  # the recipient of the message with the first answer's reference

    def reported(self, report: StatusReport) -> None:
        """A delivery report was heard."""
        if report.reference == self.first and report.number in (self.older, self.newer):
            self._reported = report.number

    @property
    def newer_by_count(self) -> bool:
        return self.expected is not None and self.first == (self.expected + 1) % MODULO

    @property
    def open(self) -> bool:
        """Whether it is worth waiting."""
        known = self.second is not None or (self._reported == self.newer != self.older)
        return not (known or self.newer_by_count)

    def answers(self) -> tuple[Answer | None, Answer | None]:
        """The older message's and the newer one's, as far as they are known; to be asked when the wait is over."""
        if self.second is not None:
            return self.first, self.second
        if self._reported == self.older != self.newer:
            return self.first, None
        if isinstance(self.first, int):
            return None, self.first
        return None, Uncertain(f"{self.first}; but that may be an older message's answer")
