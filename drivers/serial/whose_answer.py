"""Whose answer it is, when a message is on the wire and an older one is still unanswered. Pure.

Most modems answer in order, and nothing else while the network has a message; some take the next one meanwhile. The
network has one message at a time, so of two answers the first is the older message's. Of one answer a delivery report
may tell, or the message reference. That no other answer follows tells nothing: a network may be slow twice.
"""

from dataclasses import dataclass, field

from drivers import REFERENCES, DriverError, StatusReport

Answer = int | DriverError
"""The message reference (TP-MR) of a part, or why there is none."""


class References:
    """How a modem counts: by one for each message, as the standard asks, or in a way of its own."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._steady = False

    def told(self, reference: int) -> None:
        """Of the message after the last that was told."""
        self._steady = self._last is not None and reference == (self._last + 1) % REFERENCES
        self._last = reference

    def lost_count(self) -> None:
        """A message had no reference: some count it, too, others do not."""
        self._last, self._steady = None, False

    @property
    def following(self) -> int | None:
        """Of the next message; None of a modem that has not been seen to count."""
        return (self._last + 1) % REFERENCES if self._last is not None and self._steady else None


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
        """A delivery report was heard, with the recipient in full."""
        if report.reference == self.first and report.number in (self.older, self.newer):
            self._reported = report.number

    @property
    def open(self) -> bool:
        """Whether it is worth waiting."""
        return self.second is None and not self._newers()

    def answers(self) -> tuple[Answer | None, Answer | None]:
        """The older message's and the newer one's, as far as they are known; to be asked when the wait is over."""
        if self.second is not None:
            return self.first, self.second
        if self._newers():
            return None, self.first
        return (self.first if self._reported == self.older != self.newer else None), None

    def _newers(self) -> bool:
        """Whether the first answer is the newer message's, surely or so that it makes no difference.

        A message that goes out again has the same recipient, and a report that one of the two arrived is news of both.
        """
        by_count = self.expected is not None and self.first == (self.expected + 1) % REFERENCES
        return by_count or self._reported == self.newer
