"""The clients that programmers already have, unmodified, against a real daemon."""

import json
import socket
from collections.abc import Iterator

import nexmo
import pytest
import vonage
from vonage_verify_legacy import VerifyRequest
from vonage_verify_legacy.errors import VerifyError

from daemon.adapter import UnixAdapter
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, until
from tests.peers.baresip import free_port
from tests.peers.tls import certificate

KEY, SECRET = "abcd1234", "a secret of the tests"
LIMITS = "[security]\ncancel_after = 0\n"
NUMBERS = (f"44770090{i:04d}" for i in range(1000, 9999))  # each request has its own: the daemons serve several tests


def texts_to(modem: SimulatedModem, number: str) -> list[str]:
    return [text for to, text in modem.accepted if to == number]


def text_of(modem: SimulatedModem, number: str) -> str:
    """The first SMS to a number."""
    return str(until(lambda: texts_to(modem, number), "the SMS")[0])


# --- nexmo 2.5.2 over the Unix socket --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modem() -> Iterator[SimulatedModem]:
    with SimulatedModem(network_s=0.02, report_s=0.05) as modem:
        yield modem


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, modem: SimulatedModem) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("nexmo"), modem_section(modem.port) + LIMITS) as gateway:
        yield gateway


@pytest.fixture
def verify(gateway: Gateway) -> nexmo.Verify:
    client = nexmo.Client(key="any", secret="any")  # noqa: S106
    client.session.mount("https://api.nexmo.com", UnixAdapter(str(gateway.socket)))
    return nexmo.Verify(client)


def test_nexmo_starts_and_checks(verify: nexmo.Verify, modem: SimulatedModem) -> None:
    number = next(NUMBERS)
    started = verify.start_verification(number=number, brand="Acme")
    assert started["status"] == "0"
    pin = pin_in(text_of(modem, number))
    assert verify.check(started["request_id"], code="0000" if pin != "0000" else "1111")["status"] == "16"
    judged = verify.check(started["request_id"], code=pin)
    assert (judged["status"], judged["request_id"]) == ("0", started["request_id"])
    assert judged["event_id"]


def test_nexmo_searches(verify: nexmo.Verify) -> None:
    number = next(NUMBERS)
    started = verify.start_verification(number=number, brand="Acme")
    found = verify.search(started["request_id"])
    assert (found["status"], found["number"], found["request_id"]) == ("IN PROGRESS", number, started["request_id"])
    assert verify.search("no-such-request")["status"] == "101"


def test_nexmo_triggers_the_next_event_and_cancels(verify: nexmo.Verify, modem: SimulatedModem) -> None:
    number = next(NUMBERS)
    started = verify.start_verification(number=number, brand="Acme", workflow_id=4)
    until(lambda: len(texts_to(modem, number)) == 1, "the first SMS")
    assert verify.trigger_next_event(started["request_id"])["status"] == "0"
    until(lambda: len(texts_to(modem, number)) == 2, "the second SMS")
    other = verify.start_verification(number=next(NUMBERS), brand="Acme")
    assert verify.cancel(other["request_id"]) == {"status": "0", "command": "cancel"}
    assert verify.search(other["request_id"])["status"] == "CANCELLED"


def test_nexmo_hears_what_is_wrong(verify: nexmo.Verify) -> None:
    assert verify.start_verification(number="12", brand="Acme")["status"] == "3"
    assert verify.start_verification(number=next(NUMBERS))["status"] == "2"


# --- vonage 4.9.1 over TLS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modem_of_tls() -> Iterator[SimulatedModem]:
    with SimulatedModem(network_s=0.02, report_s=0.05) as modem:
        yield modem


@pytest.fixture(scope="module")
def tls_host(tmp_path_factory: pytest.TempPathFactory, modem_of_tls: SimulatedModem) -> Iterator[str]:
    """host:port of a daemon's TLS listener; the process trusts its certificate."""
    directory = tmp_path_factory.mktemp("vonage")
    cert, key = certificate(directory)
    host = f"127.0.0.1:{free_port('127.0.0.1', socket.SOCK_STREAM)}"
    (directory / "secret").write_text(SECRET + "\n")
    (directory / "secret").chmod(0o600)
    api = f"[api]\ntcp = {json.dumps(host)}\ntls_cert = {json.dumps(str(cert))}\ntls_key = {json.dumps(str(key))}\n"
    account = f"[[account]]\nkey = {json.dumps(KEY)}\nsecret_file = {json.dumps(str(directory / 'secret'))}\n"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
        with Gateway(directory, api + account + LIMITS + modem_section(modem_of_tls.port)):
            yield host


def sdk(host: str, secret: str = SECRET) -> vonage.Vonage:
    auth = vonage.Auth(api_key=KEY, api_secret=secret)
    return vonage.Vonage(auth=auth, http_client_options=vonage.HttpClientOptions(api_host=host))


def test_vonage_starts_checks_and_searches(tls_host: str, modem_of_tls: SimulatedModem) -> None:
    verify = sdk(tls_host).verify_legacy
    number = next(NUMBERS)
    started = verify.start_verification(VerifyRequest(number=number, brand="Acme"))
    assert started.status == "0"
    judged = verify.check_code(started.request_id, pin_in(text_of(modem_of_tls, number)))
    assert judged.status == "0"
    assert verify.search(started.request_id).status == "SUCCESS"


def test_vonage_controls(tls_host: str, modem_of_tls: SimulatedModem) -> None:
    verify = sdk(tls_host).verify_legacy
    number = next(NUMBERS)
    started = verify.start_verification(VerifyRequest(number=number, brand="Acme", workflow_id=4))
    text_of(modem_of_tls, number)
    assert verify.trigger_next_event(started.request_id).status == "0"
    other = verify.start_verification(VerifyRequest(number=next(NUMBERS), brand="Acme"))
    assert verify.cancel_verification(other.request_id).status == "0"


def test_vonage_with_a_wrong_secret_is_refused(tls_host: str, modem_of_tls: SimulatedModem) -> None:
    number = next(NUMBERS)
    with pytest.raises(VerifyError, match="api_key or api_secret"):
        sdk(tls_host, "wrong").verify_legacy.start_verification(VerifyRequest(number=number, brand="Acme"))
    assert texts_to(modem_of_tls, number) == []
