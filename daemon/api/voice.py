"""The operator's routes under /v1/voice: how the trunk is, and a call to try it."""

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from daemon.api.handler import ApiCall
from daemon.api.params import HttpError, Parameters, e164, invalid, locale_parameter, phone_number, region_of
from daemon.api.verify import admit
from daemon.config import Security
from daemon.core.speech_plan import speakable
from daemon.lanes.voice import TrialEnd, VoiceLane
from daemon.operations import status as status_of
from daemon.operations.status import Health
from drivers import CallPhase, DriverError, Refused

MOST_DIGITS = 10
LINES = "application/x-ndjson"


async def voice(call: ApiCall) -> Response:
    """The trunk, its calls and their outcomes."""
    return JSONResponse(status_of.voice(_health(call.http).snapshots.take().voice))


async def test(call: ApiCall) -> Response:
    """POST ?number=NUMBER&say=DIGITS&lg=LOCALE: a call that says these digits, 4 of chance where none are given.

    The answer is a line of JSON for each phase as it is reached, then one for the end.
    """
    http, given = call.http, call.given
    lane: VoiceLane | None = _health(http).snapshots.calls
    if lane is None:
        raise HttpError(404, "No voice", "no voice driver is configured: set driver in [voice]")
    number, locale = callee(given, http.app.state.verify.security)
    digits = given.text("say") or some_digits()
    if not speakable(digits) or len(digits) > MOST_DIGITS:
        raise invalid("say", f"must be 1 to {MOST_DIGITS} digits")
    steps = lane.tests.call(number, digits, locale)
    began = time.monotonic()
    try:
        first = await anext(steps)
    except DriverError as exc:
        raise HttpError(400 if isinstance(exc, Refused) else 409, "The call was not made", str(exc)) from None
    return StreamingResponse(_lines(first, steps, digits, began), media_type=LINES)


def callee(given: Parameters, security: Security) -> tuple[str, str]:
    """Digits of an E.164 number that the operator's prefixes allow, and the locale of its call. Raises Mistake."""
    number = phone_number(given.required("number"), None)
    region = region_of(number)
    admit(security, number, region)
    return e164(number), locale_parameter(given, region)


def some_digits() -> str:
    """As many as most PINs have, by chance: for calls that test."""
    return f"{secrets.randbelow(10_000):04}"


async def _lines(
    first: CallPhase | TrialEnd, steps: AsyncGenerator[CallPhase | TrialEnd, None], digits: str, began: float
) -> AsyncGenerator[str, None]:
    async with aclosing(steps):  # who no longer listens hangs up
        yield _line(first, digits, began)
        async for step in steps:
            yield _line(step, digits, began)


def _line(step: CallPhase | TrialEnd, digits: str, began: float) -> str:
    at: dict[str, Any] = {"at_s": round(time.monotonic() - began, 1)}
    shown = {"phase": str(step)} if isinstance(step, CallPhase) else _end(step, digits)
    return json.dumps(at | shown, ensure_ascii=False) + "\n"


def _end(end: TrialEnd, digits: str) -> dict[str, Any]:
    result = end.result
    return {
        "phase": "ended",
        "outcome": str(result.outcome),
        "sip_code": result.sip_code,
        "reason": result.reason,
        "cause": result.cause,
        "rang_s": round(result.ring_s, 1),
        "talked_s": round(result.talk_s, 1),
        "digits": digits,
        "spoken": end.spoken,
        "locale": end.locale,
        "codec": result.codec,
        "packets_sent": result.sent,
        "one_way": result.one_way,
        "machine": result.machine,
        "keys": result.keys,
    }


def _health(http: HttpRequest) -> Health:
    found: Health = http.app.state.health
    return found
