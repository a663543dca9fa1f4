"""Bodies: the type is looked at first, then the size; of several parts only the description is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.body import MOST_OCTETS, description, key_pressed
from drivers.sip.message import Message

SDP = b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 5000 RTP/AVP 8\r\n"
OTHER = b"Content-Type: application/isup;version=itu\r\n\r\nc=IN IP4 203.0.113.66\r\nm=audio 9 RTP/AVP 8\r\n"
OURS = b"Content-ID: <1@far>\r\ncontent-type : Application/SDP ; charset=utf-8\r\n\r\n" + SDP


def message(kind: str, body: bytes) -> Message:
    return Message((("content-type", kind),) if kind else (), body, method="INFO", uri="sip:gw@192.0.2.9")


def parts(*bodies: bytes, boundary: bytes = b"cut") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + body + b"\r\n" for body in bodies) + b"--" + boundary + b"--\r\n"


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        ("application/sdp", SDP, SDP),
        ("Application/SDP; charset=utf-8", SDP, SDP),
        ("", SDP, SDP),
        ("text/plain", SDP, b""),
        ("application/sdpx", SDP, b""),
        ("multipart/mixed;boundary=cut", parts(OTHER, OURS), SDP),
        ('Multipart/Alternative; boundary="cut"', parts(OURS, OTHER), SDP),
        ('multipart/mixed;boundary="c;u,t"', parts(OURS, boundary=b"c;u,t"), SDP),
        ("multipart/mixed;boundary=cut", b"before\r\n" + parts(OTHER, OURS).replace(b"\r\n", b"\n"), SDP),
        ("multipart/mixed;boundary=cut", parts(OTHER), b""),
        ("multipart/mixed;boundary=other", parts(OURS), b""),
        ("multipart/mixed", parts(OURS), b""),
        ("multipart/mixed;boundary=cut", parts(b"\r\n" + SDP), b""),
        ("multipart/mixed;boundary=cut", parts(*[OTHER] * 40, OURS), b""),
        ("application/sdp", SDP + b"a=x\r\n" * 4000, b""),
        ("multipart/mixed;boundary=cut", parts(OURS) + b"x" * 40_000, b""),
        ("", b"x" * 40_000, b""),
    ],
)
def test_a_description_is_read_where_the_type_says_that_one_is(kind: str, body: bytes, found: bytes) -> None:
    """There used to be a c= line of any part that sent the audio there."""
    assert description(message(kind, body)).replace(b"\r\n", b"\n").strip() == found.replace(b"\r\n", b"\n").strip()


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", "1"),
        ("application/dtmf-relay", b"Signal= #\nDuration= 160", "#"),
        ("Application/DTMF-Relay;x=y", b"\r\n\r\n  signal = D \r\n", "D"),
        ("application/dtmf", b"5", "5"),
        ("application/dtmf", b" * \r\n", "*"),
        ("application/dtmf-relay", b"Duration=1\r\n", ""),
        ("application/dtmf-relay", b"Signal=12\r\n", ""),
        ("application/dtmf-relay", b"Signal=e\r\n", ""),
        ("application/dtmf-relay", b"", ""),
        ("application/sdp", b"Signal=1\r\n", ""),
        ("text/x-application/dtmf", b"1", ""),
        ("", b"1", ""),
        ("application/dtmf-relay", b"Signal=1\r\n" + b" " * 300, ""),
    ],
)
def test_a_key_is_read_where_the_type_says_that_one_is(kind: str, body: bytes, key: str) -> None:
    assert key_pressed(message(kind, body)) == key


@given(st.sampled_from([*MOST_OCTETS, "multipart/mixed;boundary=cut"]), st.binary(max_size=600))
def test_no_body_can_break_it(kind: str, body: bytes) -> None:
    for whole in (body, parts(body, body)):
        description(message(kind, whole))
        key_pressed(message(kind, whole))
