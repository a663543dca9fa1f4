"""The operator's route /v1/forget."""

import asyncio
from dataclasses import asdict

from starlette.responses import JSONResponse, Response

from daemon.api.handler import ApiCall
from daemon.api.params import HttpError, phone_number
from daemon.operations.forgetting import Forgetting
from daemon.store.contract import StoreUnusable
from daemon.store.forgetting import StillRunning


async def forget(call: ApiCall) -> Response:
    """POST ?number=NUMBER: remove it from every file; 409 while a request of it is in progress."""
    forgetting: Forgetting = call.http.app.state.forgetting
    number = phone_number(call.given.required("number"), None)
    try:
        done = await forgetting.forget(number)
        return JSONResponse({**asdict(done), "copies": await asyncio.to_thread(forgetting.copies)})
    except StillRunning as exc:
        raise HttpError(409, "Still in progress", str(exc)) from None
    except (StoreUnusable, OSError) as exc:
        raise HttpError(503, "Nothing can be recorded", str(exc)) from None
