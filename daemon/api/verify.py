"""The Verify API v1 in JSON: start, check, search, control. Every answer has HTTP status 200 and texts as values."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from daemon.api import v1_statuses as v1
from daemon.api.handler import ApiCall, Handler
from daemon.api.json_response import Answer, answer, written
from daemon.api.params import Mistake, Parameters, code_parameter, e164, invalid, missing, start_parameters
from daemon.api.params import Start as StartParameters
from daemon.clock import utc_text
from daemon.config import Security
from daemon.core.commands import Cancel, Check, Next, Start
from daemon.core.model import Channel, Request, Step
from daemon.core.outcomes import Accepted, Busy, Outcome
from daemon.core.ownership import Caller, account_id
from daemon.core.pin_expiry import effective_expiry
from daemon.core.rate_limits import Buckets
from daemon.core.workflows import with_wait
from daemon.engine import Engine, event_id
from daemon.ids import request_id
from daemon.store.contract import CheckLine, StoreUnusable

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

START = "/verify/json"
PRICE = {"price": "0.00000000", "currency": "EUR"}
MAX_SEARCH = 10

COMMANDS: dict[str, type[Cancel] | type[Next]] = {"cancel": Cancel, "trigger_next_event": Next}

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verify:
    """The four calls over one engine."""

    engine: Engine
    security: Security
    workflows: dict[int, tuple[Step, ...]]
    channels: frozenset[Channel]
    starts: Buckets[tuple[str, str]]  # by account and origin

    async def start(self, given: Parameters, caller: Caller) -> Body:
        if not self.starts.take((caller.account, caller.origin), monotonic()):
            raise Mistake(v1.THROTTLED)
        wanted = start_parameters(given, self.workflows)
        self._admit(wanted)
        request = self._request(wanted, caller.account)
        outcome = (await self.engine.do(Start(caller, request))).outcome
        if isinstance(outcome, Busy):
            return {"request_id": outcome.own or "", **_said(outcome)}
        return {"request_id": request.id, **_said(outcome)}

    async def check(self, given: Parameters, caller: Caller) -> Body:
        wanted, code = given.required("request_id"), code_parameter(given)
        address = given.text("ip_address") or given.text("ip") or ""  # the second of the SDK for PHP
        done = await self.engine.do(Check(caller, wanted, code, address[:45]))
        if not isinstance(done.outcome, Accepted) or done.after is None:
            return {"request_id": wanted, **_said(done.outcome)}
        last = event_id(wanted, done.after.step - 1)
        return {"request_id": wanted, "event_id": last, **_said(done.outcome), **PRICE}

    async def search(self, given: Parameters, caller: Caller) -> Answer:
        """Each request is written out on a thread, with up to 500 checks, so that it delays nobody."""
        one = given.text("request_id")
        several = given.texts("request_ids")
        if one is None and not several:
            raise missing("request_id")
        if len(several) > MAX_SEARCH:
            raise Mistake(v1.TOO_MANY_IDS)
        found = await self.engine.find(caller, [one] if one else several, _search_text)
        if not found:
            raise Mistake(v1.NONE_FOUND)
        text = found[0] if one else '{"verification_requests":[' + ",".join(found) + "]}"
        return Answer(text.encode())

    async def control(self, given: Parameters, caller: Caller) -> Body:
        wanted, command = given.required("request_id"), given.required("cmd")
        if command not in COMMANDS:
            raise invalid("cmd", "must be cancel or trigger_next_event")
        outcome = (await self.engine.do(COMMANDS[command](caller, wanted))).outcome
        return {**_said(outcome), "command": command} if isinstance(outcome, Accepted) else _said(outcome)

    def _admit(self, wanted: StartParameters) -> None:
        """The operator's rules on which numbers may be sent to, and by which devices."""
        admit(self.security, wanted.number, wanted.region)
        steps = self.workflows[wanted.workflow_id]
        if self.channels.isdisjoint(step.channel for step in steps):
            need = " or ".join(sorted({WANTING[step.channel] for step in steps}))
            raise Mistake(v1.unprocessable(wanted.workflow_id, need))

    def _request(self, wanted: StartParameters, account: str) -> Request:
        new_id = request_id(self.engine.clock.now())
        return Request(
            id=new_id,
            number=e164(wanted.number),
            brand=wanted.brand,
            locale=wanted.locale,
            code_length=wanted.code_length,
            workflow_id=wanted.workflow_id,
            steps=with_wait(self.workflows[wanted.workflow_id], wanted.next_event_wait),
            pin_expiry=effective_expiry(wanted.pin_expiry, wanted.next_event_wait),
            expiry_given=wanted.pin_expiry is not None,
            created_at=self.engine.clock.now(),
            sealed_pin=self.engine.pins.seal(new_id, wanted.pin_code) if wanted.pin_code else "",
            sender_id=wanted.sender_id,
            account=account,
            key_number=self.engine.pins.number,
        )


WANTING = {Channel.SMS: "a modem, and none is configured", Channel.TTS: "a voice driver, and none is configured"}


def _said(outcome: Outcome) -> Body:
    return v1.body(v1.sentence(outcome))


def _search_text(request: Request, checks: Iterable[CheckLine]) -> str:
    return written(search_answer(request, checks))


def search_answer(request: Request, checks: Iterable[CheckLine]) -> Body:
    """A request as /verify/search shows it. Codes that were tried are not kept, so none is shown."""
    return {
        "request_id": request.id,
        "account_id": account_id(request.account),
        "status": str(request.status),
        "number": request.number,
        **PRICE,
        "sender_id": request.sender_id,
        "date_submitted": utc_text(request.created_at),
        "date_finalized": utc_text(request.finalized_at),
        "first_event_date": utc_text(request.first_event_at),
        "last_event_date": utc_text(request.last_event_at),
        "checks": [
            {
                "date_received": utc_text(check.at),
                "code": "",
                "status": "VALID" if check.valid else "INVALID",
                "ip_address": check.ip_address,
            }
            for check in checks
        ],
        "events": [{"type": str(a.channel), "id": event_id(request.id, a.step)} for a in request.attempts],
    }


def refusal(path: str, sentence: v1.Sentence) -> Body:
    """What is said to a call of this path that is refused, whoever refuses it; a start has no request then."""
    return {**({"request_id": ""} if path == START else {}), **v1.body(sentence)}


def answered(verb: Callable[[Verify, Parameters, Caller], Awaitable[Body | Answer]]) -> Handler:
    """One verb of the Verify API as the handler of a route."""

    async def handler(call: ApiCall) -> Answer:
        try:
            found = await verb(call.http.app.state.verify, call.given, call.caller)
            return found if isinstance(found, Answer) else answer(found)
        except Mistake as exc:
            return answer(refusal(call.http.scope["path"], exc.sentence))
        except StoreUnusable:
            return answer(refusal(call.http.scope["path"], v1.NOT_STORED))

    return handler


def admit(security: Security, number: "PhoneNumber", region: str | None) -> None:
    """Raises Mistake for a number that the operator does not allow; costly ones need a prefix that allows them.

    region: of the number.
    """
    from daemon.api.premium_numbers import costly  # at the first start, as in params

    digits = e164(number)
    if digits.startswith(tuple(security.deny_prefixes)):
        raise Mistake(v1.DENIED)
    allowed = digits.startswith(tuple(security.allow_prefixes))
    if security.allow_prefixes and not allowed:
        raise Mistake(v1.UNSUPPORTED)
    if not allowed and costly(number, region):
        raise Mistake(v1.PREMIUM)
