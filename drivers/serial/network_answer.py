"""From Ctrl-Z to what the network says of a message (3GPP 27.005 3.5.1), with what modems do there of their own. Pure.

Meanwhile the modem is asked whether it is there, as `drivers.serial.mute_or_slow` wants it.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from drivers import DriverError, Uncertain
from drivers.serial import at
from drivers.serial.error_causes import ResultKind
from drivers.serial.mute_or_slow import Attention
from drivers.serial.restart_signs import Settings
from drivers.serial.sending_interface import Due, GiveUp, Mute, Query
from drivers.serial.timing import Timing
from drivers.serial.whose_answer import Answer

QUIET_S = 0.3  # after "+CMGS: n" behind an OK, within which a second OK may come


@dataclass(frozen=True, slots=True)
class Result:
    """answer: None where there is none in time; why is in `NetworkAnswer.missing`."""

    answer: Answer | None


class _Waits(Enum):
    """For what."""

    NOTHING = auto()
    RESULT = auto()  # a line with the reference, or a final result
    REFERENCE = auto()  # OK has come without a reference
    SECOND_OK = auto()  # the reference has followed


class NetworkAnswer:
    """One modem's, over all its sessions. refusal: what an error result means for the message."""

    def __init__(self, timing: Timing, refusal: Callable[[at.Final], DriverError]) -> None:
        self._timing, self._refusal = timing, refusal
        self.attention = Attention(timing.attention)
        self._says_cms = False  # in this session it has reported an error of a message by number or in words
        self._ok_first = False  # it says OK before +CMGS
        self._ok_alone = False  # the last message got OK without a reference
        self._waits = _Waits.NOTHING
        self._settings = Settings()
        self._query: Query | None = None  # for a sign of life; None of a modem that is known to answer none
        self._deadline = float("inf")
        self.reference: int | None = None  # of the part on the wire, once the modem has said it
        self.missing = ""  # why the last message has no answer

    def new_session(self) -> None:
        self._says_cms = False

    def begin(self, settings: Settings, now: float) -> None:
        """Ctrl-Z is written."""
        self._settings, self.reference, self._ok_alone = settings, None, False
        self._query = next((Query(*query) for query in settings.queries), None)
        self._waits, self._deadline = _Waits.RESULT, now + self._timing.answer
        self.missing = f"no answer from the network within {self._timing.answer:g} s"
        self.attention.begin(now)

    def over(self) -> None:
        self._waits = _Waits.NOTHING

    @property
    def due(self) -> float:
        """When `Due` is to come next."""
        return self._deadline if self._query is None else min(self._deadline, self.attention.due)

    def handle(self, event: at.Event | Due, now: float) -> list[Query | GiveUp | Mute | Result]:
        """What is to be done, and at the end the result."""
        match self._waits, event:
            case _Waits.RESULT, at.Answer():
                with contextlib.suppress(at.Malformed):
                    self.reference = at.message_reference(event.text)
                    self._deadline = min(self._deadline, now + self._timing.probe)  # its OK may be lost
                    self.attention.over(now)
            case _Waits.RESULT, at.Final():
                self.attention.over(now)
                return self._final(event, now)
            case _Waits.RESULT, at.Aside():
                self.attention.answered(now)
                return self._setting(event.text)
            case _Waits.RESULT, Due():
                return self._silence(now)
            case _Waits.REFERENCE, Due():
                return self._result(Uncertain("the modem said OK without a message reference"))
            case _Waits.SECOND_OK, Due():
                return self._result(self.reference)
        return []

    def _setting(self, line: str) -> list[Query | GiveUp | Mute | Result]:
        """What the modem answers to our query; a modem that restarted has forgotten its settings."""
        if not self._settings.differ(line):
            return []
        self.missing = "the modem seems to have restarted before the network answered"
        return self._no_result()

    def _silence(self, now: float) -> list[Query | GiveUp | Mute | Result]:
        if self.reference is None and self.attention.mute(now):
            return [Mute()]
        if now >= self._deadline or self._query is None:
            return self._no_result()
        self.attention.asked(now)
        return [self._query]

    def _final(self, final: at.Final, now: float) -> list[Query | GiveUp | Mute | Result]:
        if final.kind is ResultKind.ERROR and not self._says_cms:
            return self._result(Uncertain("the modem said ERROR, which may be about the message or not"))
        if not final.ok:
            self._says_cms |= final.kind is ResultKind.CMS
            return self._result(self._refusal(final))
        if self.reference is not None:
            return self._result(self.reference)
        # Some say OK before +CMGS, and perhaps again behind it; a Siemens MC35i says OK alone when it has failed.
        self._waits, self._ok_alone = _Waits.REFERENCE, True
        if not self._ok_first:
            self._deadline = min(self._deadline, now + self._timing.prompt)
        return []

    def _no_result(self) -> list[Query | GiveUp | Mute | Result]:
        return [GiveUp(), *self._result(self.reference)]

    def _result(self, answer: Answer | None) -> list[Query | GiveUp | Mute | Result]:
        self.over()
        return [Result(answer)]

    def unasked(self, reference: int, now: float) -> bool:
        """+CMGS to no command under way: whether it is the last message's, which had OK without a reference."""
        mine, self._ok_alone = self._ok_alone, False
        self._ok_first |= mine
        if self._waits is _Waits.REFERENCE:  # then it is its
            self.reference, self._waits, self._deadline = reference, _Waits.SECOND_OK, now + QUIET_S
        return mine
