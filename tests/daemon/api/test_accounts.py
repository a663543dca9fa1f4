"""Who may ask what, against a real daemon: accounts and operators, on TCP and on the socket."""

import base64
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from daemon.api.access import Role
from daemon.api.app import ROUTES
from daemon.client.connection import _UnixConnection
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, public_directory, until
from tests.peers.baresip import free_port
from tests.users import as_user

SECRETS = {"acme": "secret of acme", "bolt": "secret of bolt", "alice": "secret of alice"}
MEMBER, STRANGER, GROUP, CLERK = 64001, 64002, 64003, 64004  # users and a group that no machine has
LIMITS = "[security]\nrequests_per_second = 0\ncancel_after = 0\n"

Parameters = dict[str, str | list[str]]


def sections(directory: Path, tcp: str) -> str:
    for name, secret in SECRETS.items():
        path = directory / f"{name}.secret"
        path.write_text(secret + "\n")
        path.chmod(0o600)
    acme, bolt, alice = (json.dumps(str(directory / f"{name}.secret")) for name in SECRETS)
    return (
        f'[api]\ntcp = "{tcp}"\nsocket_mode = "0666"\n'
        f'[[account]]\nkey = "acme"\nsecret_file = {acme}\nuids = [{MEMBER}]\n'
        f'[[account]]\nkey = "bolt"\nsecret_file = {bolt}\ngids = [{GROUP}]\n'
        f'[[operator]]\nname = "alice"\nsecret_file = {alice}\n'
    )


@pytest.fixture(scope="module")
def modem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path_factory.mktemp("modem") / "modem", network_s=0.02) as modem:
        yield modem


@pytest.fixture(scope="module")
def tcp() -> str:
    return f"127.0.0.1:{free_port('127.0.0.1', socket.SOCK_STREAM)}"


@pytest.fixture(scope="module")
def gateway(modem: SimulatedModem, tcp: str) -> Iterator[Gateway]:
    with public_directory() as directory:
        config = sections(directory, tcp) + LIMITS + modem_section(modem.port)
        with Gateway(directory, config) as gateway:
            yield gateway


Ask = Callable[..., tuple[int, Any]]


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def sent(connection: http.client.HTTPConnection, method: str, path: str, form: Parameters, headers: Any) -> Any:
    """The HTTP status and the JSON of the answer."""
    query = urlencode(form, doseq=True)
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        if method == "GET":
            connection.request("GET", f"{path}?{query}", headers=headers)
        else:
            connection.request(method, path, query, {**form_type, **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


@pytest.fixture(scope="module")
def ask(gateway: Gateway, tcp: str) -> Ask:
    """On TCP, with HTTP Basic of an account or an operator; name "" for without."""
    assert gateway.process is not None

    def asked(
        name: str, path: str, method: str = "POST", secret: str | None = None, host: str = "127.0.0.1", **form: Any
    ) -> tuple[int, Any]:
        headers = basic(name, SECRETS.get(name, "") if secret is None else secret) if name else {}
        connection = http.client.HTTPConnection(tcp, timeout=10, source_address=(host, 0))
        found: tuple[int, Any] = sent(connection, method, path, form, headers)
        return found

    return asked


NUMBERS = (f"44770090{i:04d}" for i in range(1000, 9999))


def start(ask: Ask, name: str, number: str = "") -> str:
    answer = ask(name, "/verify/json", number=number or next(NUMBERS), brand="Acme")[1]
    assert answer["status"] == "0", answer
    return str(answer["request_id"])


# --- every route, with no, wrong and foreign credentials -------------------------------------------------------

PLACES = {"{request_id}": "0" * 32, "{name}": "sim1", "{action}": "pause", "{rest:path}": "psd2/json"}
CALLS = [(path, method, role) for path, methods, role, _ in ROUTES for method in methods]


def filled(path: str) -> str:
    for place, value in PLACES.items():
        path = path.replace(place, value)
    return path


def test_healthz_tells_strangers_on_tcp_whether_but_not_why(ask: Ask, gateway: Gateway) -> None:
    """Whoever reached the listener used to get the names of modems and ports, and the server of the trunk."""
    gateway.client.post("/v1/modems/sim1/pause")
    try:
        assert "modem sim1 is paused" in str(gateway.health()["reasons"])
        code, told = ask("", "/healthz", "GET")
        assert (code, told["status"]) == (503, "nothing can be sent")
        assert "sim1" not in str(told)
    finally:
        gateway.client.post("/v1/modems/sim1/resume")


WRONG = [("acme", "wrong"), ("nobody", "x"), ("acme", SECRETS["bolt"]), ("acme", SECRETS["alice"]), ("-", "-")]


def test_on_tcp_nobody_without_the_right_secret_gets_an_answer(ask: Ask) -> None:
    """There used to be no test that asked an operator's route without credentials."""
    tries = [(call, credentials) for call in CALLS for credentials in [("", None), *WRONG]]

    def tried(number: int) -> tuple[int, Any]:
        (path, method, _), (name, secret) = tries[number]
        found: tuple[int, Any] = ask(name, filled(path), method, secret, host=f"127.0.1.{number + 1}")
        return found

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(tried, range(len(tries))))
    for ((_, _, role), _), (code, answer) in zip(tries, answers, strict=True):
        match role:
            case Role.OPEN:
                assert code in (200, 404)
            case Role.VERIFY:
                assert (code, answer["status"], answer.pop("request_id", "")) == (200, "4", "")
                assert set(answer) == {"status", "error_text"}
            case Role.OPERATE:
                assert (code, answer["title"]) == (401, "Credentials needed")


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method, role in CALLS if role is Role.OPERATE])
def test_an_accounts_secret_lets_nobody_operate(gateway: Gateway, ask: Ask, path: str, method: str) -> None:
    """There used to be one kind of secret: any account read numbers and incoming SMS, and paused modems."""
    code, answer = ask("acme", filled(path), method)
    assert (code, answer["title"]) == (403, "Not allowed")
    assert gateway.client.get("/v1/modems")["modems"][0]["state"] == "ready"


