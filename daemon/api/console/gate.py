"""The console's gate: from this machine only, by a session, and with an effect only from a page of ours."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from daemon.api.access import on_socket
from daemon.api.console.sessions import SESSION_S, Session, Sessions
from daemon.api.origin import is_loopback, own_host
from daemon.api.params import HttpError, Mistake, foreign, header, store_away
from daemon.store.contract import StoreUnusable

COOKIE, PATH, LOGIN = "pinwheel", "/console", "/console/login"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # by "no-referrer" a form of ours would say Origin: null
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page, and the session that it belongs to."""

    http: HttpRequest
    session: Session


Page = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Gate:
    sessions: Sessions = field(default_factory=Sessions)

    def check(self, http: HttpRequest) -> None:
        """Raises HttpError for what does not come from this machine, or comes from a page of another site."""
        server = http.scope.get("server")
        port = server[1] if server and not on_socket(http) else None
        client = http.scope.get("client")
        if not on_socket(http) and not (client and is_loopback(client[0])):
            raise HttpError(403, "Not from here", "The console answers this machine only: see docs/console.md.")
        if not own_host(header(http, b"host"), port):
            raise HttpError(403, "Not this address", "Open the console by localhost or 127.0.0.1.")
        if foreign(http) and not _led_here_by_a_link(http):
            raise HttpError(403, "From another site", "A page of another site sent this; nothing was done.")

    def session(self, http: HttpRequest) -> Session | None:
        found = (self.sessions.of(cookie, monotonic()) for cookie in cookies_of(http))
        return next(filter(None, found), None)


def _led_here_by_a_link(http: HttpRequest) -> bool:
    """Whether the browser is to show the page, wherever the link to it stood; no page of ours can be in a frame."""
    return http.method == "GET" and header(http, b"sec-fetch-mode") == "navigate"


def cookies_of(http: HttpRequest) -> list[str]:
    """All that bear our name: other programs of localhost set cookies for each of its ports, of whatever shape."""
    pairs = (part.partition("=") for part in header(http, b"cookie").split(";"))
    return [value.strip() for name, _, value in pairs if name.strip() == COOKIE]


def visited(page: Page) -> Callable[[HttpRequest], Awaitable[ASGIApp]]:
    """A page that needs a session; whoever has none is led to the page that says how to get one."""

    async def answered(http: HttpRequest) -> Response:
        session = http.app.state.console.gate.session(http)
        return RedirectResponse(LOGIN, 303) if session is None else await page(Visit(http, session))

    return checked(answered)


def checked(page: Callable[[HttpRequest], Awaitable[Response]]) -> Callable[[HttpRequest], Awaitable[ASGIApp]]:
    """A page that needs none. Whatever comes of it is a page, too, for a person who reads it in a browser."""

    async def endpoint(http: HttpRequest) -> ASGIApp:
        console = http.app.state.console
        try:
            console.gate.check(http)
            answer: Response = await page(http)
        except HttpError as exc:
            answer = console.page("trouble.html", exc.status, title=exc.title, detail=exc.detail)
        except Mistake as exc:
            answer = console.page("trouble.html", 400, title="Bad parameter", detail=str(exc))
        except StoreUnusable:
            away = store_away()
            answer = console.page("trouble.html", away.status, title=away.title, detail=away.detail)
        answer.headers.update(HEADERS)
        return answer

    return endpoint


def with_cookie(answer: Response, cookie: str, *, secure: bool) -> Response:
    answer.set_cookie(
        COOKIE, cookie, max_age=int(SESSION_S), path=PATH, httponly=True, samesite="strict", secure=secure
    )
    return answer
