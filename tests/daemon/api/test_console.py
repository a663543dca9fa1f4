"""The web console, as a browser sees it."""

import base64
import http.client
import json
import shutil
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from daemon.api.console import view
from daemon.api.console.sessions import IDLE_S, LINK_S, MOST, SESSION_S, Sessions
from daemon.api.origin import from_another_site, is_loopback, led_here, own_host
from daemon.client.connection import HttpProblem, _UnixConnection
from daemon.core.masking import without_numbers
from daemon.lanes.voice import TrialEnd
from drivers import CallOutcome, CallPhase, CallResult
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.gateway import Gateway, modem_section, pin_in, public_directory, until, voice_section
from tests.peers.baresip import free_port
from tests.peers.chromium import Page
from tests.peers.chromium import browser as browser_window
from tests.peers.tls import certificate

NUMBER, MASKED = "447700900123", "4477******23"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def modem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path_factory.mktemp("modem") / "modem", network_s=0.02) as modem:
        yield modem


@pytest.fixture(scope="module")
def address() -> str:
    return f"127.0.0.1:{free_port('127.0.0.1', socket.SOCK_STREAM)}"


@pytest.fixture(scope="module")
def phone() -> Iterator[SimulatedPhone]:
    with SimulatedPhone(ring_s=0.1) as phone:
        yield phone


@pytest.fixture(scope="module")
def gateway(modem: SimulatedModem, phone: SimulatedPhone, address: str) -> Iterator[Gateway]:
    with public_directory() as directory:
        (directory / "secret").write_text("a secret of somebody\n")
        (directory / "secret").chmod(0o600)
        account = f'[[account]]\nkey = "acme"\nsecret_file = "{directory}/secret"\n'
        config = f'[api]\ntcp = "{address}"\nconsole = true\n{account}'
        config += modem_section(modem.port) + voice_section(phone.address)
        with Gateway(directory, config) as gateway:
            yield gateway


@pytest.fixture(scope="module")
def request_id(gateway: Gateway, modem: SimulatedModem) -> str:
    """A request whose PIN was sent, with a brand that would be a script."""
    request_id = str(gateway.client.verify("", number=NUMBER, workflow_id=6, brand="<b>Acme</b>")["request_id"])
    pin_in(until(lambda: next((text for _, text in modem.accepted), ""), "the SMS"))
    return request_id


class Browser:
    """What one does by hand; cookie: as the daemon gave it."""

    def __init__(self, gateway: Gateway, address: str) -> None:
        self._gateway, self._address = gateway, address
        self.cookie = ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[HTTPResponse, str]:
        connection = http.client.HTTPConnection(self._address, timeout=20)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        connection.request(method, path, body, {**FORM, **cookie, **given})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def enter(self) -> HTTPResponse:
        """As a browser without scripts: by the whole link, put into the form."""
        link = self._gateway.client.post("/v1/console/link")["path"]
        answer, _ = self.ask("POST", "/console/login", f"token={quote(f'http://{self._address}{link}')}")
        self.cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        return answer


@pytest.fixture
def browser(gateway: Gateway, address: str) -> Browser:
    return Browser(gateway, address)


