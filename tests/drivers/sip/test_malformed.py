"""What arrives may be anything: the messages of RFC 4475, and those of a real dialog taken apart by hypothesis."""

import logging
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import CallOutcome, CallPhase
from drivers.sip.address import Address
from drivers.sip.agent import UserAgent
from drivers.sip.call import OutgoingCall
from drivers.sip.call_events import Ended
from drivers.sip.message import Malformed, Message, parse
from tests.drivers.pyvoip.callee import far_end
from tests.drivers.pyvoip.calling import dial, driver, result, tone
from tests.drivers.pyvoip.test_signalling import ANSWER, SAID_BYE
from tests.drivers.sip.agents import FIRST, SDP, agent, placed, reply, sent
from tests.drivers.sip.torture import TORTURE
from tests.examples import examples
from tests.peers.baresip import free_port
from tests.peers.sipp import Sipp, script

RING_S = 30.0
MOST_SENT = 120  # by one call that gets eight messages: 7 or 11 times each request, and an answer to each message

CHALLENGE = ("proxy-authenticate", 'Digest realm="trunk", nonce="n1", qop="auth", algorithm=SHA-256')
RELIABLE = (("require", "100rel"), ("rseq", "7"))


def asked(method: str) -> Callable[[Message], bytes]:
    """A request of the far end within the dialog."""

    def made(invite: Message) -> bytes:
        headers = (
            ("via", f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}"),
            ("from", invite.get("to") + ";tag=far"),
            ("to", invite.get("from")),
            ("call-id", invite.get("call-id")),
            ("cseq", f"5 {method}"),
            ("content-type", "application/dtmf-relay"),
        )
        return Message(headers, b"Signal=1\r\n", method=method, uri="sip:gw@192.0.2.9:5060").encode()

    return made


SAID: dict[str, Callable[[Message], bytes]] = {
    "100": lambda invite: reply(invite, 100),
    "180": lambda invite: reply(invite, 180),
    "183": lambda invite: reply(invite, 183, *RELIABLE, body=SDP),
    "200": lambda invite: reply(invite, 200, ("record-route", "<sip:192.0.2.3;lr>"), body=SDP),
    "183 unreliable": lambda invite: reply(invite, 183, body=SDP),
    "200 without a description": lambda invite: reply(invite, 200, ("contact", "*")),
    "302": lambda invite: reply(invite, 302),
    "401": lambda invite: reply(invite, 401, ("www-authenticate", CHALLENGE[1])),
    "407": lambda invite: reply(invite, 407, CHALLENGE),
    "422": lambda invite: reply(invite, 422, ("min-se", "3600")),
    "486": lambda invite: reply(invite, 486, ("reason", "Q.850;cause=17"), ("retry-after", "5")),
    "200 to the last": lambda last: reply(last, 200),
    "407 to the last": lambda last: reply(last, 407, CHALLENGE),
    **{method: asked(method) for method in ("BYE", "OPTIONS", "UPDATE", "INVITE", "ACK", "INFO", "NOTIFY", "CANCEL")},
}
"""What a far end says in a dialog, by name."""

