"""The way to a trunk on real parts: TCP and TLS, several servers by SRV, NATs, and signalling that hangs."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers import Call, CallOutcome, CallPhase, DeviceState, Unavailable
from drivers.pyvoip import Driver, Options
from drivers.pyvoip.server_location import NotFound, locate
from drivers.sip.address import Timers, TransportKind
from drivers.sip.message import Message, parse
from tests.drivers.pyvoip.calling import BOUND_S, NUMBER, TONE_HZ, becomes, crossings, dial, driver, heard, result, tone
from tests.gateway import until
from tests.peers.baresip import Account, Baresip, free_port
from tests.peers.datagrams import DatagramPeer
from tests.peers.dns import Dns
from tests.peers.kamailio import PASSWORD, Kamailio
from tests.peers.sipp import Sipp, refuses


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PEM file: a key, and a certificate for 127.0.0.2 and 127.0.0.4 signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=pinwheel-tests"]
    command += ["-addext", "subjectAltName=IP:127.0.0.2,IP:127.0.0.4", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def wait_for_detail(opened: Driver, words: str) -> None:
    until(lambda: words in opened.status().detail, f"{words!r} in the status", BOUND_S)


@contextmanager
def unready(server: str, **options: Any) -> Iterator[Driver]:
    """An open driver, whether or not it is ready."""
    given = {"bind": "127.0.0.1:0", "register": False, **options}
    opened = Driver("voice", Options(server=server, **given))
    opened.open(lambda _: None)
    try:
        yield opened
    finally:
        opened.close()


# --- TCP and TLS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_a_call_over_a_connection_is_heard_and_ends_on_both_sides(tmp_path: Path, certificate: Path, kind: str) -> None:
    with Baresip(tmp_path, Account(transport=kind, certificate=certificate)) as peer:
        with driver(peer.address, transport=kind, tls_ca=str(certificate)) as opened:
            handle, phases = dial(opened, tone(0.5))
            assert result(handle).outcome is CallOutcome.ANSWERED
        assert phases.seen == [CallPhase.DIALLING, CallPhase.RINGING, CallPhase.ANSWERED]
        assert crossings(heard(peer)) == pytest.approx(TONE_HZ / 2, abs=TONE_HZ * 0.03)
        assert "session closed" in peer.log()


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_a_trunk_over_a_connection_registers_challenges_and_routes(
    tmp_path: Path, certificate: Path, kind: str
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with (
        Baresip(tmp_path) as peer,
        Kamailio(tmp_path, peer.address, transport=kind, certificate=certificate) as trunk,
        driver(
            trunk.address,
            transport=kind,
            tls_ca=str(certificate),
            register=True,
            username="gateway",
            password_file=str(tmp_path / "password"),
        ) as opened,
    ):
        assert opened.status().registered
        handle, phases = dial(opened, tone(20.0))
        phases.wait_for(CallPhase.ANSWERED)
        peer.command("hangup")  # the BYE comes back over our own connection
        assert result(handle).outcome is CallOutcome.ANSWERED


def test_a_server_with_a_certificate_of_another_name_is_not_trusted(tmp_path: Path, certificate: Path) -> None:
    with (
        Baresip(tmp_path, Account(transport="tls", certificate=certificate), host="127.0.0.5") as peer,
        unready(peer.address, transport="tls", tls_ca=str(certificate)) as opened,
    ):
        wait_for_detail(opened, "IP address mismatch")
        with pytest.raises(Unavailable, match="IP address mismatch"):
            result(dial(opened, tone(0.1))[0])


def test_a_connection_that_is_refused_is_tried_again_until_somebody_listens() -> None:
    port = free_port("127.0.0.3", socket.SOCK_STREAM)
    with unready(f"127.0.0.3:{port}", transport="tcp") as opened:
        wait_for_detail(opened, "refused")
        with socket.create_server(("127.0.0.3", port)) as listening:
            becomes(opened, DeviceState.READY)
            connection, _ = listening.accept()
        connection.close()
        becomes(opened, DeviceState.WAITING)


def test_a_file_of_certificates_that_is_not_there_is_told_by_its_name() -> None:
    with unready("127.0.0.3:5061", transport="tls", tls_ca="/nowhere/ca.pem") as opened:
        wait_for_detail(opened, "there is no file")


# --- several servers ---------------------------------------------------------------------------------------


def test_a_bare_name_is_looked_up_as_srv_in_the_order_of_priority() -> None:
    records = {"_sip._udp.trunk.test": ["20 0 5072 localhost.", "10 0 5071 localhost.", "30 0 1 ."]}
    with Dns(records) as dns:
        found = locate("trunk.test", TransportKind.UDP, dns.resolver)
        assert [port for host, port in found if host == "127.0.0.1"] == [5071, 5072]
        with pytest.raises(NotFound, match="no address for the name elsewhere"):
            locate("elsewhere.test", TransportKind.TLS, dns.resolver)
        assert dns.asked == ["_sip._udp.trunk.test", "_sips._tcp.elsewhere.test"]


def test_what_a_name_server_says_is_read_by_the_grammar_too() -> None:
    """There used to be targets that made getaddrinfo() raise, which ended all further look-ups."""
    records = {
        "_sip._udp.trunk.test": [
            r"1 1 5060 a\000b.test.",
            r"1 1 5060 \197\169.test.",
            "2 1 0 127.0.0.5.",
            "3 1 5060 .",
            f"4 1 5060 {'.'.join(['a' * 60] * 4)}.",
            "9 1 5070 127.0.0.6.",
        ]
    }
    with Dns(records) as dns:
        assert locate("trunk.test", TransportKind.UDP, dns.resolver) == (("127.0.0.6", 5070),)


@pytest.mark.parametrize(
    ("server", "kind", "found"),
    [
        ("127.0.0.9", TransportKind.UDP, ("127.0.0.9", 5060)),
        ("127.0.0.9", TransportKind.TLS, ("127.0.0.9", 5061)),
        ("127.0.0.9:99", TransportKind.TCP, ("127.0.0.9", 99)),
        ("[::1]:99", TransportKind.UDP, ("::1", 99)),
    ],
)
def test_an_address_is_taken_as_it_is(server: str, kind: TransportKind, found: tuple[str, int]) -> None:
    assert locate(server, kind) == (found,)


def test_a_server_that_is_no_name_is_told() -> None:
    with pytest.raises(NotFound, match="cannot use the server"):
        locate("host:port", TransportKind.UDP)


@pytest.mark.parametrize("first", ["silent", "503"])
def test_a_call_takes_the_next_server_when_the_first_cannot(tmp_path: Path, first: str) -> None:
    with Sipp(tmp_path, refuses("503 Service Unavailable")) as broken, Baresip(tmp_path) as peer:
        dead = broken.address if first == "503" else f"127.0.0.3:{free_port('127.0.0.3', socket.SOCK_DGRAM)}"
        # the system looks up names of hosts; here its answer is fixed
        servers = tuple((host, int(port)) for host, port in (a.split(":") for a in (dead, peer.address)))
        settings = Options("trunk.test", register=False, bind="127.0.0.1:0")
        opened = Driver("voice", settings, Timers(fail_over=0.3), locate=lambda *_: servers)
        opened.open(lambda _: None)
        try:
            becomes(opened, DeviceState.READY)
            assert result(dial(opened, tone(0.2))[0]).outcome is CallOutcome.ANSWERED
        finally:
            opened.close()


def test_names_are_looked_up_without_holding_anything_up() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> tuple[tuple[str, int], ...]:
        asked.set()
        go_on.wait(BOUND_S)
        return (("127.0.0.3", 5060),)

    opened = Driver("voice", Options("trunk.test", register=False, bind="127.0.0.1:0"), locate=slow)
    opened.open(lambda _: None)
    try:
        assert asked.wait(BOUND_S)
        with pytest.raises(Unavailable, match="still looking up"):
            result(dial(opened, tone(0.1))[0])
        go_on.set()
        becomes(opened, DeviceState.READY)
    finally:
        opened.close()


def test_a_name_that_leads_nowhere_is_told() -> None:
    with Dns({}) as dns:
        opened = Driver(
            "voice", Options("nowhere.invalid", bind="127.0.0.1:0"), locate=partial(locate, resolver=dns.resolver)
        )
        opened.open(lambda _: None)
        try:
            assert "no address for the name nowhere.invalid" in becomes(opened, DeviceState.WAITING)
        finally:
            opened.close()


# --- NAT and liveness --------------------------------------------------------------------------------------


class Registrar(DatagramPeer):
    """Answers every request with 200, and says in Via at which other address it sees us; can be silent."""

    def __init__(self, seen: str = "") -> None:
        super().__init__("127.0.0.3")
        self.silent = False
        self.heard: list[Message] = []
        self._seen = seen

    def answer(self, data: bytes) -> bytes:
        self.heard.append(parse(data))
        return b"" if self.silent else self._answer(self.heard[-1])

    def _answer(self, request: Message) -> bytes:
        kept = [(name, value) for name, value in request.headers if name in ("from", "to", "call-id", "cseq")]
        via = request.all("via")[0].replace(";rport", "") + self._seen
        contact = [("contact", f"{request.get('contact')};expires=60")] if request.get("contact") else []
        return Message((("via", via), *kept, *contact), status=200, reason="OK").encode()

    def wait_for(self, text: str, method: str) -> Message:
        def found() -> Message | None:
            came = (each for each in list(self.heard) if each.method == method)
            return next((each for each in came if text in each.encode().decode()), None)

        message: Message = until(found, f"{method} with {text}", BOUND_S)
        return message


def test_behind_a_nat_we_register_where_the_trunk_sees_us() -> None:
    with (
        Registrar(";received=203.0.113.9;rport=61234") as trunk,
        driver(trunk.address, register=True, external_address="auto") as opened,
    ):
        trunk.wait_for("Contact: <sip:pinwheel@203.0.113.9:61234>", "REGISTER")
        handle, phases = dial(opened, tone(0.1))
        phases.wait_for(CallPhase.DIALLING)
        trunk.wait_for("c=IN IP4 203.0.113.9", "INVITE")
        handle.hang_up()


def test_a_trunk_that_falls_silent_is_noticed_and_used_again_when_it_is_back() -> None:
    with Registrar() as trunk:
        settings = Options(trunk.address, register=False, bind="127.0.0.1:0", keepalive_seconds=1)
        opened = Driver("voice", settings, Timers(t1=0.02, t2=0.2))
        opened.open(lambda _: None)
        try:
            trunk.wait_for("OPTIONS sip:127.0.0.3", "OPTIONS")
            becomes(opened, DeviceState.READY)
            trunk.silent = True
            assert "no answer" in becomes(opened, DeviceState.WAITING)
            trunk.silent = False
            becomes(opened, DeviceState.READY)
        finally:
            opened.close()


# --- the watch ---------------------------------------------------------------------------------------------


def test_signalling_that_hangs_is_replaced_and_its_calls_are_reported(tmp_path: Path) -> None:
    release = threading.Event()
    with Baresip(tmp_path) as peer:
        opened = Driver("voice", Options(peer.address, register=False, bind="127.0.0.1:0"), check_s=0.1)
        opened.open(lambda _: None)
        try:
            becomes(opened, DeviceState.READY)
            stuck = opened.call(Call(NUMBER, tone(5.0)), lambda _: print(release.wait(BOUND_S)))
            ended = stuck.result.result(BOUND_S)
            assert (ended.outcome, ended.reason) == (CallOutcome.FAILED, "signalling stopped responding")
            becomes(opened, DeviceState.READY)
            handle, phases = dial(opened, tone(0.2))
            assert result(handle).outcome is CallOutcome.ANSWERED
            assert phases.seen[-1] is CallPhase.ANSWERED
        finally:
            release.set()
            opened.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_signalling_that_dies_is_replaced(tmp_path: Path) -> None:
    def broken(_: CallPhase) -> None:
        raise LookupError("a mistake of whoever listens")

    with Baresip(tmp_path) as peer:
        opened = Driver("voice", Options(peer.address, register=False, bind="127.0.0.1:0"), check_s=0.1)
        opened.open(lambda _: None)
        try:
            becomes(opened, DeviceState.READY)
            assert opened.call(Call(NUMBER, tone(5.0)), broken).result.result(BOUND_S).outcome is CallOutcome.FAILED
            becomes(opened, DeviceState.READY)
            assert result(dial(opened, tone(0.2))[0]).outcome is CallOutcome.ANSWERED
        finally:
            opened.close()
