"""The simulated phone, judged by sipp and by bare datagrams."""

import socket
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.simulated.phone import PhoneEvent, SimulatedPhone
from tests.gateway import until

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n"


class Caller:
    """Sends requests as text, reads the start lines of what comes back."""

    def __init__(self, phone: SimulatedPhone) -> None:
        host, port = phone.address.split(":")
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.connect((host, int(port)))
        self.sock.settimeout(10)
        self.address = phone.address
        self.here = ":".join(map(str, self.sock.getsockname()))

    def request(self, method: str, user: str, *, branch: str = "1", body: str = "", to_tag: str = "") -> bytes:
        tag = f";tag={to_tag}" if to_tag else ""
        return (
            f"{method} sip:{user}@{self.address} SIP/2.0\r\nVia: SIP/2.0/UDP {self.here};branch=z9hG4bK{branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:me@{self.here}>;tag=a\r\nTo: <sip:{user}@{self.address}>{tag}\r\n"
            f"Call-ID: call\r\nCSeq: 1 {method}\r\nContact: <sip:me@{self.here}>\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def send(self, data: bytes) -> None:
        self.sock.send(data)

    def final(self) -> int:
        """The next final response's status."""
        while True:
            status = int(self.sock.recv(65535).split()[1])
            if status >= 200:
                return status


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[SimulatedPhone]:
    with SimulatedPhone(recordings=tmp_path / "rec", ring_s=0.1) as phone:
        yield phone


@pytest.fixture
def caller(phone: SimulatedPhone) -> Iterator[Caller]:
    caller = Caller(phone)
    yield caller
    caller.sock.close()


@pytest.mark.parametrize(("ending", "status"), [("90", 486), ("92", 603), ("93", 404), ("96", 503), ("99", 403)])
def test_a_numbers_ending_chooses_the_answer(caller: Caller, ending: str, status: int) -> None:
    caller.send(caller.request("INVITE", f"4477009001{ending}", body=SDP))
    assert caller.final() == status


def test_others_ring_and_answer(caller: Caller) -> None:
    caller.send(caller.request("INVITE", "447700900123", body=SDP))
    assert caller.final() == 200


def test_a_cancelled_call_ends_in_487(phone: SimulatedPhone, caller: Caller) -> None:
    caller.send(caller.request("INVITE", "447700900191", body=SDP))
    until(lambda: phone.calls, "the call")
    caller.send(caller.request("CANCEL", "447700900191"))
    assert {caller.final(), caller.final()} == {200, 487}


def test_a_registration_and_options_are_answered(caller: Caller) -> None:
    caller.send(caller.request("REGISTER", "me", branch="2"))
    assert caller.final() == 200
    caller.send(caller.request("OPTIONS", "me", branch="3"))
    assert caller.final() == 200


@pytest.mark.parametrize("data", [b"", b"\x00" * 50, b"INVITE", b"INVITE sip:x SIP/2.0\r\n\r\n", b"\r\n\r\n"])
def test_what_is_no_request_is_ignored(caller: Caller, data: bytes) -> None:
    caller.send(data)
    caller.send(caller.request("OPTIONS", "me"))
    assert caller.final() == 200


def test_it_binds_to_loopback_only() -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.0/8"):
        SimulatedPhone("0.0.0.0:0").open()


def test_sipp_calls_it_and_the_call_is_recorded(tmp_path: Path) -> None:
    events: list[PhoneEvent] = []
    with SimulatedPhone(recordings=tmp_path / "rec", ring_s=0.1, listener=events.append) as phone:
        command = ["sipp", "-sn", "uac", "-i", "127.0.0.3", "-m", "1", "-d", "300", "-nostdin", "-timeout", "20"]
        done = subprocess.run(
            [*command, "-s", "447700900123", phone.address], capture_output=True, cwd=tmp_path, timeout=40, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:]
        recorded = until(lambda: next((e for e in events if e.kind == "recorded"), None), "the recording")
    assert [event.kind for event in events] == ["ringing", "answered", "ended", "recorded"]
    with wave.open(str(recorded.wav)) as wav:
        assert wav.getframerate() == 8000
    assert recorded.wav.stat().st_mode & 0o777 == 0o600
