"""A call of a client, as the handlers of all routes get it."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request as HttpRequest
from starlette.types import ASGIApp

from daemon.api.params import Parameters
from daemon.core.ownership import Caller
from daemon.core.values import value


@value
class ApiCall:
    """The HTTP request, its parameters, and who sent it: somebody who may use the route."""

    http: HttpRequest
    given: Parameters
    caller: Caller


Handler = Callable[[ApiCall], Awaitable[ASGIApp]]
"""What it gives sends the answer."""
