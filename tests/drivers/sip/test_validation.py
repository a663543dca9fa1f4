"""What is refused for how it is written (RFC 4475 3.3 and neighbours), and what is read in spite of it."""

import pytest

from drivers.sip.agent import UserAgent
from drivers.sip.call_events import Answered, Ended
from drivers.sip.message import Malformed, Message, parse
from drivers.sip.validation import for_us, refusal
from tests.drivers.sip.agents import FIRST, SDP, agent, placed, reply, sent, with_headers
from tests.drivers.sip.test_malformed import asked

HEADERS = (
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
    "From: <sip:far@192.0.2.1>;tag=far",
    "To: <sip:gw@192.0.2.9>",
    "Call-ID: 1@192.0.2.1",
    "CSeq: 7 OPTIONS",
)


def written(*more: str, start: str = "OPTIONS sip:gw@192.0.2.9 SIP/2.0", headers: tuple[str, ...] = HEADERS) -> Message:
    return parse("\r\n".join([start, *headers, *more, "", ""]).encode())


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("OPTIONS sip:gw@192.0.2.9 SIP/2.0", None),
        ("OPTIONS SIPS:gw@192.0.2.9;x=y sip/2.0", None),
        ("OPTIONS sip:gw@192.0.2.9 SIP/7.0", 505),
        ("OPTIONS sip:gw@192.0.2.9 SIP/2.1", 505),
        ("OPTIONS tel:+441632960961 SIP/2.0", 416),
        ("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", 416),
        ("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", 416),
        ("OPTIONS sip:gw@[::1%lo] SIP/2.0", 400),
        ("OPTIONS sip:gw@192.0.2.9:0 SIP/2.0", 400),
        ("OPTIONS <sip:gw@192.0.2.9> SIP/2.0", 416),
        ("INVITE sip:gw@192.0.2.9 SIP/2.0", 400),
        ("NEWMETHOD sip:gw@192.0.2.9 SIP/2.0", 400),
    ],
)
def test_a_request_is_refused_for_its_start(start: str, status: int | None) -> None:
    refused = refusal(written(start=start))
    assert (refused[0] if refused else None) == status


@pytest.mark.parametrize("missing", ["From", "To"])
def test_a_request_without_a_header_that_all_have_is_refused(missing: str) -> None:
    headers = tuple(header for header in HEADERS if not header.startswith(missing))
    assert refusal(written(headers=headers)) == (400, "Bad Request")


@pytest.mark.parametrize("twice", HEADERS[1:])
def test_a_request_with_such_a_header_twice_is_refused(twice: str) -> None:
    assert refusal(written(twice)) == (400, "Bad Request")


def test_a_body_that_is_too_long_for_its_type_is_refused() -> None:
    info = written("Content-Type: application/dtmf-relay")
    assert refusal(info) is None
    long = Message(info.headers, b"Signal=1\r\n" + b" " * 30_000, method=info.method, uri=info.uri)
    assert refusal(long) == (413, "Request Entity Too Large")


@pytest.mark.parametrize(
    "line",
    [
        "X-Carrier trace 4711",
        "X-Carrier",
        "X Carrier: 4711",
        ": 4711",
        "X-Carrier: \0",
        "X-C\u00e4rrier: 1",
        "Contact: <sip:far@192.0.2.1\0>",
        "Subject: \x1b[2J",
        "=====",
        "X-Long-Name" * 10 + ": 1",
        "X-Trace: " + "4711 " * 2000,
        "X-Trace: 4711\r\n" + " 4711" * 1000 + "\r\n" + " 4711" * 1000,
    ],
)
def test_a_bad_line_of_a_header_that_is_not_needed_is_ignored(line: str) -> None:
    """A header of the carrier's own used to make an answered call end as unanswered (RFC 3261 8.2.2)."""
    found = written(line, "Allow: BYE")
    assert found.get("allow") == "BYE"
    assert len(found.headers) == len(HEADERS) + 1
    assert refusal(found) is None


