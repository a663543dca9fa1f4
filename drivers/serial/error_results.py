"""What a modem's error results mean for a message, and what they say of the modem itself. Pure."""

from collections.abc import Callable

from drivers import Deferred, DriverError, Refused, Unavailable, Uncertain
from drivers.serial import at
from drivers.serial.error_causes import Meaning

STUCK_AFTER = 3  # failures in a row that are the modem's own
INVALID_PDU = 304  # mode parameter
OWN_FAILURES = frozenset({300, INVALID_PDU, 320})  # ME failure, memory failure
STORAGE_FULL = frozenset({20, 208, 211, 322})  # of +CME ERROR and +CMS ERROR
CRAMMED = "; the SIM holds no incoming message that Pinwheel could read: delete its messages and drafts in a phone"

KINDS: dict[Meaning, Callable[[str], DriverError]] = {
    Meaning.REFUSED: Refused,
    Meaning.DEFERRED: Deferred,
    Meaning.LATER: Unavailable,
    Meaning.UNCERTAIN: Uncertain,
}


class ErrorResults:
    """Of one modem. busy: it may still be busy with an older message, so that a failure is not its own."""

    def __init__(self) -> None:
        self._own_failures = 0
        self._crammed = False
        self.storage_full = False  # by the modem's word

    @property
    def stuck(self) -> bool:
        """Whether message after message has failed for a reason of the modem's own."""
        return self._own_failures >= STUCK_AFTER

    def works(self) -> None:
        """It has taken a message, though slowly perhaps, or a session has begun."""
        self._own_failures = 0

    def storage_emptied(self, *, made_room: bool) -> None:
        """made_room: False where it is full of what did not come for us."""
        self.storage_full, self._crammed = False, not made_room

    def sent(self) -> None:
        """A whole message."""
        self._own_failures, self._crammed = 0, False

    def refusal(self, final: at.Final) -> DriverError:
        """What an error result means for a message whose body the modem has."""
        self._own_failures += final.code in OWN_FAILURES
        cause = at.cause(final)
        if final.code in STORAGE_FULL:
            self.storage_full = True
            cause += CRAMMED if self._crammed else ""
        return KINDS[at.meaning(final)](cause)

    def not_offered(self, final: at.Final, *, busy: bool) -> Unavailable:
        """Why there is no prompt: the network has not seen the message. A modem may refuse its length for ever."""
        if final.ok:
            self._own_failures += 1
            return Unavailable("OK instead of a prompt")
        refusal = self.refusal(final)
        always = final.code == INVALID_PDU and not busy
        return refusal if isinstance(refusal, Unavailable) and always else Unavailable(str(refusal))

    def no_prompt(self, *, busy: bool) -> Unavailable:
        self._own_failures += not busy
        return Unavailable("the modem gave no prompt for the message")

    def unanswered(self) -> None:
        """No answer of the network has come in time."""
        self._own_failures += 1
