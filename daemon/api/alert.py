"""The operator's routes under /v1/alert: alerts by SMS or call."""

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from daemon.api.handler import ApiCall
from daemon.api.params import HttpError
from daemon.operations.alert_sender import AlertSender


async def state(call: ApiCall) -> Response:
    """Trouble that there is, and the alerts of it."""
    return JSONResponse(_sender(call.http).report())


async def act(call: ApiCall) -> Response:
    """POST /v1/alert/ack: no more of what is known; /v1/alert/test: a message to each number now."""
    sender = _sender(call.http)
    match call.http.path_params["action"]:
        case "ack":
            sender.acknowledge()
        case "test":
            if not sender.numbers:
                raise HttpError(409, "No recipient", "[alert] numbers is empty: set it, then run: pinwheel reload")
            if not await sender.test():
                raise HttpError(409, "Not sent", "No modem and no trunk took the message; the daemon's log says why.")
        case _:
            raise HttpError(404, "No such action", "The actions are ack and test.")
    return JSONResponse(sender.report())


def _sender(http: HttpRequest) -> AlertSender:
    found: AlertSender = http.app.state.alert_sender
    return found
