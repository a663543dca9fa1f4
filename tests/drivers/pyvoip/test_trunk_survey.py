"""How the trunk is checked without the driver: real servers on loopback, good and bad."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.pyvoip import Options, survey
from drivers.simulated.phone import SimulatedPhone
from tests.peers.tls import certificate


@contextmanager
def server(answer: bytes, cert: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Takes one connection, and answers whatever comes with these octets, its Via and Call-ID filled in."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            sock, _ = listening.accept()
            if cert is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*cert)
                try:
                    sock = context.wrap_socket(sock, server_side=True)
                except OSError:
                    sock.close()
                    return
            with sock:
                lines = sock.recv(65535).decode().splitlines()
                kept = [line for line in lines if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
                sock.sendall(answer.replace(b"HEADERS", "\r\n".join(kept).encode()))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join(5)


NO = b"SIP/2.0 403 Forbidden\r\nHEADERS\r\nContent-Length: 0\r\n\r\n"


def test_a_trunk_answers_options_and_shows_where_it_sees_us() -> None:
    with SimulatedPhone() as phone:
        found = survey(Options(phone.address, bind="127.0.0.1:0"))
    assert (found.addresses, found.unreachable, found.answer) == (("127.0.0.2",), "", "200 OK")
    assert found.ours.startswith("127.0.0.1:")
    assert not found.rewritten
    assert found.seen_at in ("", found.ours)


def test_a_name_that_leads_nowhere_has_no_address() -> None:
    assert survey(Options("nowhere.invalid:5060")).addresses == ()


def test_what_does_not_answer_is_said_within_the_limit() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.6", 0))
        found = survey(Options(f"127.0.0.6:{deaf.getsockname()[1]}", bind="127.0.0.1:0"), 0.1)
    assert found.unreachable == "no answer within 0.1 s"
    with socket.create_server(("127.0.0.6", 0)) as silent:
        at = f"127.0.0.6:{silent.getsockname()[1]}"
        assert "no answer within" in survey(Options(at, bind="127.0.0.1:0", transport="tcp"), 0.1).unreachable
    assert "refused" in survey(Options("127.0.0.6:9", bind="127.0.0.1:0", transport="tcp")).unreachable


@pytest.mark.parametrize(
    ("answer", "said"), [(NO, ""), (b"", "closed the connection"), (b"HTTP/1.1 400\r\n\r\n", "a message")]
)
def test_over_tcp_a_refusal_is_an_answer_and_nonsense_is_none(answer: bytes, said: str) -> None:
    with server(answer) as at:
        found = survey(Options(at, bind="127.0.0.1:0", transport="tcp"))
    assert (said in found.unreachable) if said else (found.answer == "403 Forbidden")


@pytest.mark.parametrize(("days", "trusted"), [(5, True), (-1, False)])
def test_the_certificate_of_a_trunk_is_good_for_so_long_or_over(tmp_path: Path, days: int, trusted: bool) -> None:
    cert = certificate(tmp_path, "localhost", from_day=-9, to_day=days)
    with server(NO, cert) as at:
        here = at.replace("127.0.0.1", "localhost")
        found = survey(Options(here, bind="127.0.0.1:0", transport="tls", tls_ca=str(cert[0])))
    if trusted:
        assert found.certificate_days is not None
        assert 4.9 < found.certificate_days <= 5
    else:
        assert found.certificate_problem == "certificate has expired"


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.6", 0)) as listening:
        at = f"127.0.0.6:{listening.getsockname()[1]}"
        found = survey(Options(at, bind="127.0.0.1:0", transport="tls", tls_ca=str(tmp_path / "none.pem")))
    assert "there is no file" in found.unreachable