def test_an_operators_secret_lets_one_operate_and_is_no_accounts(ask: Ask) -> None:
    assert ask("alice", "/v1/status", "GET")[1]["version"]
    as_account = {"api_key": "alice", "api_secret": SECRETS["alice"]}
    request_id = start(ask, "acme")
    assert ask("", "/verify/search/json", request_id=request_id, **as_account)[1]["account_id"] == "acme"
    assert ask("acme", "/v1/status", "GET", secret=SECRETS["alice"])[0] == 401


def test_an_event_stream_ends_for_whoever_is_no_operator_any_more(gateway: Gateway, ask: Ask, tcp: str) -> None:
    """It used to go on for ever: who asks was judged at its beginning only."""
    before = gateway.config.read_text()
    alices, roots = http.client.HTTPConnection(tcp, timeout=20), _UnixConnection(gateway.socket, 20)
    alices.request("GET", "/v1/events", headers=basic("alice", SECRETS["alice"]))
    roots.request("GET", "/v1/events")
    ended, kept = alices.getresponse(), roots.getresponse()
    try:
        assert ended.readline() == kept.readline() == b": pinwheel events\n"
        gateway.config.write_text(before.replace('name = "alice"', 'name = "bob"'))
        gateway.client.post("/v1/reload")
        own = start(ask, "acme").encode()
        assert own not in ended.read()
        until(lambda: own in kept.readline(), "the line of the start")
    finally:
        gateway.config.write_text(before)
        gateway.client.post("/v1/reload")
        alices.close()
        roots.close()


# --- accounts apart --------------------------------------------------------------------------------------------


def test_a_request_of_another_account_is_an_unknown_one(ask: Ask, modem: SimulatedModem) -> None:
    """There used to be one pool of requests: account B read, checked, cancelled, moved on and failed those of A."""
    number = next(NUMBERS)
    own = start(ask, "acme", number)
    pin = pin_in(until(lambda: next((text for to, text in modem.accepted if to == number), ""), "the SMS"))
    unknown = "f" * 32
    for path, form in (
        ("/verify/check/json", {"code": pin}),
        ("/verify/search/json", {}),
        ("/verify/control/json", {"cmd": "cancel"}),
        ("/verify/control/json", {"cmd": "trigger_next_event"}),
    ):
        foreign, none = (ask("bolt", path, request_id=wanted, **form) for wanted in (own, unknown))
        assert json.dumps(foreign).replace(own, unknown) == json.dumps(none)
        assert foreign[1]["status"] in ("6", "101")
    assert ask("bolt", "/verify/search/json", "GET", request_ids=[own, unknown])[1]["status"] == "101"
    for _ in range(3):
        ask("bolt", "/verify/check/json", request_id=own, code="000000")
    found = ask("acme", "/verify/search/json", request_id=own)[1]
    assert (found["status"], found["checks"], len(found["events"])) == ("IN PROGRESS", [], 1)
    assert ask("acme", "/verify/check/json", request_id=own, code=pin)[1]["status"] == "0"


