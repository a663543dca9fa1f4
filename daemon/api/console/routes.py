"""The routes of the console: path, methods, what a caller must be, handler."""

from starlette.routing import Route

from daemon.api.console import pages
from daemon.api.console.gate import LOGIN, PATH, checked, visited
from daemon.api.console.pages import Console
from daemon.api.origin import own_host
from daemon.config import Api

ANYWHERE = frozenset({"0.0.0.0", "[::]", ""})


def console(api: Api) -> Console:
    """Of a daemon with this configuration."""
    host, _, port = api.tcp.rpartition(":")
    here = "127.0.0.1" if host in ANYWHERE else host
    scheme = "https" if api.tls_cert else "http"
    reachable = api.tcp and own_host(f"{here}:{port}", int(port))
    return Console((f"{scheme}://{here}:{port}",) if reachable else ())


ROUTES = (
    Route(LOGIN, checked(pages.login), methods=["GET"]),
    Route(LOGIN, checked(pages.enter), methods=["POST"]),
    Route(f"{PATH}/static/{{name}}", checked(pages.static), methods=["GET"]),
    Route(f"{PATH}/logout", visited(pages.leave), methods=["POST"]),
    Route(PATH, visited(pages.home), methods=["GET"]),
    Route(f"{PATH}/", visited(pages.overview), methods=["GET"]),
    Route(f"{PATH}/parts", visited(pages.parts), methods=["GET"]),
    Route(f"{PATH}/live", visited(pages.live), methods=["GET"]),
    Route(f"{PATH}/requests", visited(pages.requests), methods=["GET"]),
    Route(f"{PATH}/requests/{{request_id}}", visited(pages.request), methods=["GET"]),
    Route(f"{PATH}/test/sms", visited(pages.test_sms), methods=["POST"]),
    Route(f"{PATH}/test/call", visited(pages.test_call), methods=["POST"]),
)
