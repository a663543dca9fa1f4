"""Which of two messages an answer belongs to, when one is sent while an older one is still unanswered. Pure.

Most modems answer in order, and nothing else while the network has a message; some take the next message meanwhile. The
network has one message at a time, so of two answers the first is the older message's, unless the references say that
the modem has held it back. If there is only one answer, a delivery report or the message reference may decide. That no
second answer comes proves nothing: a network may be slow twice.
"""

from dataclasses import dataclass, field

from drivers import REFERENCES, DriverError, StatusReport

Answer = int | DriverError
"""The message reference (TP-MR) of a part, or why there is none."""


class References:
    """How a modem counts TP-MR: one up for each message (23.040 9.2.3.6), until it is seen to count otherwise."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._by_one = True

    def seen(self, reference: int) -> None:
        """The reference of the message after the last one."""
        if self._last is not None:
            self._by_one = reference == (self._last + 1) % REFERENCES
        self._last = reference

    def lose_count(self) -> None:
        """A message got no reference: some modems count it, too, others do not."""
        self._last = None

    @property
    def following(self) -> int | None:
        """The reference of the next message; None where it is not known."""
        return (self._last + 1) % REFERENCES if self._last is not None and self._by_one else None


@dataclass(slots=True)
class Ambiguity:
    """The first answer after a newer message was sent. older, newer: the recipients.

    expected: the older message's reference, if it got one and the modem counts; second: the next answer, if one came.
    """

    older: str = field(repr=False)
    newer: str = field(repr=False)
    first: Answer
    expected: int | None = None
    second: Answer | None = None
    _reported: str = field(default="", repr=False)  # the recipient of the message with the first answer's reference

    def reported(self, report: StatusReport) -> None:
        """A delivery report has come; its recipient is in full."""
        if report.reference == self.first and report.number in (self.older, self.newer):
            self._reported = report.number

    @property
    def open(self) -> bool:
        """Whether it is worth waiting."""
        return self.second is None and not self._is_newers()

    def answers(self) -> tuple[Answer | None, Answer | None]:
        """The older message's and the newer one's, as far as they are known; to be asked when the wait is over."""
        if self.second is not None:
            return (self.second, self.first) if self._counts_down() else (self.first, self.second)
        if self._is_newers():
            return None, self.first
        return (self.first if self._reported == self.older != self.newer else None), None

    def _counts_down(self) -> bool:
        """Whether the references stand in the other order: a modem counts when it sends, so the newer's came first."""
        if not isinstance(self.first, int) or not isinstance(self.second, int):
            return False
        return self.first == (self.second + 1) % REFERENCES

    def _is_newers(self) -> bool:
        """Whether the first answer is the newer message's, surely or so that it makes no difference.

        A message that is sent again has the same recipient, and a report that one of the two arrived is news of both.
        """
        by_count = self.expected is not None and self.first == (self.expected + 1) % REFERENCES
        return by_count or self._reported == self.newer
