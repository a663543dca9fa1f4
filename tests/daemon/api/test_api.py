"""The socket's routes with good and bad input of every kind, against a real daemon."""

import http.client
import json
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.api.operator import MAX_STREAMS
from daemon.client.connection import _UnixConnection
from drivers.simulated.modem import SimulatedModem
from tests.gateway import UNLIMITED, Gateway, modem_section, public_directory, until
from tests.users import as_user

NUMBER = "447700900123"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One daemon for all of these: that it stays up is part of each test."""
    directory = tmp_path_factory.mktemp("api")
    devices = modem_section(str(directory / "modem"))
    with SimulatedModem(directory / "modem", network_s=0.02), Gateway(directory, devices + UNLIMITED) as gateway:
        yield gateway
        assert gateway.stop() == 0


@pytest.fixture(autouse=True)
def _stays_up(gateway: Gateway) -> Iterator[None]:
    yield
    assert gateway.health()


def ask(gateway: Gateway, method: str, path: str, body: Any = None, headers: Any = FORM) -> tuple[int, Any]:
    """The HTTP status, and the JSON of the answer."""
    connection = _UnixConnection(gateway.socket, 10)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def stored(gateway: Gateway) -> int:
    with sqlite3.connect(f"file:{gateway.database}?mode=ro", uri=True) as db:
        count: int = db.execute("SELECT count(*) FROM request").fetchone()[0]
        return count


BAD_VERIFY = {
    "nothing": ("", "2"),
    "no brand": ("number=447700900123", "2"),
    "no number": ("brand=Acme", "2"),
    "an empty number": ("number=&brand=Acme", "2"),
    "letters for a number": ("number=hello&brand=Acme", "3"),
    "a number that no plan knows": ("number=44&brand=Acme", "3"),
    "a number of 10,000 digits": ("number=" + "4" * 10_000 + "&brand=Acme", "3"),
    "a brand of 19 characters": (f"number={NUMBER}&brand=" + "x" * 19, "3"),
    "a code length of 5": (f"number={NUMBER}&brand=A&code_length=5", "3"),
    "a code length of words": (f"number={NUMBER}&brand=A&code_length=four", "3"),
    "an expiry of a minute less a second": (f"number={NUMBER}&brand=A&pin_expiry=59", "3"),
    "a negative wait": (f"number={NUMBER}&brand=A&next_event_wait=-60", "3"),
    "a number with an exponent": (f"number={NUMBER}&brand=A&pin_expiry=6e1", "3"),
    "no such workflow": (f"number={NUMBER}&brand=A&workflow_id=8", "3"),
    "no such locale": (f"number={NUMBER}&brand=A&lg=xx-yy", "3"),
    "no such country": (f"number={NUMBER}&brand=A&country=XX", "3"),
    "a line break in the brand": (f"number={NUMBER}&brand=A%0d%0aB", "3"),
    "a NUL in the brand": (f"number={NUMBER}&brand=A%00B", "3"),
    "a premium-rate number": ("number=449098790000&brand=Acme", "15"),
    "an own PIN of 3": (f"number={NUMBER}&brand=A&pin_code=123", "3"),
}


@pytest.mark.parametrize(("body", "status"), BAD_VERIFY.values(), ids=BAD_VERIFY.keys())
def test_a_bad_start_gets_the_status_of_the_reference_and_stores_nothing(
    gateway: Gateway, body: str, status: str
) -> None:
    before = stored(gateway)
    code, answer = ask(gateway, "POST", "/verify/json", body)
    assert code == 200
    assert answer["status"] == status
    assert answer["error_text"]
    assert stored(gateway) == before


BAD_JSON: dict[str, Any] = {
    "a number that is a number": {"number": 447700900123.5, "brand": "A"},
    "a list": ["number"],
    "null": None,
    "a list of lists for a number": {"number": [[NUMBER]], "brand": "A"},
    "an object for a brand": {"number": NUMBER, "brand": {"x": 1}},
    "a truth for a length": {"number": NUMBER, "brand": "A", "code_length": True},
    "a text": "number",
}


@pytest.mark.parametrize("document", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_json_of_the_wrong_shape_is_refused(gateway: Gateway, document: Any) -> None:
    before = stored(gateway)
    code, answer = ask(gateway, "POST", "/verify/json", json.dumps(document), JSON)
    assert code == 400 or answer["status"] in ("2", "3")
    assert stored(gateway) == before


BAD_HTTP: dict[str, tuple[str, str, Any, Any, set[int]]] = {
    "unknown route": ("GET", "/verify/nonsense", None, None, {404}),
    "a slash too many": ("GET", "/v1/status/", None, None, {404}),  # there used to be a redirection
    "wrong method": ("DELETE", "/verify/json", None, None, {405}),
    "wrong method on a view": ("POST", "/v1/status", "", FORM, {405}),
    "half of a JSON": ("POST", "/verify/json", '{"number": "44', JSON, {400}),
    "JSON that is no UTF-8": ("POST", "/verify/json", b'{"number": "\xff"}', JSON, {400}),
    "a form that is no UTF-8": ("POST", "/verify/json", b"number=%ff%fe&brand=%ff", FORM, {200, 400}),
    "XML": ("POST", "/verify/json", "<x/>", {"Content-Type": "text/xml"}, {400, 415}),
    "a body of 10 MB": ("POST", "/verify/json", b"number=" + b"4" * 10_000_000, FORM, {413}),
    "JSON 100,000 deep": ("POST", "/verify/json", "[" * 50_000 + "]" * 50_000, JSON, {400, 413}),
    "no such request": ("GET", "/v1/requests/none", None, None, {404}),
    "a key of control characters on a view": ("GET", "/v1/status?api_key=%00", None, None, {400}),
    "a limit of words": ("GET", "/v1/requests?limit=many", None, None, {400}),
    "a position of words": ("GET", "/v1/events?after=x&follow=0", None, None, {400}),
}


@pytest.mark.parametrize(("method", "path", "body", "headers", "codes"), BAD_HTTP.values(), ids=BAD_HTTP.keys())
def test_bad_http_gets_a_clear_error(
    gateway: Gateway, method: str, path: str, body: Any, headers: Any, codes: set[int]
) -> None:
    before = stored(gateway)
    try:
        code, answer = ask(gateway, method, path, body, headers)
    except (BrokenPipeError, ConnectionResetError):
        assert 413 in codes, "the daemon closed before it read all"
    else:
        assert code in codes
        assert answer.get("detail") or answer.get("error_text")
    assert stored(gateway) == before


def test_what_a_route_allows_is_said_in_one_order(gateway: Gateway) -> None:
    """It used to be another one after each start of the daemon."""
    assert ask(gateway, "DELETE", "/verify/json")[1]["detail"].endswith("allowed: GET, HEAD, POST.")


def test_a_good_start_is_stored_and_found(gateway: Gateway) -> None:
    code, answer = ask(gateway, "POST", "/verify/json", json.dumps({"number": NUMBER, "brand": "Acme"}), JSON)
    assert (code, answer["status"]) == (200, "0")
    path = "/verify/search/json?request_id=" + answer["request_id"]
    found = ask(gateway, "GET", path)[1]
    assert (found["status"], found["number"]) == ("IN PROGRESS", NUMBER)
    again = ask(gateway, "POST", "/verify/json", f"number={NUMBER}&brand=Acme")[1]
    assert (again["status"], again["request_id"]) == ("10", answer["request_id"])


def test_unknown_ids_get_the_statuses_of_the_reference(gateway: Gateway) -> None:
    assert ask(gateway, "POST", "/verify/check/json", "request_id=none&code=1234")[1]["status"] in ("6", "101")
    assert ask(gateway, "POST", "/verify/control/json", "request_id=none&cmd=cancel")[1]["status"] == "6"
    assert ask(gateway, "GET", "/verify/search/json?request_id=none")[1]["status"] == "101"


def connected(gateway: Gateway) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(gateway.socket))
    return sock


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"POST /verify/json HT",
        b"POST /verify/json HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nnumber=4477",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000,
        b"POST /verify/json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nothing", "half a line", "half a body", "TLS", "an endless header", "a bad chunk"],
)
def test_half_a_request_disturbs_nobody(gateway: Gateway, octets: bytes) -> None:
    before = stored(gateway)
    with connected(gateway) as stays, connected(gateway) as goes:
        for sock in (stays, goes):
            try:
                sock.sendall(octets)
            except OSError:
                continue  # closed on us: that is an answer, too
        goes.close()
        assert ask(gateway, "GET", "/healthz")[0] == 200
    assert stored(gateway) == before


def test_a_client_that_never_reads_does_not_hold_up_the_others(gateway: Gateway) -> None:
    with connected(gateway) as lazy:
        lazy.sendall(b"GET /v1/events?last=1000 HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        for count in range(20):
            ask(gateway, "POST", "/verify/json", f"number=4477009004{count:02d}&brand=Acme")
        started = time.monotonic()
        assert ask(gateway, "GET", "/v1/status")[0] == 200
        assert time.monotonic() - started < 5


def search(method: str = "GET", more: str = "") -> bytes:
    return f"{method} /verify/search/json?request_id=none HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()


def test_an_answer_comes_in_one_piece(gateway: Gateway) -> None:
    """There used to be two writes of each, its head and its body: the client was woken twice."""
    with connected(gateway) as sock:
        sock.settimeout(10)
        sock.sendall(search())
        head, _, body = sock.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        assert f"content-length: {len(body)}".encode() in head.split(b"\r\n")
        assert json.loads(body)["status"] == "101"
        sock.sendall(search("HEAD"))
        assert sock.recv(65536).endswith(head[head.index(b"content-length") :] + b"\r\n\r\n")
        sock.sendall(search() + search(more="Connection: close\r\n"))
        answers = b"".join(iter(lambda: sock.recv(65536), b""))
        assert (answers.count(body), answers.count(b"connection: close\r\n")) == (2, 1)


def test_two_hundred_idle_connections_are_no_burden(gateway: Gateway) -> None:
    idle = [connected(gateway) for _ in range(200)]
    try:
        assert ask(gateway, "GET", "/healthz")[0] == 200
    finally:
        for sock in idle:
            sock.close()


def test_events_stream_as_they_happen_and_mask_numbers(gateway: Gateway) -> None:
    connection = http.client.HTTPConnection("pinwheel")
    connection.sock = connected(gateway)
    connection.sock.settimeout(10)
    connection.request("GET", "/v1/events?follow=1")
    response = connection.getresponse()
    assert response.getheader("Content-Type", "").startswith("text/event-stream")
    request_id = gateway.verify("447700900777")
    told: list[dict[str, Any]] = []
    while not told or told[-1]["kind"] != "sent":  # the whole way of the message, up to where its number was used
        line = response.readline().decode()
        assert "447700900777" not in line
        if line.startswith("data: ") and request_id in line:
            told.append(json.loads(line.removeprefix("data: ")))
    connection.close()
    assert [line["kind"] for line in told] == ["started", "event", "sending", "sent"]
    listed = ask(gateway, "GET", "/v1/requests?limit=1")[1]["requests"][0]
    assert (listed["request_id"], listed["number"]) == (request_id, "4477******77")


STREAM = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"


def first_octets(gateway: Gateway) -> bytes:
    """Of the answer to one who asks for the event stream."""
    with connected(gateway) as sock:
        sock.settimeout(10)
        sock.sendall(STREAM)
        return sock.recv(12)


def test_an_event_stream_without_a_body_has_an_end(gateway: Gateway) -> None:
    """There used to be none: HEAD took the room of a stream, and no further request was answered on the connection."""
    with connected(gateway) as sock:
        sock.settimeout(10)
        sock.sendall(b"HEAD /v1/events HTTP/1.1\r\nHost: x\r\n\r\n" + search(more="Connection: close\r\n"))
        answers = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_no_more_event_streams_are_served_than_the_limit_says(gateway: Gateway) -> None:
    """There used to be 70 of 64, where they came at once: each was counted only when its first line went out."""
    for _ in range(2):  # those of the first turn leave room for those of the second
        streams = [connected(gateway) for _ in range(MAX_STREAMS + 6)]
        for sock in streams:
            sock.settimeout(10)
            sock.sendall(STREAM)
        heads = Counter(sock.recv(12) for sock in streams)
        for sock in streams:
            sock.close()
        assert heads == {b"HTTP/1.1 200": MAX_STREAMS, b"HTTP/1.1 503": 6}
        until(lambda: first_octets(gateway) == b"HTTP/1.1 200", "there is room")


def test_a_stream_that_is_given_up_at_once_takes_no_room(gateway: Gateway) -> None:
    for _ in range(3 * MAX_STREAMS):
        with connected(gateway) as sock:
            sock.sendall(STREAM)

    until(lambda: first_octets(gateway) == b"HTTP/1.1 200", "there is room")


@pytest.mark.parametrize("headers", [JSON, FORM, None], ids=["JSON", "form", "no type"])
def test_a_byte_order_mark_before_a_body_is_ignored(gateway: Gateway, headers: Any) -> None:
    """There used to be a 400 for the JSON of programs that write one (RFC 8259 8.1)."""
    json_body, form = json.dumps({"request_id": "x=y", "code": "1234"}), "request_id=x%3Dy&code=1234"
    body = b"\xef\xbb\xbf" + (json_body if headers is JSON else form).encode()
    code, answer = ask(gateway, "POST", "/verify/check/json", body, headers)
    assert (code, answer["request_id"], answer["status"]) == (200, "x=y", "6")


def test_the_socket_can_be_kept_to_some_users() -> None:
    config = '[api]\nsocket_mode = "0666"\nallow_uids = [65533]\n'
    with public_directory() as directory, Gateway(directory, config) as gateway:
        codes = {uid: as_user(uid, lambda: ask(gateway, "GET", "/v1/status")[0]) for uid in (65533, 65532)}
    assert codes == {65533: 200, 65532: 403}


def test_a_stopped_daemon_takes_its_socket_with_it(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        assert gateway.stop() == 0
        until(lambda: not gateway.socket.exists(), "the socket is gone", 5)
