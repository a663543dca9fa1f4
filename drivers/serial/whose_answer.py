"""Which of the messages without an answer each answer belongs to. Pure.

Most modems answer in order, and nothing else while the network has a message; some take the next message meanwhile. The
network has one message at a time, so answers come in the order of the messages, some of them never, unless the
references say that the modem has held one back. An answer is a message's when it can be no other's: by that order, by
the references of a modem that counts, or by a delivery report. That an answer does not come proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers import REFERENCES, DriverError, Sms
from drivers.serial.reports import Message

Answer = int | DriverError
"""The message reference (TP-MR) of a part, or why there is none."""

UNCOUNTED = 8  # messages in a row at most that got no reference, behind which the count is still known


class References:
    """How a modem counts TP-MR: one up for each message (23.040 9.2.3.6), until it is seen to count otherwise.

    A message that gets no reference is counted by some modems, and not by others.
    """

    def __init__(self) -> None:
        self._known: tuple[int, int] | None = None  # the newest message that has one: its place, and its reference
        self.counted = True

    def seen(self, place: int, reference: int) -> None:
        """The reference of the message at this place in the order of sending."""
        if self._known is not None and place < self._known[0]:
            return
        following = self._following(place)
        if following is not None and reference not in following:
            self.counted = False
        elif following is not None and len(following) == 1:
            self.counted = True
        self._known = place, reference

    def of(self, place: int) -> frozenset[int] | None:
        """Those that the next message can have, at this place; None where that is not known."""
        return self._following(place) if self.counted else None

    def _following(self, place: int) -> frozenset[int] | None:
        if self._known is None or place - self._known[0] > UNCOUNTED:
            return None
        return counted_from(*self._known, place)


def counted_from(known: int, reference: int, place: int) -> frozenset[int]:
    """Those that a message at the one place can have, by that of a message at another place; empty if it is the same.

    Each in between, and the message itself if it comes before, may have none; two messages never have the same.
    """
    way = 1 if place > known else -1
    return frozenset((reference + way * steps) % REFERENCES for steps in range(1, abs(place - known) + 1))


@dataclass(slots=True, eq=False)
class Unanswered:
    """A message whose answer, to its newest part, may come until then.

    place: in the order of sending; among: its reference is one of these, if it has one; None: it may be any.
    passed: the modem has answered a command that was given later. overtaken: a newer message has been answered, so
    that an answer of this one can only be a reference that the modem has held back. alone: a report for its recipient
    can be of no other message of an earlier run.
    """

    place: int
    sms: Sms
    message: Message
    until: float
    among: frozenset[int] | None
    passed: bool = False
    overtaken: bool = False
    alone: bool = False

    def may_get(self, answer: Answer | None) -> bool:
        """Whether this answer can be its own, by its reference."""
        if isinstance(answer, int):
            return self.among is None or answer in self.among
        return not self.overtaken


@dataclass(slots=True, eq=False)
class Arrived:
    """An answer, and whose it is, once that is known. answer: None is one that says nothing."""

    answer: Answer | None
    owner: Unanswered | None = None
    reported: str = field(default="", repr=False)  # the recipient of the message with this reference, in full

    def owners(self, owed: Sequence[Unanswered]) -> list[Unanswered]:
        """Those that it can belong to, if no other answer is looked at."""
        if self.owner is not None:
            return [self.owner]
        owners = [message for message in owed if message.may_get(self.answer)]
        return [message for message in owners if message.sms.number == self.reported] or owners


Owners = tuple[Unanswered, ...]
"""Of the answers that have arrived, in their order."""


def possible(arrived: Sequence[Arrived], owed: Sequence[Unanswered], *, counted: bool) -> list[Owners]:
    """Every way in which the answers can belong to the messages. counted: the modem counts, as far as is known."""
    ways: list[Owners] = [()]
    for at, each in enumerate(arrived):
        down = [counted and counts_down(before.answer, each.answer, len(owed)) for before in arrived[:at]]
        ways = [
            (*owners, new)
            for owners in ways
            for new in each.owners(owed)
            if all(_ordered(owner, new, down=turned) for owner, turned in zip(owners, down, strict=True))
        ]
    return ways


def _ordered(before: Unanswered, new: Unanswered, *, down: bool) -> bool:
    """Whether one message's answer may come before the other's; what was overtaken comes at any time."""
    if before.overtaken or new.overtaken:
        return new is not before
    return new.place < before.place if down else new.place > before.place


def counts_down(first: Answer | None, second: Answer | None, messages: int) -> bool:
    """Whether the references stand in the other order: a modem counts when it sends, so the newer message's came first.

    messages: among which they are.
    """
    if not isinstance(first, int) or not isinstance(second, int):
        return False
    return 0 < (first - second) % REFERENCES < messages


def the_owner(at: int, arrived: Arrived, ways: Sequence[Owners]) -> Unanswered | None:
    """Whose the answer at this place of the arrived ones is; None where it may be several messages'.

    A message that went out again is the same to its recipient: a report that one of them arrived is news of both.
    """
    owners = {owners[at] for owners in ways}
    again = arrived.reported and len({(each.sms.number, each.sms.text) for each in owners}) == 1
    return max(owners, key=lambda each: each.place) if len(owners) == 1 or again else None