def test_a_busy_number_is_told_to_all_and_its_request_to_the_owner_only(ask: Ask) -> None:
    number = next(NUMBERS)
    own = start(ask, "acme", number)
    told = {name: ask(name, "/verify/json", number=number, brand="Acme")[1] for name in ("acme", "bolt", "alice")}
    assert {name: (answer["status"], answer["request_id"]) for name, answer in told.items()} == {
        "acme": ("10", own),
        "bolt": ("10", ""),
        "alice": ("10", own),
    }


def test_several_requests_are_found_at_once_but_only_ones_own(ask: Ask) -> None:
    """There used to be no test of `request_ids`, nor of whose checks a search shows."""
    first, second, foreign = start(ask, "acme"), start(ask, "acme"), start(ask, "bolt")
    ask("acme", "/verify/check/json", request_id=first, code="000000", ip="192.0.2.1")  # as PHP's SDK has it
    ask("bolt", "/verify/check/json", request_id=foreign, code="000000", ip_address="192.0.2.66")
    for form in ({"request_ids": [first, foreign, second]}, {"request_ids": [first, second]}):
        found = ask("acme", "/verify/search/json", "GET", **form)[1]["verification_requests"]
        assert [request["request_id"] for request in found] == [first, second]
        assert [[check["ip_address"] for check in request["checks"]] for request in found] == [["192.0.2.1"], []]
    assert ask("acme", "/verify/search/json", request_ids=[first] * 10)[1]["verification_requests"]
    assert ask("acme", "/verify/search/json", request_ids=[first] * 11)[1]["status"] == "18"


def test_an_operator_reaches_the_requests_of_all(ask: Ask) -> None:
    for command in ("trigger_next_event", "cancel"):
        own = start(ask, "acme")
        answer = ask("alice", "/verify/control/json", request_id=own, cmd=command)[1]
        assert answer == {"status": "0", "command": command}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_key_and_secret_may_be_parameters_and_come_before_a_stale_header(ask: Ask, method: str) -> None:
    given = {"api_key": "acme", "api_secret": SECRETS["acme"]}
    own = start(ask, "acme")
    path = "/verify/search/json"
    assert ask("", path, method, request_id=own, **given)[1]["account_id"] == "acme"
    assert ask("bolt", path, method, secret="stale", request_id=own, **given)[1]["account_id"] == "acme"  # noqa: S106
    assert ask("acme", path, method, request_id=own, api_key="acme", api_secret="x")[1]["status"] == "4"  # noqa: S106
    assert ask("", path, method, request_id=own, api_key="acme")[1]["status"] == "4"


# --- limits ----------------------------------------------------------------------------------------------------


def test_guesses_of_a_secret_are_slowed_limited_and_logged(gateway: Gateway, ask: Ask) -> None:
    """1,100 guesses a second used to be possible, and none was logged."""
    before = gateway.log().count("error='wrong secret'")

    def guess(number: int) -> tuple[float, str]:
        started = time.monotonic()
        status = ask("acme", "/verify/search/json", "GET", f"guess {number}", "127.0.2.1", request_id="x")[1]["status"]
        return time.monotonic() - started, status

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(guess, range(60)))
    looked_at = [took_s for took_s, status in answers if status == "4"]
    assert 10 <= len(looked_at) <= 13
    assert min(looked_at) >= 0.5
    assert {status for _, status in answers} == {"1", "4"}
    log = gateway.log()
    assert log.count("error='wrong secret'") - before == len(looked_at)
    assert "origin=127.0.2.1 name='acme' error='wrong secret'" in log
    assert "guess 1" not in log
    path = "/verify/search/json"
    assert ask("acme", path, "GET", None, "127.0.2.1", request_id="x")[1]["status"] == "1"  # not even the right one
    assert ask("bolt", path, "GET", None, "127.0.2.1", request_id="x")[1]["status"] == "101"
    assert ask("acme", path, "GET", None, "127.0.2.2", request_id="x")[1]["status"] == "101"
    assert ask("acme", "/v1/status", "GET", "x", "127.0.2.1")[0] == 429