def test_headers_beyond_the_first_two_hundred_are_passed_over() -> None:
    """There used to be a bug: the whole message was dropped, so that an answered call ended as unanswered."""
    found = written("Allow: BYE", *(f"X-Trace: {number}" for number in range(300)))
    assert found.get("allow") == "BYE"
    assert len(found.headers) == 200
    assert refusal(found) is None


@pytest.mark.parametrize("name", ["Via", "v", "From", "f", "To", "t", "Call-ID", "i", "CSeq"])
def test_a_bad_line_of_a_header_that_is_needed_is_not(name: str) -> None:
    with pytest.raises(Malformed):
        written(f"{name}: \0")


@pytest.mark.parametrize(("length", "status"), [("4", None), ("3", None), ("5", 400), ("999999999", 400), ("x", None)])
def test_a_request_whose_body_ends_early_is_refused(length: str, status: int | None) -> None:
    """RFC 3261 18.3. There used to be a session description cut off in the middle that counted as a whole one."""
    data = "\r\n".join(["OPTIONS sip:gw@192.0.2.9 SIP/2.0", *HEADERS, f"Content-Length: {length}", "", "abcd"])
    refused = refusal(parse(data.encode()))
    assert (refused[0] if refused else None) == status


def test_a_response_whose_body_ends_early_is_dropped() -> None:
    data = "\r\n".join(["SIP/2.0 200 OK", *HEADERS, "l: 5", "", "abcd"])
    with pytest.raises(Malformed, match="cut off"):
        parse(data.encode())


def test_a_response_with_two_vias_went_astray() -> None:
    start = "SIP/2.0 200 OK"
    assert for_us(written(start=start))
    assert not for_us(written("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK2", start=start))
    assert not for_us(written(start=start, headers=(HEADERS[0] + ", SIP/2.0/UDP 192.0.2.7", *HEADERS[1:])))


# --- by the agent ------------------------------------------------------------------------------------------


def reply_to(ours: UserAgent, start: str, *more: str) -> list[int]:
    """The statuses with which a request is answered."""
    octets = "\r\n".join([start, *HEADERS, *more, "", ""]).encode()
    ours.receive(octets, FIRST, 2.0)
    return [message.status for message, _ in sent(ours)]


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("OPTIONS sip:gw@192.0.2.9 SIP/7.0", 505),
        ("OPTIONS tel:+441632960961 SIP/2.0", 416),
        ("INVITE sip:gw@192.0.2.9 SIP/2.0", 400),
        ("OPTIONS sip:gw@192.0.2.9:0 SIP/2.0", 400),
        ("OPTIONS sip:gw@192.0.2.9 SIP/2.0", 200),
    ],
)
def test_the_agent_refuses_what_is_written_badly(start: str, status: int) -> None:
    assert reply_to(agent(), start) == [status]


@pytest.mark.parametrize("start", ["ACK tel:1 SIP/2.0", "ACK sip:gw@192.0.2.9 SIP/7.0", "ACK sip:gw@192.0.2.9 SIP/2.0"])
def test_an_ack_is_never_answered(start: str) -> None:
    assert reply_to(agent(), start) == []


def test_an_answer_and_a_bye_with_a_bad_line_count() -> None:
    """Calls used to be answered at the far end and unanswered here (RFC 3261 8.2.2)."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 200, ("x", "y"), body=SDP).replace(b"X: y", b"X-Carrier trace 4711"), FIRST, 1.0)
    assert [message.method for message, _ in sent(ours)] == ["ACK"]
    bye = asked("BYE")(invite).replace(b"Content-Type: ", b"X-Carrier trace 4711 ")
    ours.receive(bye, FIRST, 2.0)
    assert [message.status for message, _ in sent(ours)] == [200]
    assert [type(event) for event in call.events] == [Answered, Ended]


def test_an_answer_that_went_astray_is_dropped() -> None:
    """A response with two Vias used to be accepted (8.1.3.3)."""
    ours = agent()
    call, invite = placed(ours)
    via = ("via", f"{invite.get('via')}, SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKother")
    ours.receive(with_headers(parse(reply(invite, 200, body=SDP)), via).encode(), FIRST, 1.0)
    assert sent(ours) == []
    assert call.events == []
