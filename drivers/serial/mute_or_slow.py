"""Whether a modem is mute, or the network slow, when no answer to a message comes. Pure.

Most modems answer a query meanwhile: one that has done so, and leaves several unanswered, is mute. Some answer nothing
before the network has: such a modem, or one that is not known yet, is mute only when no network takes so long.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. first: after Ctrl-Z until the first query, to a modem that is not known, that answers, and that waits.

    Also one that waits is asked: it may have restarted. every: between two queries.
    mute: a modem that has answered queries before is mute after so long a silence, with several queries unanswered.
    never_answered: the same for a modem that has answered none. It is longer than any network takes: by IMS one may
    answer after 128 s (3GPP 24.229 table 7.8, timer F), and a Quectel has needed 135 s. It is shorter than the wait for
    a late answer.
    """

    first: tuple[float, float, float] = (0.3, 4.0, 8.0)
    every: float = 4.0
    mute: float = 20.0
    never_answered: float = 175.0


PATIENCE = Patience()
SLOWEST_ANSWER_S = 3.0  # of a modem to a query
ASKED = 4  # queries that a mute modem has left unanswered, at least


class Meanwhile(StrEnum):
    """What a modem does with a query while the network has a message."""

    UNKNOWN = "unknown"
    ANSWERS = "answers"
    WAITS = "waits"


class Attention:
    """One modem's, over all its messages. Times are monotonic seconds."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._first_s = dict(zip(Meanwhile, patience.first, strict=True))
        self.meanwhile = Meanwhile.UNKNOWN
        self._asked = 0
        self._answered = False  # a query, since Ctrl-Z
        self._asked_at = 0.0  # first since Ctrl-Z
        self.in_order = False  # it is sure to answer nothing before the network has
        self._silent_since = self._due = float("inf")

    def begin(self, now: float) -> None:
        """Ctrl-Z."""
        self._asked, self._answered = 0, False
        self._silent_since, self._due = now, now + self._first_s[self.meanwhile]

    @property
    def due(self) -> float:
        """When to ask next."""
        return self._due

    def asked(self, now: float) -> None:
        self._asked_at = self._asked_at if self._asked else now
        self._asked += 1
        self._due = now + self._patience.every

    def answered(self, now: float) -> None:
        """A query, before the message: for the network has it, or because its answer is lost."""
        self._asked, self._answered, self._silent_since = 0, True, now
        self.in_order = False

    def alive(self, now: float) -> None:
        """It has answered a query behind the message."""
        self._asked, self._silent_since = 0, now

    def over(self, now: float) -> None:
        """The network has answered the message: what the modem did meanwhile, it does as a rule."""
        if self._answered:
            self.meanwhile = Meanwhile.ANSWERS
        elif self._asked:
            self.in_order |= now - self._asked_at >= SLOWEST_ANSWER_S
            if self.meanwhile is Meanwhile.UNKNOWN:
                self.meanwhile = Meanwhile.WAITS
        self._due = float("inf")

    def mute(self, now: float) -> bool:
        """Whether the modem, rather than the network, has fallen silent."""
        answers = self._answered or self.meanwhile is Meanwhile.ANSWERS
        patience_s = self._patience.mute if answers else self._patience.never_answered
        return self._asked >= ASKED and now - self._silent_since >= patience_s