def test_the_flood_of_one_client_takes_no_start_from_another(tmp_path: Path) -> None:
    """There used to be one bucket for all: one client's flood gave everybody else status 1, the Unix socket too.
    Nor was there a test of status 1."""
    tcp = f"127.0.0.1:{free_port('127.0.0.1', socket.SOCK_STREAM)}"
    config = sections(tmp_path, tcp) + "[security]\nrequests_per_second = 5\n"

    def flood(name: str, source: str = "127.0.0.1", count: int = 12) -> list[str]:
        statuses = []
        connection = http.client.HTTPConnection(tcp, timeout=10, source_address=(source, 0))
        for _ in range(count):
            connection.request("GET", "/verify/json?number=12", headers=basic(name, SECRETS[name]))
            statuses.append(json.loads(connection.getresponse().read())["status"])
        connection.close()
        return statuses

    with Gateway(tmp_path, config) as gateway:
        flooded = flood("acme")
        assert flooded[:5] == ["2"] * 5
        assert flooded[-1] == "1"
        assert flood("bolt", count=4) == ["2"] * 4
        assert flood("acme", "127.0.0.2", count=4) == ["2"] * 4
        assert gateway.client.verify("", number="12")["status"] == "2"
        until(lambda: flood("acme", count=1) == ["2"], "the bucket fills again", 5)


@pytest.mark.parametrize(("text", "mode", "why"), [("", 0o600, "is empty"), ("secret", 0o644, "run: chmod o=")])
def test_a_secret_file_that_protects_nothing_is_refused(tmp_path: Path, text: str, mode: int, why: str) -> None:
    """The file used not to be checked: an empty one admitted everybody who gave no secret."""
    config = sections(tmp_path, "127.0.0.1:1")
    (tmp_path / "acme.secret").write_text(text)
    (tmp_path / "acme.secret").chmod(mode)
    gateway = Gateway(tmp_path, config)
    with pytest.raises(AssertionError):
        gateway.start()
    assert why in gateway.log()


# --- the socket ------------------------------------------------------------------------------------------------


def ask_as(
    gateway: Gateway, uid: int, path: str, method: str = "POST", gid: int = 0, gids: Sequence[int] = (), **form: Any
) -> tuple[int, Any]:
    """What this user gets on the socket; gids: its groups beside its first one."""
    code, answer = as_user(
        uid, lambda: sent(_UnixConnection(gateway.socket, 10), method, path, form, {}), gid=gid, gids=gids
    )
    return code, answer


def started_by(gateway: Gateway, uid: int, key: str = "", gid: int = 0) -> tuple[str, str]:
    """The status, and the account that the request got."""
    form: Any = {"api_key": key, "api_secret": "-"} if key else {}
    answer = ask_as(gateway, uid, "/verify/json", gid=gid, number=next(NUMBERS), brand="Acme", **form)[1]
    if answer["status"] != "0":
        return answer["status"], ""
    return "0", gateway.client.verify("search", request_id=answer["request_id"])["account_id"]


def test_on_the_socket_the_peers_uid_and_group_decide_which_accounts_it_may_name(gateway: Gateway) -> None:
    """There used to be no such rule: any `api_key` was believed there."""
    assert started_by(gateway, MEMBER, "acme") == ("0", "acme")
    assert started_by(gateway, MEMBER, "bolt") == ("4", "")
    assert started_by(gateway, STRANGER, "bolt", gid=GROUP) == ("0", "bolt")
    assert started_by(gateway, STRANGER, "acme", gid=GROUP) == ("4", "")
    assert started_by(gateway, STRANGER, "acme") == ("4", "")
    assert started_by(gateway, 0, "acme") == ("0", "acme")


@pytest.mark.parametrize("uid", [0, STRANGER, MEMBER])
@pytest.mark.parametrize("key", ["-", "any", ""])
def test_a_key_that_names_no_account_is_none(gateway: Gateway, uid: int, key: str) -> None:
    assert started_by(gateway, uid, key) == ("0", "")


def test_the_right_secret_is_as_good_on_the_socket_as_on_tcp(gateway: Gateway) -> None:
    form: Any = {"api_key": "acme", "api_secret": SECRETS["acme"], "number": next(NUMBERS), "brand": "Acme"}
    assert ask_as(gateway, STRANGER, "/verify/json", **form)[1]["status"] == "0"


