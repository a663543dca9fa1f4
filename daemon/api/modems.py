"""The operator's routes under /v1/modems: a table, and what one may do to a modem."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from daemon.api.handler import ApiCall
from daemon.api.params import HttpError, Parameters, e164, phone_number, region_of
from daemon.api.verify import admit
from daemon.config import Security
from daemon.lanes.sms import ModemSlot, NoSuchModem, SmsLane
from daemon.lanes.snapshots import Duty
from daemon.operations.snapshots import Snapshots
from daemon.operations.status import modems as shown_modems
from daemon.store.contract import StoreUnusable
from drivers import DriverError, Refused

ASK_S = 20.0
REPORT_S = 30.0
MAX_REPORT_S = 600
SHORT_CODE = re.compile(r"[0-9]{3,6}", re.ASCII)  # such as the carrier's own for the balance

Answer = dict[str, Any]


async def modems(call: ApiCall) -> Response:
    """Each modem with its SIM: state, signal, limits, outcomes."""
    snapshots: Snapshots = call.http.app.state.health.snapshots
    return JSONResponse({"modems": shown_modems(snapshots.take().sms)})


async def _set_duty(http: HttpRequest, lane: SmsLane, slot: ModemSlot, _: Parameters) -> Answer:
    duty = {"pause": Duty.PAUSED, "drain": Duty.DRAINED, "resume": Duty.WORKING}[http.path_params["action"]]
    await lane.pool.set_duty(slot.name, duty)
    return {"name": slot.name, "state": str(duty)}


def recipient(to: str, security: Security) -> str:
    """A short code as it is; else the digits of an E.164 number that the operator's prefixes allow. Raises Mistake."""
    if SHORT_CODE.fullmatch(to):
        return to
    number = phone_number(to, None, "to")
    admit(security, number, region_of(number))
    return e164(number)


async def _test(http: HttpRequest, lane: SmsLane, slot: ModemSlot, given: Parameters) -> Answer:
    """?to=NUMBER&wait=SECONDS: send a test message, and wait so long for its report."""
    number = recipient(given.required("to"), http.app.state.verify.security)
    wait_s = given.whole("wait", range(MAX_REPORT_S + 1), f"seconds, 0 to {MAX_REPORT_S}")
    result = await lane.tests.send(slot, number, REPORT_S if wait_s is None else wait_s)
    return {
        "name": slot.name,
        "sent_s": round(result.sent_s, 3),
        "parts": len(result.references),
        "report": result.report and str(result.report.delivery),
        "report_s": result.report and round(result.report.after_s, 3),
    }


async def _ask(_: HttpRequest, lane: SmsLane, slot: ModemSlot, given: Parameters) -> Answer:
    """?command=AT+CSQ: the modem's answer to a command that changes nothing."""
    return {"name": slot.name, "answer": list(await lane.pool.ask(slot, given.required("command"), ASK_S))}


ACTIONS: dict[str, Callable[[HttpRequest, SmsLane, ModemSlot, Parameters], Awaitable[Answer]]] = {
    "pause": _set_duty,
    "drain": _set_duty,
    "resume": _set_duty,
    "test": _test,
    "at": _ask,
}


async def act(call: ApiCall) -> Response:
    """POST: pause, drain, resume, test (?to=NUMBER&wait=SECONDS) or at (?command=AT+CSQ)."""
    http = call.http
    action = ACTIONS.get(http.path_params["action"])
    if action is None:
        raise HttpError(404, "No such action", f"The actions are {', '.join(ACTIONS)}.")
    lane: SmsLane | None = http.app.state.health.snapshots.sms
    if lane is None:
        raise HttpError(404, "No such modem", "no modem is configured: add a [[modem]] to the configuration")
    try:
        slot = lane.pool.slot(http.path_params["name"])
        return JSONResponse(await action(http, lane, slot, call.given))
    except NoSuchModem as exc:
        raise HttpError(404, "No such modem", str(exc)) from None
    except StoreUnusable as exc:
        raise HttpError(503, "Nothing can be recorded", str(exc)) from None
    except DriverError as exc:
        status = 400 if isinstance(exc, Refused) else 409
        raise HttpError(status, "The modem did not do it", f"{slot.name}: {exc}") from None