def test_a_link_opens_one_session_whose_cookie_no_script_and_no_other_site_gets(browser: Browser) -> None:
    answer = browser.enter()
    cookie = answer.getheader("set-cookie") or ""
    assert (answer.status, answer.getheader("location")) == (303, "/console/")
    assert all(f"; {word}" in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/console", "Max-Age=43200"))
    answer, page = browser.ask("GET", "/console/")
    assert (answer.status, "Last events" in page) == (200, True)
    policy = answer.getheader("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert (answer.getheader("cache-control"), answer.getheader("x-content-type-options")) == ("no-store", "nosniff")
    browser.ask("POST", "/console/logout")
    assert browser.ask("GET", "/console/")[0].getheader("location") == "/console/login"


@pytest.mark.parametrize("other", ['theme={"a": 1}', "x=ÿ", "pinwheel=somebody's", "[]=1,2", "; =;"])
def test_cookies_of_other_programs_on_localhost_keep_nobody_out(browser: Browser, other: str) -> None:
    """The library reads up to the first cookie that it does not understand; browsers send one host's to all ports."""
    browser.enter()
    browser.cookie = f"{other}; {browser.cookie}; {other}"
    assert browser.ask("GET", "/console/")[0].status == 200
    assert browser.ask("GET", "/console")[0].getheader("location") == "/console/"


PAGES = ("/console/", "/console/parts", "/console/live", "/console/requests", "/console/requests/x")


@pytest.mark.parametrize("path", PAGES)
def test_whoever_has_no_session_sees_how_to_get_one_and_nothing_else(browser: Browser, path: str) -> None:
    browser.cookie = "pinwheel=guessed"
    answer, text = browser.ask("GET", path)
    assert (answer.status, answer.getheader("location"), text) == (303, "/console/login", "")
    assert "pinwheel console" in browser.ask("GET", "/console/login")[1]
    assert browser.ask("POST", "/console/login", "token=guessed")[0].status == 403


@pytest.mark.parametrize("host", ["gateway.example", "127.0.0.1", "127.0.0.1:1", "localhost.example:80", ""])
def test_a_name_that_somebody_led_to_this_machine_is_refused(browser: Browser, host: str) -> None:
    browser.enter()
    assert browser.ask("GET", "/console/", Host=host)[0].status == 403


ELSEWHERE = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
@pytest.mark.parametrize("path", ["/console/test/sms", "/console/logout", "/console/login", "/verify/json"])
def test_a_page_of_another_site_does_nothing(browser: Browser, modem: SimulatedModem, path: str, headers: Any) -> None:
    browser.enter()
    count = len(modem.accepted)
    answer, text = browser.ask("POST", path, f"modem=sim1&to={NUMBER}&number={NUMBER}&brand=x", **headers)
    assert (answer.status, "page of another site" in text) == (403, True)
    assert browser.ask("GET", "/console/")[0].status == 200
    assert len(modem.accepted) == count


def test_the_orders_of_the_socket_are_refused_to_a_browser_in_a_tunnel(gateway: Gateway) -> None:
    """`ssh -L` makes the socket a port of the operator's machine, where any page may send forms to it."""
    connection = _UnixConnection(gateway.socket, 20)
    connection.request("POST", "/v1/reload", "", {"Host": "localhost:8791", "Origin": "http://evil.example"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["title"]) == (403, "From another site")


def test_the_console_works_through_a_tunnel_to_the_socket(gateway: Gateway) -> None:
    token = gateway.client.post("/v1/console/link")["path"].partition("#")[2]
    connection = _UnixConnection(gateway.socket, 20)
    headers = {**FORM, "Host": "localhost:8791", "Origin": "http://localhost:8791", "Sec-Fetch-Site": "same-origin"}
    connection.request("POST", "/console/login", f"token={token}", headers)
    assert connection.getresponse().status == 303


@pytest.mark.parametrize("path", ["/v1/requests", "/healthz", "/verify/search/json?request_id=x"])
def test_a_name_that_was_led_to_the_end_of_a_tunnel_reaches_nothing_of_the_socket(gateway: Gateway, path: str) -> None:
    """Only the console used to look at the Host: a page that got 127.0.0.1 for its own name was the operator."""
    for host, status in (("evil.example:8791", 403), ("localhost:8791", 200), ("x", 200)):
        connection = _UnixConnection(gateway.socket, 20)
        connection.request("GET", path, headers={"Host": host})
        assert connection.getresponse().status == status
        connection.close()


@pytest.mark.parametrize("path", ["/console/parts", "/console/live"])
def test_another_port_of_localhost_gets_a_page_only_by_a_link_to_it(browser: Browser, path: str) -> None:
    """Its requests bring the cookie along, for a site has no port: they used to keep a session alive."""
    browser.enter()
    assert browser.ask("GET", path, Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors")[0].status == 403
    assert browser.ask("GET", "/console/", Sec_Fetch_Site="same-site", Sec_Fetch_Mode="navigate")[0].status == 200


def test_what_goes_wrong_is_a_page_too(browser: Browser) -> None:
    """It used to be JSON, without the headers of a page."""
    browser.enter()
    answer, text = browser.ask("GET", "/console/requests/none")
    assert (answer.status, "<h1>No such request</h1>" in text) == (404, True)
    assert (answer.getheader("content-security-policy") or "").startswith("default-src 'none'")
    answer, text = browser.ask("POST", "/console/login", "token=%00")
    assert (answer.status, "control characters" in text) == (400, True)


def test_whoever_stops_being_an_operator_sees_nothing_more(gateway: Gateway, browser: Browser) -> None:
    """A session used to last its twelve hours, and an event stream for ever, whatever a reload had changed."""
    before = gateway.config.read_text()
    browser.enter()
    try:
        gateway.config.write_text(before + '[log]\nlevel = "debug"\n')
        gateway.client.post("/v1/reload")
        assert browser.ask("GET", "/console/")[0].status == 200
        gateway.config.write_text(before.replace("[api]", "[api]\noperator_uids = [64001]"))
        gateway.client.post("/v1/reload")
        assert browser.ask("GET", "/console/")[0].status == 303
    finally:
        gateway.config.write_text(before)
        gateway.client.post("/v1/reload")


def test_pages_show_no_whole_number_and_no_mark_up_of_others(browser: Browser, request_id: str) -> None:
    browser.enter()
    pages = [
        browser.ask("GET", path)[1] for path in ("/console/", "/console/requests", f"/console/requests/{request_id}")
    ]
    assert all(NUMBER not in page and "<b>Acme" not in page for page in pages)
    assert MASKED in pages[1]
    assert "&lt;b&gt;Acme&lt;/b&gt;" in pages[2]
    assert browser.ask("GET", "/console/requests/none")[0].status == 404
    assert browser.ask("GET", "/console/static/..%2fpages.py")[0].status == 404


@pytest.mark.usefixtures("request_id")
def test_test_messages_are_sent_and_limited(browser: Browser, modem: SimulatedModem) -> None:
    browser.enter()
    count = len(modem.accepted)
    for sent, words in ((1, "took a test message"), (2, "took a test"), (3, "took a test"), (3, "wait half a minute")):
        answer, _ = browser.ask("POST", "/console/test/sms", f"modem=sim1&to=%2B{NUMBER}")
        assert answer.status == 303
        assert words in browser.ask("GET", "/console/")[1]
        assert len(modem.accepted) == count + sent
    for wrong in ("modem=none&to=447700900123", "modem=sim1&to=1", "to=447700900123", ""):
        browser.ask("POST", "/console/test/sms", wrong)
        assert "No message was sent" in browser.ask("GET", "/console/")[1]


def test_a_test_call_is_followed_on_the_page(browser: Browser, phone: SimulatedPhone) -> None:
    browser.enter()
    browser.ask("POST", "/console/test/call", "number=1")
    assert "No call was made" in browser.ask("GET", "/console/")[1]
    browser.ask("POST", "/console/test/call", f"number=%2B{NUMBER}")
    assert "Test call: dialling." in browser.ask("GET", "/console/")[1]
    until(lambda: "Test call: answered." in browser.ask("GET", "/console/parts")[1], "the answer")
    assert [call.number for call in phone.calls] == [NUMBER]


def test_it_is_off_unless_it_is_set(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        with pytest.raises(HttpProblem, match=r"set \[api\] console = true"):
            gateway.client.post("/v1/console/link")
        with pytest.raises(HttpProblem, match="nothing at /console/"):
            gateway.client.get("/console/")


# --- in Chromium -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, tls: tuple[Path, Path]) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: chromium)")
    with browser_window(tmp_path_factory.mktemp("profile"), trusted=tls[0]) as page:
        yield page


def test_chromium_opens_the_link_and_shows_what_happens_at_once(
    gateway: Gateway, modem: SimulatedModem, address: str, request_id: str, page: Page, tmp_path: Path
) -> None:
    link = gateway.client.post("/v1/console/link")
    assert link["listeners"] == [f"http://{address}"]
    page.open(f"http://{address}{link['path']}")
    page.until("document.body.innerText.includes('Last events')")
    assert page.run("location.href") == f"http://{address}/console/"
    assert page.run("document.cookie") == ""
    modem.receive("447700900177", "a text that nobody is to read here")
    page.until("document.body.innerText.includes('incoming SMS')")
    assert page.run("document.body.innerHTML.includes('nobody is to read')") is False
    for scheme in ("light", "dark"):
        for width in (1100, 320):
            page.picture(tmp_path / f"{scheme}-{width}.png", scheme, width)
            assert page.run("document.documentElement.scrollWidth <= innerWidth") is True
    page.open(f"http://{address}/console/requests/{request_id}")
    page.until("document.body.innerText.includes('Deliveries')")
    page.picture(tmp_path / "narrow.png", width=320)
    assert page.run("document.documentElement.scrollWidth <= innerWidth") is True  # its id used to stand out
    page.open(f"http://{address}{link['path']}")
    page.until("document.body.innerText.includes('has been used')")
    page.open(f"http://{address}{gateway.client.post('/v1/console/link')['path']}")  # it used to do nothing here
    page.until("document.body.innerText.includes('Last events')")


SURVIVES = """(() => {
    const table = document.querySelector('#live table'), health = document.querySelector('#live .health').innerText;
    table.since ??= health;
    return table.since != health;
})()"""
"""Whether the first table is the same element as when something else on the page was different."""


def test_what_has_not_changed_on_the_page_stays_as_it_is(
    gateway: Gateway, address: str, request_id: str, page: Page
) -> None:
    """All of it used to be written again each second: what was selected or scrolled to was lost."""
    page.open(f"http://{address}{gateway.client.post('/v1/console/link')['path']}")
    page.until("document.body.innerText.includes('Last events')")
    page.run(SURVIVES)
    gateway.client.verify("check", request_id=request_id, code="0000")  # an event: the page is written again
    page.until(SURVIVES)


def _secret(directory: Path, name: str) -> str:
    """Keys of an entry whose secret is its name."""
    (directory / name).write_text(f"{name}\n")
    (directory / name).chmod(0o600)
    return f'secret_file = "{directory / name}"\n'


def _link_over_tls(address: str, certificate: Path, user: str) -> tuple[int, dict[str, Any]]:
    """What the daemon answers whoever has this secret and asks for a link there."""
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection(address, context=context, timeout=20)
    credentials = base64.b64encode(f"{user}:{user}".encode()).decode()
    connection.request("POST", "/v1/console/link", "", {**FORM, "Authorization": f"Basic {credentials}"})
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


def test_chromium_opens_a_link_of_the_tls_listener_and_is_kept_in_by_a_cookie_for_tls_only(
    tls: tuple[Path, Path], page: Page
) -> None:
    """The link is for operators: whoever has an account's secret gets none."""
    address, (cert, key) = f"127.0.0.1:{free_port('127.0.0.1', socket.SOCK_STREAM)}", tls
    with public_directory() as directory:
        config = f'[api]\ntcp = "{address}"\ntls_cert = "{cert}"\ntls_key = "{key}"\nconsole = true\n'
        config += f'[[account]]\nkey = "acme"\n{_secret(directory, "acme")}'
        config += f'[[operator]]\nname = "alice"\n{_secret(directory, "alice")}{modem_section("/nowhere/tty")}'
        gateway = Gateway(directory, config)
        gateway.start()
        try:
            assert _link_over_tls(address, cert, "acme")[0] == 403
            status, link = _link_over_tls(address, cert, "alice")
            assert (status, link["listeners"]) == (200, [f"https://{address}"])
            page.open(f"https://{address}{link['path']}")
            page.until("document.body.innerText.includes('Last events')")
            assert page.run("location.href") == f"https://{address}/console/"
            (cookie,) = page.do("Network.getCookies")["cookies"]
            kept = {name: cookie[name] for name in ("secure", "httpOnly", "sameSite", "path")}
            assert kept == {"secure": True, "httpOnly": True, "sameSite": "Strict", "path": "/console"}
            gateway.verify(NUMBER, workflow_id=6)
            page.until("document.body.innerText.includes('request started')")
            page.run("document.querySelector('form[action$=logout] button').click()")
            page.until("document.body.innerText.includes('You need a link')")
        finally:
            gateway.stop()


# --- the pure parts ----------------------------------------------------------------------------------------


def test_a_link_works_once_and_not_for_long() -> None:
    sessions = Sessions()
    first, second = sessions.link(0.0), sessions.link(0.0)
    assert sessions.enter(first, LINK_S - 1) is not None
    assert sessions.enter(first, LINK_S - 1) is None
    assert sessions.enter(second, LINK_S) is None
    assert sessions.enter("", 0.0) is None


def test_all_sessions_and_links_can_be_ended() -> None:
    sessions = Sessions()
    link, cookie = sessions.link(0.0), sessions.enter(sessions.link(0.0), 0.0) or ""
    sessions.end()
    assert sessions.enter(link, 1.0) is None
    assert sessions.of(cookie, 1.0) is None


def test_a_session_ends_when_it_is_left_idle_or_old() -> None:
    sessions = Sessions()
    cookie = sessions.enter(sessions.link(0.0), 0.0) or ""
    now = 0.0
    while now < SESSION_S:
        assert sessions.of(cookie, now) is not None
        now += IDLE_S - 1
    assert sessions.of(cookie, SESSION_S) is None
    idle, left = (sessions.enter(sessions.link(0.0), 0.0) or "" for _ in range(2))
    sessions.leave(left)
    assert sessions.of(left, 1.0) is None
    assert sessions.of(idle, IDLE_S) is None


def test_links_and_sessions_are_few() -> None:
    sessions = Sessions()
    links = [sessions.link(0.0) for _ in range(MOST + 1)]
    cookies = [sessions.enter(link, 1.0) for link in links]
    assert cookies[0] is None
    more = sessions.enter(sessions.link(1.0), 1.0) or ""
    known = [sessions.of(cookie or "", 2.0) is not None for cookie in (*cookies[1:], more)]
    assert known == [False, *[True] * MOST]


@pytest.mark.parametrize(
    ("host", "port", "own"),
    [
        ("127.0.0.1:8790", 8790, True),
        ("localhost:8790", 8790, True),
        ("[::1]:8790", 8790, True),
        ("[::1]", 80, True),
        ("localhost", 80, True),
        ("localhost", 8790, False),
        ("127.0.0.1:8791", 8790, False),
        ("localhost:8791", None, True),
        ("localhost", None, True),
        ("localhost:x", None, False),
        ("evil.example:8790", 8790, False),
        ("evil.example", None, False),
        ("localhost:²", None, False),
        ("localhost", 443, True),  # it used to be looked for at port 80
        ("localhost:" + "9" * 5000, 8790, False),  # it used to be an internal error
        ("", None, False),
        ("::1", None, False),
    ],
)
def test_a_host_is_our_own_by_a_list(host: str, port: int | None, own: bool) -> None:
    assert own_host(host, port) is own


@pytest.mark.parametrize(
    ("host", "agent", "led"),
    [
        ("pinwheel", "", False),
        ("x", "curl/7.88.1", False),
        ("api.nexmo.com", "nexmo-python/2.5.2", False),
        ("", "", False),
        ("[::1]", "curl/7.88.1", False),
        ("localhost:8791", "Mozilla/5.0 (X11; Linux x86_64)", False),
        ("127.0.0.1", "Mozilla/5.0 (X11; Linux x86_64)", False),
        ("evil.example:8791", "Mozilla/5.0 (X11; Linux x86_64)", True),
        ("evil.example:8791", "", True),  # a page may have changed its name
        ("evil.example", "Mozilla/5.0 (X11; Linux x86_64)", True),  # a tunnel of port 80
        ("[fe80::1]:8791", "", True),
    ],
)
def test_a_host_on_the_socket_is_led_there_as_only_a_browser_names_it(host: str, agent: str, led: bool) -> None:
    assert led_here(host, agent) is led


@pytest.mark.parametrize(
    ("site", "origin", "foreign"),
    [
        ("", "", False),
        ("same-origin", "http://evil.example", False),
        ("none", "", False),
        ("cross-site", "", True),
        ("same-site", "http://localhost:8790", True),
        ("", "http://localhost:8790", False),
        ("", "http://localhost:1", True),
        ("", "null", True),
    ],
)
def test_a_page_is_another_sites_as_the_browser_says(site: str, origin: str, foreign: bool) -> None:
    assert from_another_site(site, origin, "localhost:8790") is foreign


def test_loopback_is_known() -> None:
    assert [is_loopback(each) for each in ("127.0.0.2", "::1", "192.0.2.1", "x")] == [True, True, False, False]


def test_the_steps_of_a_test_call_are_told_in_words() -> None:
    said = CallResult(CallOutcome.ANSWERED, talk_s=9.4)
    assert view.step(CallPhase.RINGING, "0042") == "Test call: ringing."
    assert view.step(TrialEnd(said, "en-us", 2), "0042") == "Test call: it said 0042, 2 time(s), in 9 s."
    one_way = replace(said, one_way=True)
    assert view.step(TrialEnd(one_way, "en-us", 1), "0042").endswith("Nothing was heard from the other side.")
    busy = CallResult(CallOutcome.BUSY, reason="486 Busy Here")
    assert view.step(TrialEnd(busy, "en-us", 0), "0042") == "Test call: busy, nothing was said. 486 Busy Here"


@pytest.mark.parametrize(
    ("health", "problems", "look"),
    [("ok", 0, "good"), ("ok", 1, "fair"), ("nothing can be sent", 0, "bad"), ("nothing can be sent", 1, "bad")],
)
def test_all_is_well_only_where_nothing_is_wrong(health: str, problems: int, look: str) -> None:
    """A gateway with one working modem of eight used to be shown as well, in green, above seven errors."""
    shown = view.health(health, [{"text": "a modem is absent"}] * problems)
    assert (shown["look"], shown["health"] == "All is well") == (look, look == "good")


def test_what_looks_like_a_number_is_hidden() -> None:
    assert without_numbers("from +447700900123, 0770090 but not 123456") == "from +4477******23, 0770*90 but not 123456"
    assert without_numbers("٤٤٧٧٠٠٩٠٠١٢٣") == "٤٤٧٧******٢٣"
