"""What is asked of us: what is refused (RFC 3261 8.2), and where the responses go (18.2.2, RFC 3581)."""

import pytest

from drivers.sip.address import Address, TransportKind
from drivers.sip.call_events import Answered
from drivers.sip.message import Message, parameters, parse
from tests.drivers.sip.agents import (
    agent,
    answered,
    asked,
    described,
    ports,
    response_to,
    sent,
    with_headers,
)

NAT = ("198.51.100.7", 31000)


def stranger(method: str, *headers: tuple[str, str], uri: str = "sip:gw@192.0.2.9", via: str = "") -> bytes:
    kept = (
        ("via", via or "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs"),
        ("from", "<sip:a@b>;tag=1"),
        ("to", "<sip:c@d>"),
        ("call-id", "x"),
        ("cseq", f"1 {method}"),
    )
    return Message((*kept, *headers), method=method, uri=uri).encode()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "BYE", "INFO"])
def test_a_request_that_requires_what_we_cannot_do_is_refused(method: str, inside: bool) -> None:
    ours = agent()
    call, _ = answered(ours)
    required = ("require", "nothingSupportsThis, timer, preconditions")
    data = asked(call, method, 1, required) if inside else stranger(method, required)
    response = response_to(ours, data)
    assert (response.status, response.get("unsupported")) == (420, "nothingSupportsThis, preconditions")
    assert [type(event) for event in call.events] == [Answered]


def test_what_we_can_do_may_be_required_and_a_cancel_may_require_anything() -> None:
    ours = agent()
    call, _ = answered(ours)
    assert response_to(ours, asked(call, "UPDATE", 1, ("require", "timer, 100rel"))).status == 200
    assert response_to(ours, stranger("OPTIONS", ("require", "TIMER"))).status == 200
    assert response_to(ours, asked(call, "CANCEL", 1, ("require", "x"))).status == 481


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("method", ["NEWMETHOD", "PUBLISH", "X-1.%*_+`'~"])
def test_an_unknown_method_is_not_implemented(method: str, inside: bool) -> None:
    ours = agent()
    call, _ = answered(ours)
    response = response_to(ours, asked(call, method, 1) if inside else stranger(method))
    assert response.status == 501
    assert {"INVITE", "BYE", "CANCEL"} < set(response.all("allow"))


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("content-type", "application/isup"),), 415),
        ((("content-type", "text/plain"), ("content-disposition", "session;handling=required")), 415),
        ((("content-type", "application/sdp"), ("content-encoding", "gzip")), 415),
        ((("content-type", "multipart/mixed;boundary=b"),), 415),
        ((("content-type", "application/x-private"), ("content-disposition", "signal; handling = Optional")), 200),
        ((("content-type", "Application/SDP; charset=utf-8"),), 200),
        ((("content-type", "application/sdp"), ("content-encoding", "Identity")), 200),
    ],
)
def test_an_offer_that_is_no_description_is_refused(
    method: str, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    ours = agent()
    call, _ = answered(ours)
    request = with_headers(parse(asked(call, method, 1, body=described(4444))), *headers)
    response = response_to(ours, request.encode())
    assert response.status == status
    if status == 415:
        assert response.get("accept") + response.get("accept-encoding") in ("application/sdp", "identity")
        assert ports(call) == [40000]


def test_an_offer_among_other_parts_is_read() -> None:
    ours = agent()
    call, _ = answered(ours)
    isup, sdp = (b"--b\r\nContent-Type: application/%s\r\n\r\n" % kind for kind in (b"isup", b"sdp"))
    body = isup + b"c=IN IP4 10.0.0.1\r\n" + sdp + described(4444) + b"\r\n--b--\r\n"
    request = with_headers(parse(asked(call, "INVITE", 1, body=body)), ("content-type", 'multipart/mixed;boundary="b"'))
    assert response_to(ours, request.encode()).status == 200
    assert ports(call) == [40000, 4444]


@pytest.mark.parametrize("method", ["INFO", "UPDATE", "PRACK", "NOTIFY", "BYE", "CANCEL"])
def test_a_request_of_no_call_is_told_so(method: str) -> None:
    assert response_to(agent(), stranger(method)).status == 481


@pytest.mark.parametrize(
    ("to", "more"),
    [
        ("<sip:c@d>", ";tag=pinwheel"),
        ('"tag=1" <sip:c@d>', ";tag=pinwheel"),
        ("<sip:c@d;tag=1>;x=y", ";tag=pinwheel"),
        ("<sip:c@d>;tag=1", ""),
        ("<sip:c@d>;Tag=1", ""),
        ("<sip:c@d> ; tag = 1", ""),
    ],
)
def test_a_response_has_one_tag_of_ours(to: str, more: str) -> None:
    """There used to be two tags where the far end wrote "Tag", and none where "tag=" stood in a name (8.2.6.2)."""
    request = with_headers(parse(stranger("OPTIONS")), ("to", to))
    assert response_to(agent(), request.encode()).get("to") == to + more


def test_options_say_what_we_can_do() -> None:
    response = response_to(agent(), stranger("OPTIONS"))
    assert {"INVITE", "UPDATE", "CANCEL"} < set(response.all("allow"))
    assert (response.all("supported"), response.get("accept")) == (["timer", "100rel"], "application/sdp")


@pytest.mark.parametrize(
    ("via", "stamp", "where"),
    [
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport", ("198.51.100.7", "31000"), NAT),
        ("SIP/2.0/UDP 10.0.0.1:5070;RPORT;branch=z9hG4bK1", ("198.51.100.7", "31000"), NAT),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5070)),
        ("SIP/2.0/UDP pbx.example;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5060)),
        ("SIP/2.0/UDP 10.0.0.1;rport=9;received=10.9.9.9;branch=z9hG4bK1", ("198.51.100.7", "31000"), NAT),
        ("SIP/2.0/UDP 10.0.0.1;received=10.9.9.9;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5060)),
        ("SIP/2.0/UDP 10.0.0.1:5070;maddr=203.0.113.9;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5070)),
        ("SIP / 2.0 / UDP 10.0.0.1 : 5070 ; branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5070)),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_response_goes_where_the_via_asks_for_it(
    via: str, stamp: tuple[str, str | None], where: Address, inside: bool
) -> None:
    """There used to be a bug: rport was not filled in, and a sent-by port was not looked at."""
    ours = agent()
    call, _ = answered(ours)
    within = with_headers(parse(asked(call, "OPTIONS", 1)), ("via", via)).encode()
    data = within if inside else stranger("OPTIONS", via=via)
    for _ in range(2):
        ours.receive(data, NAT, 2.0)
        ((response, destination),) = sent(ours)
        found = parameters(response.all("via")[0])
        assert (found.get("received"), found.get("rport")) == stamp
        assert found["branch"] == "z9hG4bK1"
        assert destination == where


def test_over_a_connection_a_response_goes_back_by_it() -> None:
    ours = agent(kind=TransportKind.TCP)
    ours.receive(stranger("OPTIONS", via="SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bK1"), NAT, 2.0)
    assert [where for _, where in sent(ours)] == [NAT]
