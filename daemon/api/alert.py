"""The operator's routes under /v1/alert: alerts by SMS or call."""

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from daemon.api.handler import Call
from daemon.api.params import HttpError
from daemon.operations.alert_sender import Alarm


async def state(call: Call) -> Response:
    """Trouble that there is, and the alerts of it."""
    return JSONResponse(_alarm(call.http).report())


async def act(call: Call) -> Response:
    """POST /v1/alert/ack: no more of what is known; /v1/alert/test: a message to each number now."""
    alarm = _alarm(call.http)
    match call.http.path_params["action"]:
        case "ack":
            alarm.acknowledge()
        case "test":
            if not alarm.numbers:
                raise HttpError(409, "No recipient", "[alert] numbers is empty.")
            if not await alarm.test():
                raise HttpError(409, "Not sent", "No modem and no trunk took the message; the daemon's log says why.")
        case _:
            raise HttpError(404, "No such action", "The actions are ack and test.")
    return JSONResponse(alarm.report())


def _alarm(http: HttpRequest) -> Alarm:
    found: Alarm = http.app.state.alarm
    return found
