"""Who may ask what: the rules themselves, with the peers, the secrets and the clock in hand."""

import asyncio
import base64
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from daemon.api.access import PEER, Access, Peer, Role, on_socket, origin_of, peer_of
from daemon.api.params import HttpError, Mistake, Parameters
from daemon.config import Account, Api, Operator
from daemon.core.ownership import Caller

ACME, BOLT, STRANGER, CLERK, GROUP = 64001, 64002, 64003, 64004, 64005  # users and a group that no machine has
SECRETS = {"acme": "secret of acme", "bolt": "secret of bolt", "alice": "secret of alice"}


@dataclass
class Clock:
    at: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What access.py takes for the time."""
    made = Clock()
    monkeypatch.setattr("daemon.api.access.monotonic", lambda: made.at)
    monkeypatch.setattr("daemon.api.access.asyncio.sleep", made.sleep)
    return made


Made = Callable[..., Access]


@pytest.fixture
def access(tmp_path: Path) -> Made:
    """acme has a user and a secret, bolt a group and a secret, cash a user only; alice operates."""
    paths = {name: str(tmp_path / name) for name in SECRETS}
    for name, path in paths.items():
        Path(path).write_text(SECRETS[name])
        Path(path).chmod(0o600)

    def made(**api: Any) -> Access:
        accounts = [
            Account(key="acme", secret_file=paths["acme"], uids=[ACME]),
            Account(key="bolt", secret_file=paths["bolt"], uids=[BOLT], gids=[GROUP]),
            Account(key="cash", uids=[BOLT]),
        ]
        return Access(Api(**api), accounts, [Operator(name="alice", secret_file=paths["alice"])])

    return made


def on_tcp(authorization: str = "", host: str | None = "192.0.2.7") -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "headers": headers, "client": host and (host, 4711)})


def by(uid: int, gid: int = 0, *more: int, authorization: str = "") -> Request:
    """On the socket."""
    http = on_tcp(authorization)
    http.scope["extensions"] = {PEER: Peer(1, uid, gid, frozenset(more))}
    return http


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def admitted(access: Access, http: Request, role: Role = Role.VERIFY, **given: str) -> Caller:
    return asyncio.run(access.admit(role, http, Parameters(given.items())))


def status(access: Access, http: Request, role: Role = Role.VERIFY, **given: str) -> int:
    """0 for who is admitted; else the status, of Verify or HTTP."""
    try:
        admitted(access, http, role, **given)
    except (Mistake, HttpError) as exc:
        return exc.status
    return 0


# --- on TCP -----------------------------------------------------------------------------------------------------


def test_on_tcp_an_account_is_its_secret(access: Made) -> None:
    acme = Caller("acme", operator=False, origin="192.0.2.7")
    assert admitted(access(), on_tcp(basic("acme", SECRETS["acme"]))) == acme
    assert admitted(access(), on_tcp(), api_key="acme", api_secret=SECRETS["acme"]) == acme


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("", ""),
        ("acme", ""),
        ("acme", "wrong"),
        ("acme", SECRETS["bolt"]),
        ("acme", SECRETS["alice"]),
        ("nobody", "x"),
        ("", SECRETS["acme"]),
        ("cash", ""),
        ("cash", "x"),
        ("alice", SECRETS["acme"]),
    ],
)
def test_on_tcp_nobody_else_is_let_in_and_who_guesses_waits(access: Made, clock: Clock, name: str, secret: str) -> None:
    http = on_tcp(basic(name, secret) if name or secret else "")
    with pytest.raises(Mistake) as told:
        admitted(access(), http)
    text = "The api_key or api_secret you supplied is not valid or has been disabled"  # of the reference
    assert (told.value.status, str(told.value)) == (4, text)
    with pytest.raises(HttpError) as refused:
        admitted(access(), http, Role.OPERATE)
    assert (refused.value.status, refused.value.title) == (401, "Credentials needed")
    assert refused.value.detail.startswith("Give name and secret of an [[operator]]")
    assert clock.slept == ([0.5, 0.5] if secret else [])


def test_an_operators_secret_operates_and_an_accounts_does_not(access: Made) -> None:
    alice = Caller("", operator=True, origin="192.0.2.7")
    assert admitted(access(), on_tcp(basic("alice", SECRETS["alice"])), Role.OPERATE) == alice
    assert admitted(access(), on_tcp(basic("alice", SECRETS["alice"]))) == alice
    with pytest.raises(HttpError) as told:
        admitted(access(), on_tcp(basic("acme", SECRETS["acme"])), Role.OPERATE)
    assert (told.value.status, told.value.title) == (403, "Not allowed")
    assert "operator" in told.value.detail


@pytest.mark.parametrize(
    "header",
    [
        basic("acme", SECRETS["acme"]).replace("Basic", "bAsIc"),
        basic("acme", SECRETS["acme"]).replace("Basic ", "Basic   ") + " ",
    ],
)
def test_a_header_may_be_written_in_other_ways(access: Made, header: str) -> None:
    assert admitted(access(), on_tcp(header)).account == "acme"


RIGHT = basic("acme", SECRETS["acme"])
UNREADABLE = ["Basic", "Basic !", "Basic YWNtZQ", "Basic /zr+", RIGHT + "*", RIGHT.replace("Basic", "Bearer")]


@pytest.mark.parametrize("header", UNREADABLE)
def test_a_header_that_cannot_be_read_is_none(access: Made, clock: Clock, header: str) -> None:
    assert status(access(), on_tcp(header)) == 4
    assert clock.slept == []


def test_a_secret_may_have_a_colon(access: Made, tmp_path: Path) -> None:
    (tmp_path / "acme").write_text("a:b:c")
    assert admitted(access(), on_tcp(basic("acme", "a:b:c"))).account == "acme"


def test_parameters_come_before_a_header(access: Made) -> None:
    made, header = access(), basic("bolt", SECRETS["bolt"])
    assert admitted(made, on_tcp(header), api_key="acme", api_secret=SECRETS["acme"]).account == "acme"
    assert status(made, on_tcp(header), api_key="acme") == 4
    assert admitted(made, on_tcp(header), api_secret=SECRETS["acme"]).account == "bolt"


def test_who_has_no_address_has_that_of_nobody(access: Made) -> None:
    assert admitted(access(), on_tcp(basic("acme", SECRETS["acme"]), host=None)).origin == "0.0.0.0"


# --- guesses ----------------------------------------------------------------------------------------------------


def test_who_gives_no_secret_has_made_no_guess(access: Made, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    made = access()
    for _ in range(40):
        assert status(made, on_tcp(basic("acme", ""))) == 4
        assert status(made, on_tcp(), api_key="acme") == 4
        assert status(made, by(BOLT), api_key="acme") == 4
    assert (clock.slept, caplog.records) == ([], [])
    assert status(made, on_tcp(basic("acme", SECRETS["acme"]))) == 0


def test_after_ten_guesses_none_is_looked_at_for_a_while_not_even_the_right_one(access: Made, clock: Clock) -> None:
    made = access()
    guess, right = on_tcp(basic("acme", "guess")), on_tcp(basic("acme", SECRETS["acme"]))
    assert [status(made, guess) for _ in range(12)] == [4] * 10 + [1] * 2
    with pytest.raises(Mistake, match=r"^Throttled: too many wrong secrets"):
        admitted(made, right)
    with pytest.raises(HttpError) as told:
        admitted(made, right, Role.OPERATE)
    assert (told.value.status, told.value.title) == (429, "Too many wrong secrets")
    assert "wait some seconds" in told.value.detail
    assert clock.slept == [0.5] * 10
    assert status(made, on_tcp(basic("bolt", SECRETS["bolt"]))) == 0
    assert status(made, on_tcp(basic("acme", SECRETS["acme"]), host="192.0.2.8")) == 0
    clock.at += 3.1
    assert status(made, right) == 0


def test_who_gave_the_right_secret_is_not_refused_for_the_guesses_of_its_neighbours(access: Made) -> None:
    made = access()
    assert status(made, on_tcp(basic("bolt", SECRETS["bolt"]))) == 0
    for number in range(40):
        status(made, on_tcp(basic(f"name{number}", "x")))
    assert status(made, on_tcp(basic("bolt", SECRETS["bolt"]))) == 0
    assert status(made, on_tcp(basic("acme", SECRETS["acme"]))) == 1


def test_rules_that_are_read_again_go_on_with_the_guesses(access: Made) -> None:
    before, after = access(), access()
    for _ in range(10):
        status(before, on_tcp(basic("acme", "guess")))
    assert status(after, on_tcp(RIGHT)) == 0
    after.remember(before)
    assert status(after, on_tcp(RIGHT)) == 1


@pytest.mark.parametrize(("name", "logged"), [("acme", "acme"), ("alice", "alice"), ("my secret", "unknown")])
def test_guesses_are_logged_without_secrets(
    access: Made, caplog: pytest.LogCaptureFixture, name: str, logged: str
) -> None:
    """A name that is not known may be a secret in the wrong field."""
    made = access()
    with caplog.at_level(logging.WARNING):
        for _ in range(11):
            status(made, on_tcp(basic(name, "guessed")))
    line = f"origin=192.0.2.7 name={logged!r} error='wrong secret'"
    assert [record.getMessage() for record in caplog.records[:-1]] == [line] * 10
    assert "too many wrong secrets" in caplog.records[-1].getMessage()
    assert "guessed" not in caplog.text


# --- on the socket ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("http", "key", "account"),
    [
        (by(ACME), "acme", "acme"),
        (by(BOLT), "bolt", "bolt"),
        (by(BOLT), "cash", "cash"),
        (by(STRANGER, GROUP), "bolt", "bolt"),
        (by(STRANGER, 7, CLERK, GROUP), "bolt", "bolt"),
        (by(0), "acme", "acme"),
        (by(ACME), "", ":acme"),
        (by(BOLT), "", ":bolt:cash"),
        (by(STRANGER, GROUP), "no account", ":bolt"),
        (by(STRANGER), "", ""),
        (by(STRANGER), "no account", ""),
        (by(0), "", ""),
    ],
)
def test_on_the_socket_a_user_names_its_account_without_a_secret(
    access: Made, http: Request, key: str, account: str
) -> None:
    uid = http.scope["extensions"][PEER].uid
    found = admitted(access(), http, api_key=key)
    assert (found.account, found.origin) == (account, f"uid {uid}")


@pytest.mark.parametrize(
    ("http", "key"),
    [(by(ACME), "bolt"), (by(BOLT), "acme"), (by(STRANGER), "acme"), (by(STRANGER, CLERK), "bolt"), (by(0), "alice")],
)
def test_on_the_socket_nobody_names_anothers_account(access: Made, http: Request, key: str) -> None:
    assert status(access(), http, api_key=key) == 4


def test_on_the_socket_a_secret_is_as_good_as_on_tcp(access: Made) -> None:
    made = access()
    assert admitted(made, by(BOLT, authorization=basic("acme", SECRETS["acme"]))) == Caller(
        "acme", operator=False, origin=f"uid {BOLT}"
    )
    assert admitted(made, by(STRANGER, authorization=basic("acme", SECRETS["acme"]))).operator
    alice = by(ACME, authorization=basic("alice", SECRETS["alice"]))
    assert admitted(made, alice, Role.OPERATE) == Caller("", operator=True, origin=f"uid {ACME}")


@pytest.mark.parametrize(
    ("api", "operators", "others", "refused"),
    [
        ({}, [0, STRANGER, CLERK], [ACME, BOLT], []),
        ({"operator_uids": [CLERK, ACME]}, [0, CLERK, ACME], [STRANGER, BOLT], []),
        ({"allow_uids": [ACME, CLERK]}, [0, CLERK], [ACME], [STRANGER, BOLT]),
        ({"allow_uids": [ACME], "operator_uids": [CLERK]}, [0], [ACME], [CLERK, BOLT]),
    ],
)
def test_who_operates_on_the_socket_and_who_is_not_heard_there(
    access: Made, api: dict[str, list[int]], operators: list[int], others: list[int], refused: list[int]
) -> None:
    made = access(**api)
    assert [status(made, by(uid), Role.OPERATE) for uid in operators] == [0] * len(operators)
    assert [admitted(made, by(uid)).operator for uid in operators + others] == [
        *[True] * len(operators),
        *[False] * len(others),
    ]
    assert [status(made, by(uid), Role.OPERATE) for uid in others] == [403] * len(others)
    for uid in refused:
        with pytest.raises(HttpError, match=rf"User {uid} is not in \[api\] allow_uids") as told:
            admitted(made, by(uid))
        assert (told.value.status, told.value.title) == (403, "Not allowed")


def test_the_daemons_own_user_may_do_everything(access: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: CLERK)
    made = access(allow_uids=[ACME], operator_uids=[ACME])
    assert admitted(made, by(CLERK), Role.OPERATE, api_key="acme") == Caller("acme", True, f"uid {CLERK}")
    assert admitted(made, by(0), Role.OPERATE).operator
    assert status(made, by(STRANGER)) == 403


def test_who_is_of_no_account_and_no_operator_is_nobody_by_name(access: Made) -> None:
    assert admitted(access(operator_uids=[CLERK]), by(STRANGER)).account == ""


def test_users_are_known_also_where_no_account_has_a_group() -> None:
    assert admitted(Access(Api(), [Account(key="cash", uids=[BOLT])], []), by(BOLT)).account == ":cash"


def test_a_user_of_an_account_without_groups_is_not_taken_for_one_of_another(access: Made) -> None:
    assert admitted(access(), by(STRANGER, 0), Role.OPERATE).operator


# --- peers ------------------------------------------------------------------------------------------------------


def test_a_peer_is_whom_the_kernel_names() -> None:
    left, right = socket.socketpair()
    with left, right:
        peer = peer_of(left)
    assert peer == Peer(os.getpid(), os.geteuid(), os.getegid(), frozenset(os.getgroups()))
    assert peer_of(None) is None
    with socket.socket() as tcp:
        assert peer_of(tcp) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in any group")
def test_user_and_group_of_a_peer_do_not_change_places() -> None:
    before = os.getegid()
    try:
        os.setegid(GROUP)
        left, right = socket.socketpair()
        with left, right:
            peer = peer_of(left)
    finally:
        os.setegid(before)
    assert peer is not None
    assert (peer.uid, peer.gid) == (0, GROUP)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in any group")
@pytest.mark.parametrize(("count", "known"), [(256, 256), (257, 0)])
def test_a_peers_groups_are_known_up_to_256(count: int, known: int) -> None:
    before = os.getgroups()
    try:
        os.setgroups(range(GROUP, GROUP + count))
        left, right = socket.socketpair()
        with left, right:
            peer = peer_of(left)
    finally:
        os.setgroups(before)
    assert peer is not None
    assert peer.more_gids == frozenset(range(GROUP, GROUP + known))


def test_the_groups_of_a_peer_are_its_own_and_those_of_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have left a group to be of no account."""
    database = {("root", 7): [CLERK, 7]}
    monkeypatch.setattr("os.getgrouplist", lambda *user: database[user])
    assert Peer(1, 0, 7, frozenset({8})).groups == {7, 8, CLERK}
    assert Peer(1, STRANGER, 7, frozenset({8})).groups == {7, 8}  # no such user


def test_a_request_is_on_the_socket_where_there_is_a_peer() -> None:
    assert on_socket(by(ACME))
    assert not on_socket(on_tcp())


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_place_on_tcp_is_an_address_or_a_network_of_ipv6(host: str, origin: str) -> None:
    """There used to be one origin for all of IPv4 on a socket that serves IPv6 too, as systemd makes them."""
    assert origin_of(None, host) == origin