FRAGMENTS = (
    *(b"\r\n", b"\r\n\r\n", b"\0", b",", b";", b'"', b"<", b">", b"=", b":", b" ", b"\xff\xfe", b";tag=x", b"%00"),
    *(
        b"@[::1%" + "é".encode() * 70 + b"]",
        b"@a\0b",
        b"@0.0.0.0",
        b"@255.255.255.255",
        b"@[::1]:0",
        b":99999",
        b"sips:",
    ),
    *(b"<sip:x@[fe80::1%lo];lr>", b"@sbc.example", b"c=IN IP4 a..b", b"c=IN IP6 ::1%lo", b"\r\nX-Carrier trace 4711"),
    *(b"99999999999999999999", b"-1", b"\r\n\t", b"SIP/2.0", b"\r\nContent-Length: 7", b"sip:[::1", b"@@", b"\xd9\xa3"),
)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The octets with one to three places flipped, cut, doubled or filled in."""
    for _ in range(chance.randint(1, 3)):
        at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + chance.choice((1, 8, 64, 4096)))
        flipped = bytes([data[at] ^ 1 << chance.randrange(8)]) if at < len(data) else b""
        data = chance.choice(
            (
                data[:at] + flipped + data[at + 1 :],
                data[:at] + data[end:],
                data[:end] + data[at:end] * chance.randint(1, 3) + data[end:],
                data[:at] + chance.choice(FRAGMENTS) + data[at:],
                data[:at] + chance.choice(FRAGMENTS) + data[end:],
            )
        )
    return data


class Mistakes(logging.Handler):
    """What the guard logs is a mistake of ours, whatever the far end wrote."""

    def __enter__(self) -> "Mistakes":
        logging.getLogger("pinwheel.voice").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("pinwheel.voice").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


def lived(ours: UserAgent, call: OutgoingCall, invite: Message, said: list[tuple[str, int]]) -> int:
    """Play a call whose far end sends these messages, one a second, whole (seed 0) or damaged; what the call sent."""
    count, now, last = 0, 0.0, invite
    for name, seed in said:
        now += 1.0
        whole = SAID[name](last if name.endswith("last") else invite)
        ours.receive(damaged(whole, random.Random(seed)) if seed else whole, FIRST, now)
        ours.poll(now)
        messages = sent(ours)
        assert all(may_be_sent_to(address) for _, address in messages), messages
        count += len(messages)
        requests = [message for message, _ in messages if message.method not in ("", "ACK")]
        invite = next((message for message in requests if message.method == "INVITE"), invite)
        last = requests[-1] if requests else last
    ours.hang_up(call, now := now + RING_S)
    for _ in range(400):
        ours.poll(now)
        count += len(sent(ours))
        if ours.deadline() == float("inf"):
            break
        now = max(ours.deadline(), now)
    return count


def may_be_sent_to(address: Address) -> bool:
    """It is what a socket takes: a numeric address of one host, without a zone, and a port."""
    host, port = address
    return "%" not in host and not ip_address(host).is_unspecified and 0 < port < 65536


@given(st.lists(st.tuples(st.sampled_from(sorted(SAID)), st.integers(0, 2**32)), max_size=8))
@examples(250)
def test_a_call_ends_once_and_is_forgotten_whatever_the_far_end_says(said: list[tuple[str, int]]) -> None:
    ours = agent()
    call, invite = placed(ours)
    with Mistakes():
        count = lived(ours, call, invite, said)
    assert [type(event) for event in call.events].count(Ended) == 1
    assert type(call.events[-1]) is Ended
    assert (ours.calls, ours.idle, ours.deadline()) == ({}, True, float("inf"))
    assert count <= MOST_SENT


@pytest.mark.parametrize("name", TORTURE)
def test_a_message_of_the_torture_test_is_one_or_is_malformed(name: str) -> None:
    with suppress(Malformed):
        parse(TORTURE[name])
    ours = agent()
    _, invite = placed(ours)
    with Mistakes():
        ours.receive(TORTURE[name], FIRST, 1.0)
        ours.receive(aimed(TORTURE[name], invite), FIRST, 2.0)
    for message, _ in sent(ours):
        assert parse(message.encode()).headers == message.headers


def aimed(data: bytes, invite: Message) -> bytes:
    """The same as an answer to, or within the dialog of, a call of ours."""
    swaps = {b"torture@example.test": invite.get("call-id"), b"z9hG4bKt0rture": invite.branch}
    swaps |= {b"<sip:gw@127.0.0.1>": invite.get("from")}
    for old, new in swaps.items():
        data = data.replace(old, new.encode())
    return data


def test_a_call_is_not_disturbed_by_the_torture_test(tmp_path: Path) -> None:
    """All of it over a real socket, before a call and while one speaks."""
    port = free_port("127.0.0.1", socket.SOCK_DGRAM)
    with (
        Sipp(tmp_path, script(ANSWER, SAID_BYE)) as peer,
        driver(peer.address, bind=f"127.0.0.1:{port}") as opened,
        far_end() as stranger,
    ):

        def throw() -> None:
            for data in TORTURE.values():
                stranger.sendto(data, ("127.0.0.1", port))

        throw()
        handle, phases = dial(opened, tone(1.0))
        phases.wait_for(CallPhase.ANSWERED)
        throw()
        assert result(handle).outcome is CallOutcome.ANSWERED
        assert peer.succeeded()
