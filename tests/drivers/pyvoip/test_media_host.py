"""A name in c= (RFC 4566 9): it is looked up beside the signalling, and the audio goes to its address."""

import socket
import threading
from typing import Any

import pytest

from drivers import CallOutcome
from drivers.pyvoip.server_location import media_host
from drivers.sip.message import Message
from drivers.sip.sdp import offer
from tests.drivers.pyvoip.callee import Callee, answer_with, far_end, request_after
from tests.drivers.pyvoip.calling import BOUND_S, dial, driver, result, tone

MULTIPART = (
    "--cut\r\nContent-Type: application/isup\r\n\r\nc=IN IP4 203.0.113.66\r\nm=audio 9 RTP/AVP 8\r\n"
    "--cut\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--cut--\r\n"
)


def audio_at(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(10)
    return sock


def accept(callee: Callee, sdp: bytes, *headers: tuple[str, str]) -> Message:
    invite, source = callee.invited()
    callee.peer.sendto(answer_with(invite, callee.peer, 200, *headers, sdp=sdp), source)
    return invite


def test_audio_goes_to_the_address_of_a_name() -> None:
    """There used to be no audio for a name: the call was hung up at once."""
    with far_end() as peer, audio_at("127.0.0.1") as audio:
        callee = Callee(peer)
        with driver(callee.address, bind="127.0.0.1:0") as opened:
            handle, _ = dial(opened, tone(0.1, 0.1))
            invite = accept(callee, offer("localhost", audio.getsockname()[1], 1))
            assert len(audio.recv(2048)) == 172
            callee.hear_bye(invite)
            assert (result(handle).outcome, result(handle).played_s) == (CallOutcome.ANSWERED, 0.2)


def test_a_name_without_an_address_ends_its_call_and_says_why() -> None:
    with far_end() as peer:
        callee = Callee(peer)
        with driver(callee.address) as opened:
            handle, _ = dial(opened, tone(0.1))
            callee.hear_bye(accept(callee, offer("nowhere.invalid", 9, 1)))
            assert result(handle).outcome is CallOutcome.FAILED
            assert "has no address" in result(handle).reason


def test_an_address_is_spoken_to_at_once_while_the_name_of_before_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """There used to be a bug: a name server that hangs kept a call mute whose far end had moved to an address."""
    answered = threading.Event()

    def slow(name: str, *rest: Any, **more: Any) -> Any:
        if name == "slow.example":
            answered.wait(BOUND_S)
        return look_up(name, *rest, **more)

    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with far_end() as peer, audio_at("127.0.0.1") as audio:
        callee = Callee(peer)
        with driver(callee.address, bind="127.0.0.1:0") as opened:
            handle, _ = dial(opened, tone(0.1, 0.1))
            invite, source = callee.invited()
            peer.sendto(answer_with(invite, peer, 200, sdp=offer("slow.example", 9, 1)), source)
            moved = offer("127.0.0.1", audio.getsockname()[1], 1)
            peer.sendto(request_after("UPDATE", invite, ("content-type", "application/sdp"), body=moved), source)
            try:
                assert len(audio.recv(2048)) == 172
            finally:
                answered.set()
            callee.hear_bye(invite)
            assert (result(handle).outcome, result(handle).played_s) == (CallOutcome.ANSWERED, 0.2)


def test_a_name_of_many_hosts_or_of_none_is_no_place_for_audio() -> None:
    for name in ("224.0.0.1", "0.0.0.0", "255.255.255.255", "a..b", "x" * 70):
        assert media_host(name, socket.AF_INET) == ""


def test_of_a_body_of_several_parts_only_the_description_is_read() -> None:
    """Audio used to go to an address from another part of the body."""
    with far_end() as peer, audio_at("127.0.0.4") as audio:
        callee = Callee(peer)
        with driver(callee.address) as opened:
            handle, _ = dial(opened, tone(0.1, 0.1))
            body = MULTIPART.format(offer("127.0.0.4", audio.getsockname()[1], 1).decode()).encode()
            invite = accept(callee, body, ("content-type", 'multipart/mixed;boundary="cut"'))
            assert len(audio.recv(2048)) == 172
            callee.hear_bye(invite)
            assert result(handle).outcome is CallOutcome.ANSWERED
