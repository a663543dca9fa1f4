"""What the simulated phone reads: any datagram is a message or none, any description an offer or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.phone.message import Message, address_of, digits_of, read_message, tag_of, uri_of, via_back
from drivers.simulated.phone.sdp import read_offer, write_answer

HEAD = "Via: SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\n"
LINES = st.lists(
    st.sampled_from(["Via: ", "v:", ";tag=", "<", ">", "\r\n ", "\r\n", "m=audio 9 RTP/AVP 0", "c=IN IP4 1", " ", ":"])
    | st.text(max_size=8),
    max_size=20,
).map("".join)


def request(more: str = "", cseq: str = "1 OPTIONS") -> bytes:
    return f"OPTIONS sip:447700900123@127.0.0.2 SIP/2.0\r\n{HEAD}CSeq: {cseq}\r\n{more}\r\n".encode()


def message(via: str) -> Message:
    return Message("OPTIONS", "sip:a@b", 0, (("via", via),), b"")


@given(st.binary(max_size=300) | LINES.map(lambda text: request(text)) | LINES.map(str.encode))
def test_any_datagram_is_a_message_or_none(data: bytes) -> None:
    found = read_message(data)
    if found is not None:
        via_back(found, ("127.0.0.1", 5060))
        for _, value in found.headers:
            tag_of(value), uri_of(value), digits_of(value), address_of(value, ("127.0.0.1", 1))


@given(st.binary(max_size=300) | LINES.map(str.encode))
def test_any_description_is_an_offer_or_none(body: bytes) -> None:
    offer = read_offer(body, "")
    if offer is not None:
        assert write_answer(offer, "127.0.0.1", 4000).count(b"m=") >= len(offer.sections)


@pytest.mark.parametrize(
    "data",
    [
        request(cseq="x OPTIONS"),
        request(cseq="1 INVITE"),
        request("Content-Length: 1\r\n"),
        request("Content-Length: x\r\n"),
        request().replace(b"Call-ID", b"X-ID"),
        request()[:-2],
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_a_message_that_is_not_whole_is_none(data: bytes) -> None:
    assert read_message(data) is None
    assert read_message(request()) is not None


def test_a_folded_header_is_one_line() -> None:
    found = read_message(request("Subject: one\r\n\t two\r\n"))
    assert found is not None
    assert found.first("subject") == "one two"


@pytest.mark.parametrize(
    ("via", "to"),
    [
        ("SIP/2.0/UDP 127.0.0.1:5071;branch=z", ("127.0.0.9", 5071)),
        ("SIP/2.0/UDP host;branch=z", ("127.0.0.9", 5060)),
        ("SIP/2.0/UDP 127.0.0.1:5071;rport;branch=z", ("127.0.0.9", 40000)),
    ],
)
def test_a_response_goes_where_the_via_says(via: str, to: tuple[str, int]) -> None:
    (first,), found = via_back(message(via), ("127.0.0.9", 40000))
    assert found == to
    assert first.endswith(";received=127.0.0.9")
    assert ("rport=40000" in first) == ("rport" in via)


def test_what_the_phone_does_not_take_is_refused_in_its_place() -> None:
    body = b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 4000 RTP/AVP 31\r\nm=audio 5000 RTP/AVP 8 0 101\r\na=sendonly\r\n"
    offer = read_offer(body + b"a=rtpmap:101 telephone-event/8000\r\n", "")
    assert offer is not None
    assert (offer.codec.name, offer.events, offer.audio) == ("PCMA", "101", ("127.0.0.1", 5000))
    answer = write_answer(offer, "127.0.0.2", 6000).decode()
    assert [line for line in answer.splitlines() if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 31",
        "m=audio 6000 RTP/AVP 8 101",
    ]
    assert "a=recvonly" in answer
    assert read_offer(body, "pcmu") is not None
    assert read_offer(b"m=audio 5000 RTP/AVP 9\r\n", "") is None
