"""What is said in a call, and when: a machine of four utterances, the keys that the callee presses, and pauses.

Pure: times are arguments, in seconds. The driver plays what this returns, and reports when it was played.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from drivers import KEY_S

YES = "1"
ASKS = 2  # times for the question before the PIN; a voicemail never answers it
KEYS_KEPT = 16


class Say(StrEnum):
    """An utterance."""

    NOTHING = "nothing"  # as long as it is not known who answered
    QUESTION = "question"  # press 1 to hear your code
    SPEECH = "speech"  # the PIN twice; where it may be repeated, with the offer to
    AGAIN = "again"  # the same without a welcome
    BYE = "bye"


class By(StrEnum):
    """How keys reach us."""

    EVENT = "event"  # in the audio stream (RFC 4733)
    INFO = "info"  # beside it (RFC 6086)


@dataclass(slots=True)
class Conversation:
    """The methods return what to say now; `over` says that one may hang up.

    asks: a key must be pressed before the PIN is said. listens: nothing is said before it is known who answered.
    repeats: how often it may be asked for again.
    """

    asks: bool = False
    repeats: int = 0
    listens: bool = False
    said: Say = Say.SPEECH
    over: bool = False
    machine: bool = False  # answered, so that nothing was said
    keys: str = ""
    waits_until: float = field(default=float("inf"))
    _keys_by: By | None = None
    _asked: int = 0
    _repeated: int = 0
    _wanted_again: bool = False

    def begin(self) -> Say:
        """The callee answered."""
        return self._say(Say.NOTHING) if self.listens else self._first()

    def judged(self, *, machine: bool) -> Say | None:
        """It is known who answered; that matters only while nothing has been said."""
        if self.said is not Say.NOTHING or self.over:
            return None
        self.machine = self.over = machine
        return None if machine else self._first()

    def played(self, now: float) -> Say | None:
        """The utterance is over."""
        match self.said:
            case Say.NOTHING:
                pass
            case Say.BYE:
                self.over = True
            case Say.QUESTION:
                self.waits_until = now + KEY_S
            case Say.SPEECH | Say.AGAIN:
                return self._after_the_pin(now)
            case _:
                assert_never(self.said)
        return None

    def key(self, digit: str, now: float, by: By = By.EVENT) -> Say | None:
        """The callee pressed a key. Some far ends send each key in both ways: that of the first key counts."""
        self._keys_by = self._keys_by or by
        if by is not self._keys_by:
            return None
        self.keys = (self.keys + digit)[:KEYS_KEPT]
        if self.said is Say.NOTHING:
            return self.judged(machine=False)  # machines press no keys
        if digit != YES or self.over:
            return None
        if self.said is Say.QUESTION:
            return self._say(Say.SPEECH)
        self._wanted_again = self.said is not Say.BYE
        return self._after_the_pin(now) if self.waits_until < float("inf") else None

    def due(self, now: float) -> Say | None:
        """Time passed."""
        if now < self.waits_until:
            return None
        self.waits_until = float("inf")
        if self.said is not Say.QUESTION:
            return self._say(Say.BYE)
        self.over = self._asked >= ASKS
        return None if self.over else self._say(Say.QUESTION)

    def _first(self) -> Say:
        return self._say(Say.QUESTION if self.asks else Say.SPEECH)

    def _after_the_pin(self, now: float) -> Say | None:
        if self._wanted_again and self._repeated < self.repeats:
            self._wanted_again = False
            self._repeated += 1
            return self._say(Say.AGAIN)
        if self._repeated < self.repeats:
            self.waits_until = now + KEY_S
            return None
        if self.repeats:
            return self._say(Say.BYE)
        self.over = True  # nothing was offered: the speech ended with the goodbye
        return None

    def _say(self, what: Say) -> Say:
        self.said, self.waits_until = what, float("inf")
        self._asked += what is Say.QUESTION
        return what
