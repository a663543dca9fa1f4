"""What Verify v1 says: every number and every sentence of it that stands for an outcome or for a rule of the gateway.

The core and the engine end in named outcomes (`daemon.core.outcomes`); only this table knows the numbers. The sentences
on single parameters are in `daemon.api.params`, beside the rules on them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from daemon.core.milliseconds import in_seconds
from daemon.core.outcomes import (
    Accepted,
    Busy,
    CodeExpired,
    EventHasRun,
    Gone,
    NothingMore,
    Outcome,
    TooEarly,
    Unknown,
    WrongCode,
    WrongTooOften,
)


class Code(IntEnum):
    """The status codes of the Verify reference that this gateway uses; `NO_REQUEST` is also "not processed"."""

    OK = 0
    THROTTLED = 1
    MISSING = 2
    INVALID = 3
    CREDENTIALS = 4
    INTERNAL = 5
    NO_REQUEST = 6
    DENIED = 7
    BUSY = 10
    NETWORK = 15
    WRONG_CODE = 16
    WRONG_TOO_OFTEN = 17
    TOO_MANY_IDS = 18
    NOT_NOW = 19
    NONE_FOUND = 101


@dataclass(frozen=True, slots=True)
class Sentence:
    """A status code and its `error_text`."""

    code: Code
    text: str = ""


NO_SUCH = Sentence(Code.NO_REQUEST, "The requested verification was not found or it has been verified already")

OUTCOMES: dict[type[Outcome], Sentence | Callable[[Any], Sentence]] = {
    Accepted: Sentence(Code.OK),
    Unknown: NO_SUCH,
    Gone: NO_SUCH,
    WrongCode: Sentence(Code.WRONG_CODE, "The code inserted does not match the expected value"),
    WrongTooOften: Sentence(Code.WRONG_TOO_OFTEN, "A wrong code was provided too many times"),
    NothingMore: Sentence(Code.NOT_NOW, "there are no more events left to trigger for this verification"),
    CodeExpired: Sentence(Code.NOT_NOW, "the code of this verification has expired"),
    TooEarly: lambda early: Sentence(
        Code.NOT_NOW, f"cannot be cancelled within the first {in_seconds(early.after):g} seconds"
    ),
    EventHasRun: lambda late: Sentence(Code.NOT_NOW, f"cannot be cancelled once event {late.event} has run"),
    Busy: Sentence(Code.BUSY, "Concurrent verifications to the same number are not allowed"),
}

THROTTLED = Sentence(Code.THROTTLED, "Throttled: too many requests a second; slow down and try again")
TOO_MANY_GUESSES = Sentence(
    Code.THROTTLED, "Throttled: too many wrong secrets came from this address; wait some seconds"
)
WRONG_CREDENTIALS = Sentence(
    Code.CREDENTIALS, "The api_key or api_secret you supplied is not valid or has been disabled"
)
INTERNAL = Sentence(Code.INTERNAL, "Internal error")
NOT_STORED = Sentence(Code.INTERNAL, "Internal error: the request was not stored")
DENIED = Sentence(Code.DENIED, "The number you are trying to verify is on the deny list")
UNSUPPORTED = Sentence(Code.NETWORK, "The destination number is not in a supported network")
PREMIUM = Sentence(
    Code.NETWORK, "The destination number is not in a supported network: premium-rate numbers are not served"
)
TOO_MANY_IDS = Sentence(Code.TOO_MANY_IDS, "Too many request_ids provided")
NONE_FOUND = Sentence(Code.NONE_FOUND, "No response found")


def unprocessable(workflow_id: int, need: str) -> Sentence:
    """A workflow of which no event can run here."""
    return Sentence(Code.NO_REQUEST, f"Workflow {workflow_id} could not be processed: it needs {need}")


def sentence(outcome: Outcome) -> Sentence:
    """What v1 says of an outcome."""
    said = OUTCOMES[type(outcome)]
    return said if isinstance(said, Sentence) else said(outcome)


def body(sentence: Sentence) -> dict[str, Any]:
    """The fields that say it."""
    return {"status": str(int(sentence.code)), **({"error_text": sentence.text} if sentence.text else {})}
