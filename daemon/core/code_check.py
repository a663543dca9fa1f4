"""What becomes of a code that was submitted: right, wrong, or wrong once too often, which ends the request."""

from daemon.core.fast_replace import replace
from daemon.core.model import CodeSubmitted, Request, Status
from daemon.core.outcomes import Accepted, Outcome, WrongCode, WrongTooOften
from daemon.core.pin_expiry import expired
from daemon.core.values import value

WRONG_CODES_ALLOWED = 3  # of one PIN: the last of them ends the request


@value
class Checked:
    """request: with a wrong code counted; ends: how it ends now, if it does; detail: why the code is not right."""

    request: Request
    ends: Status | None
    outcome: Outcome
    detail: str = ""


def checked(request: Request, event: CodeSubmitted) -> Checked:
    """Of a request in progress. While no PIN is valid, every code is wrong, and none counts."""
    if expired(request, event.at):
        return Checked(request, None, WrongCode(), "no valid PIN at this time")
    if event.correct:
        return Checked(request, Status.SUCCESS, Accepted())
    counted = replace(request, wrong=request.wrong + 1)
    detail = f"wrong code {counted.wrong} of {WRONG_CODES_ALLOWED}"
    if counted.wrong < WRONG_CODES_ALLOWED:
        return Checked(counted, None, WrongCode(), detail)
    return Checked(counted, Status.FAILED, WrongTooOften(), detail)