def test_users_of_an_account_do_not_operate_and_see_no_other_request(gateway: Gateway, ask: Ask) -> None:
    foreign = start(ask, "bolt")
    assert ask_as(gateway, MEMBER, "/v1/status", "GET")[0] == 403
    assert ask_as(gateway, STRANGER, "/v1/status", "GET", gid=GROUP)[0] == 403
    assert ask_as(gateway, STRANGER, "/v1/status", "GET")[0] == 200
    assert ask_as(gateway, MEMBER, "/verify/search/json", request_id=foreign)[1]["status"] == "101"
    assert ask_as(gateway, MEMBER, "/verify/search/json", request_id=foreign, api_key="acme")[1]["status"] == "101"
    assert ask_as(gateway, STRANGER, "/verify/search/json", gid=GROUP, request_id=foreign, api_key="bolt")[1]["number"]


def test_every_group_of_a_process_counts(gateway: Gateway) -> None:
    """There used to be a look at the first group and the user database only: a service with systemd's
    SupplementaryGroups= could not name its account, and operated."""
    form: Any = {"api_key": "bolt", "number": next(NUMBERS), "brand": "Acme", "gids": [CLERK, GROUP]}
    assert ask_as(gateway, STRANGER, "/verify/json", **form)[1]["status"] == "0"
    assert ask_as(gateway, STRANGER, "/v1/status", "GET", gids=[CLERK, GROUP])[0] == 403


def test_users_of_different_accounts_that_name_none_share_nothing(gateway: Gateway) -> None:
    """There used to be one pool of all who name no account: by status 10 the user of one account learned the id of the
    request of another's user, and cancelled it."""
    number = next(NUMBERS)
    form: Any = {"number": number, "brand": "Acme", "api_key": "-"}
    request_id = ask_as(gateway, STRANGER, "/verify/json", gid=GROUP, **form)[1]["request_id"]
    answer = ask_as(gateway, MEMBER, "/verify/json", **form)[1]
    assert (answer["status"], answer["request_id"]) == ("10", "")
    found: Any = {"request_id": request_id, "api_key": "-"}
    assert ask_as(gateway, MEMBER, "/verify/search/json", **found)[1]["status"] == "101"
    assert ask_as(gateway, MEMBER, "/verify/control/json", cmd="cancel", **found)[1]["status"] == "6"
    assert ask_as(gateway, CLERK, "/verify/search/json", gids=[GROUP], **found)[1]["account_id"] == ""
    assert gateway.client.verify("control", request_id=request_id, cmd="cancel")["status"] == "0"


def test_operators_on_the_socket_can_be_named() -> None:
    config = f'[api]\nsocket_mode = "0666"\noperator_uids = [{CLERK}]\n'
    with public_directory() as directory, Gateway(directory, config) as gateway:
        codes = [ask_as(gateway, uid, "/v1/status", "GET")[0] for uid in (CLERK, STRANGER, 0)]
        assert codes == [200, 403, 200]
        assert ask_as(gateway, STRANGER, "/verify/search/json", request_id="none")[1]["status"] == "101"


UNREADABLE = [
    b"Basic",
    b"Basic \xc3\xa9",
    b"Basic \xff",
    b"Basic !!!!",
    b"Basic YWNtZQ",
    b"Basic /zr+",
    b"Bearer \xff",
    b"\xff",
]


@pytest.mark.parametrize("value", UNREADABLE)
def test_an_authorization_that_cannot_be_read_is_none(gateway: Gateway, tcp: str, value: bytes) -> None:
    """There used to be an internal error, with a traceback in the log, for one that was not ASCII."""
    headers = {"Authorization": value}
    assert sent(http.client.HTTPConnection(tcp), "GET", "/v1/status", {}, headers)[0] == 401
    found = sent(http.client.HTTPConnection(tcp), "GET", "/verify/search/json", {"request_id": "x"}, headers)
    assert (found[0], found[1]["status"]) == (200, "4")
    assert "Traceback" not in gateway.log()


def test_blanks_round_credentials_do_no_harm(tcp: str) -> None:
    secret = base64.b64encode(b"acme:" + SECRETS["acme"].encode()).decode()
    headers = {"Authorization": f"basic  {secret} "}
    found = sent(http.client.HTTPConnection(tcp), "GET", "/verify/search/json", {"request_id": "x"}, headers)
    assert found[1]["status"] == "101"
