"""SIP messages as octets and back: what is read, what is ignored, what is refused."""

import itertools
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.message import (
    MAX_DATAGRAM,
    MAX_HEADER,
    Framer,
    Malformed,
    Message,
    parameters,
    parse,
    split,
    tag_of,
    unquoted,
    uri_of,
)

NEEDED = {"Via": "SIP/2.0/UDP a;branch=z9hG4bK1", "From": "<sip:a@b>;tag=1", "To": "<sip:c@d>", "Call-ID": "x@y"}
CSEQ = {"CSeq": "1 INVITE"}


def octets(
    more: Mapping[str, str | None] = MappingProxyType({}), *, start: str = "INVITE sip:c@d SIP/2.0", body: bytes = b""
) -> bytes:
    """A message with all that is needed; more: headers by name, a None leaves one out."""
    headers = {**NEEDED, **CSEQ, **more}
    lines = [start, *(f"{name}: {value}" for name, value in headers.items() if value is not None), "", ""]
    return "\r\n".join(lines).encode() + body


# --- the start line -------------------------------------------------------------------------------------------


def test_a_request_has_method_uri_and_version() -> None:
    found = parse(octets(start="invite sip:c@d sip/2.0"))
    assert (found.method, found.uri, found.version) == ("INVITE", "sip:c@d", "SIP/2.0")
    assert (found.status, found.reason) == (0, "")
    assert parse(octets(start="INVITE sip:c@d SIP/7.123")).version == "SIP/7.123"


def test_a_response_has_status_and_reason() -> None:
    found = parse(octets(start="SIP/2.0 486 Busy Here"))
    assert (found.status, found.reason, found.method, found.uri) == (486, "Busy Here", "", "")
    assert parse(octets(start="sip/2.0 100")).status == 100
    assert parse(octets(start="SIP/2.0 699 ")).reason == ""


@pytest.mark.parametrize(
    "start",
    [
        "",
        "INVITE",
        "INVITE sip:c@d",
        "INVITE  SIP/2.0",
        "INVITE sip:c@d HTTP/1.1",
        "INVITE sip:c@d SIP/2",
        "INVITE sip:c@d SIP/2.0 more",
        "INVITE sip:c@d XSIP/2.0",
        "IN VITE sip:c@d SIP/2.0",
        "INVITE\x01 sip:c@d SIP/2.0",
        "INVITE sip:c\x7f@d SIP/2.0",
        "INV(TE sip:c@d SIP/2.0",
        "M" * 65 + " sip:c@d SIP/2.0",
        "INVITE sip:" + "c" * MAX_HEADER + " SIP/2.0",
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0 2000 x",
        "SIP/2.0 ٢٠٠ OK",
        "SIP/2.0 OK",
        "SIP/2.0",
        "SIP/3.0 200 OK",
    ],
)
def test_what_does_not_begin_as_a_message_is_none(start: str) -> None:
    with pytest.raises(Malformed):
        parse(octets(start=start))


def test_a_start_line_may_be_as_long_as_a_header() -> None:
    uri = "sip:" + "c" * (MAX_HEADER - len("INVITE sip: SIP/2.0"))
    assert parse(octets(start=f"INVITE {uri} SIP/2.0")).uri == uri
    with pytest.raises(Malformed):
        parse(octets(start=f"INVITE {uri}c SIP/2.0"))


# --- headers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_message_whose_needed_header_cannot_be_read_is_none(name: str) -> None:
    with pytest.raises(Malformed):
        parse(octets({name: "a\x00b"}))
    with pytest.raises(Malformed):
        parse(octets({name: "a" * (MAX_HEADER + 1)}))


@pytest.mark.parametrize("name", ["Via", "Call-ID", "CSeq"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_message_without_what_names_its_transaction_is_none(name: str, value: str | None) -> None:
    with pytest.raises(Malformed):
        parse(octets({name: value}))


@pytest.mark.parametrize("line", ["X-Bad: a\x00b", "no colon", "(bad name): x", ": x", f"X-Long: {'x' * MAX_HEADER}"])
def test_a_bad_line_of_another_header_is_passed_over(line: str) -> None:
    data = octets().replace(b"\r\n\r\n", f"\r\n{line}\r\nX-Good: 1\r\n\r\n".encode())
    found = parse(data)
    assert found.get("x-good") == "1"
    assert len(found.headers) == 6


def test_a_header_may_have_8192_characters() -> None:
    value = "x" * (MAX_HEADER - 1)
    assert MAX_HEADER == 8192
    assert parse(octets({"X-Long": value})).get("x-long") == value
    assert parse(octets({"X-Long": value + "xx"})).get("x-long") == ""


def test_200_headers_are_read() -> None:
    more = {f"X-{number}": str(number) for number in range(1, 300)}
    found = parse(octets(more))
    assert len(found.headers) == 200
    assert found.get("x-195") == "195"
    assert found.get("x-196", "none") == "none"


COMPACT = (
    "i call-id, m contact, l content-length, c content-type, f from, s subject, k supported, t to, v via, "
    "e content-encoding, r refer-to, x session-expires"
)


@pytest.mark.parametrize(("short", "long"), [pair.split() for pair in COMPACT.split(", ")])
def test_a_compact_name_stands_for_the_long_one(short: str, long: str) -> None:
    data = octets().replace(b"\r\n\r\n", f"\r\n{short.upper()} : 7\r\n\r\n".encode())
    assert parse(data).headers[-1] == (long, "7")


def test_names_are_in_lower_case_and_values_without_blanks_around_them() -> None:
    assert parse(octets({"X-CaSe": " \t a\tb "})).get("x-case") == "a b"


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("blank", [" ", "\t", "  \t"])
def test_a_line_that_begins_with_a_blank_goes_on_with_the_one_before(end: str, blank: str) -> None:
    data = octets({"Subject": "one"}).replace(b"one", f"one{end}{blank}two{end}{blank} three".encode())
    data = data.replace(b"\r\n", end.encode())
    found = parse(data)
    assert found.get("subject") == "one two three"
    assert found.get("call-id") == "x@y"


def test_a_start_line_that_begins_with_a_blank_goes_on_with_nothing() -> None:
    assert parse(b" " + octets({"Subject": "one"}).replace(b"one", b"one\r\n two")).get("subject") == "one two"


def test_the_first_value_of_a_header_counts_and_lists_are_taken_apart() -> None:
    data = octets().replace(b"\r\n\r\n", b'\r\nRoute: <sip:a,b;lr>, "x, y" <sip:c>\r\nRoute: <sip:d>\r\nY: 1,2\r\n\r\n')
    found = parse(data)
    assert found.all("route") == ["<sip:a,b;lr>", '"x, y" <sip:c>', "<sip:d>"]
    assert found.get("route") == '<sip:a,b;lr>, "x, y" <sip:c>'
    assert found.all("y") == ["1,2"]
    assert (found.all("none"), found.get("none"), found.get("none", "-")) == ([], "", "-")


@pytest.mark.parametrize("name", ["Via", "Record-Route", "Route", "Contact", "Allow", "Supported", "Require", "Reason"])
def test_these_headers_are_lists(name: str) -> None:
    assert Message(((name.lower(), "a, b,, c"),)).all(name.lower()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("value", "cseq"),
    [
        ("1 INVITE", (1, "INVITE")),
        ("4294967295  invite ", (4294967295, "INVITE")),
        ("12345678901 INVITE", (0, "")),
        ("-1 INVITE", (0, "")),
        ("٣ INVITE", (0, "")),
        ("1", (0, "")),
        ("1 IN VITE", (0, "")),
        ("", (0, "")),
    ],
)
def test_a_sequence_number_is_read_or_is_none(value: str, cseq: tuple[int, str]) -> None:
    assert Message((("cseq", value),)).cseq == cseq


def test_the_branch_is_that_of_the_topmost_via() -> None:
    vias = (("via", "SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=2"), ("via", "SIP/2.0/UDP c;branch=3"))
    assert Message(vias).branch == "z9hG4bK1"
    assert Message((("via", "SIP/2.0/UDP a;rport"),)).branch == ""
    assert Message(()).branch == ""


# --- the body -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "body"),
    [
        (None, b"hello"),
        ("3", b"hel"),
        ("0", b""),
        ("9", b"hello"),
        ("-1", b"hello"),
        ("x", b"hello"),
        ("٣", b"hello"),
        ("000000003", b"hel"),
        ("0000000003", b"hello"),
    ],
)
def test_a_body_ends_where_its_length_says(length: str | None, body: bytes) -> None:
    found = parse(octets({"Content-Length": length}, body=b"hello"))
    assert (found.body, found.complete) == (body, length != "9")


def test_a_response_that_was_cut_off_is_none() -> None:
    """RFC 3261 18.3; a request is answered with 400."""
    whole = octets({"Content-Length": "5"}, start="SIP/2.0 200 OK", body=b"hello")
    assert parse(whole).complete
    with pytest.raises(Malformed):
        parse(whole[:-1])


def test_bare_line_feeds_and_blank_lines_before_do_no_harm() -> None:
    found = parse(b"\r\n\n" + octets(body=b"hello").replace(b"\r\n", b"\n"))
    assert (found.method, found.get("call-id"), found.body) == ("INVITE", "x@y", b"hello")
    assert parse(octets().removesuffix(b"\r\n\r\n")).body == b""


# --- out ------------------------------------------------------------------------------------------------------


def test_a_message_is_written_as_it_is_usual() -> None:
    headers = (("via", "v"), ("call-id", "x"), ("cseq", "1 A"), ("www-authenticate", "w"), ("rack", "r"))
    more = (("min-se", "90"), ("p-asserted-identity", "p"), ("content-type", "t"), ("content-length", "99"))
    lines = ["Via: v", "Call-ID: x", "CSeq: 1 A", "WWW-Authenticate: w", "RAck: r", "Min-SE: 90"]
    lines += ["P-Asserted-Identity: p", "Content-Type: t", "Content-Length: 4", "", "body"]
    request = Message(headers + more, b"body", method="INFO", uri="sip:a")
    assert request.encode().decode() == "\r\n".join(["INFO sip:a SIP/2.0", *lines])
    response = Message(headers + more, b"body", status=200, reason="OK")
    assert response.encode().decode() == "\r\n".join(["SIP/2.0 200 OK", *lines])


def test_nothing_that_a_message_carries_shows() -> None:
    """Numbers stand in headers, URIs and bodies."""
    shown = repr(Message((("to", "sip:447700900123@d"),), b"447700900123", method="INVITE", uri="sip:447700900123@d"))
    assert "447700900123" not in shown
    assert "INVITE" in shown


# --- values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("a, b,,c ,", ["a", "b", "c"]),
        ('"a, b" <x,y>, c', ['"a, b" <x,y>', "c"]),
        (r'"a \", b", c', [r'"a \", b"', "c"]),
        (r'"a \\", b', [r'"a \\"', "b"]),
        (r'"a \\\", b", c', [r'"a \\\", b"', "c"]),
        ('<a"b, c>, d"e, f"', ['<a"b, c>', 'd"e, f"']),
        ('"<", b, <c>', ['"<"', "b", "<c>"]),
        ("<a>, b>, c", ["<a>", "b>", "c"]),
        ('"a, b', ['"a, b']),
        ("<a, b", ["<a, b"]),
        (r"<a>\, b", ["<a>\\", "b"]),
        ("", []),
    ],
)
def test_a_list_is_taken_apart_outside_quotes_and_brackets(value: str, parts: list[str]) -> None:
    assert split(value, ",") == parts
    assert split(value.replace(",", ";"), ";") == [part.replace(",", ";") for part in parts]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ('"a b"', "a b"),
        (r'"a \" \\ b"', r"a " + '"' + r" \ b"),
        ("a", "a"),
        ('"a', "a"),
        ('a"', "a"),
        ('"', ""),
        ('""', ""),
    ],
)
def test_a_quoted_string_loses_its_quotes_and_escapes(text: str, bare: str) -> None:
    assert unquoted(text) == bare


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        ("<sip:a@b;lr>;tag=1", "sip:a@b;lr"),
        ('"A <x>" <sip:a@b>', "sip:a@b"),
        ("sip:a@b;tag=1", "sip:a@b"),
        ("<sip:a@b", ""),
        ("", ""),
        (";tag=1", "tag=1"),
    ],
)
def test_the_uri_of_a_value_is_what_its_brackets_hold(value: str, uri: str) -> None:
    assert uri_of(value) == uri


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('<sip:a;x=1>;Tag=T; y = "q;z" ;flag;=no', {"tag": "T", "y": "q;z", "flag": ""}),
        ("sip:a", {}),
        (";a=1;b=2", {"a": "1", "b": "2"}),
        ("  ;a=b=c", {"a": "b=c"}),
    ],
)
def test_the_parameters_of_a_value_stand_behind_it(value: str, found: dict[str, str]) -> None:
    assert parameters(value) == found


# --- a stream -------------------------------------------------------------------------------------------------


def cut(*pieces: bytes) -> list[bytes]:
    """Every message of a stream that comes in these pieces."""
    framer, found = Framer(), []
    for piece in pieces:
        framer.feed(piece)
        while data := framer.take():
            found.append(data)
    return found


FIRST, SECOND = octets({"Content-Length": "5"}, body=b"hello"), octets({"L": "0"}, start="SIP/2.0 200 OK")


@given(st.lists(st.integers(0, 2 * len(FIRST + SECOND) + 4), max_size=10))
def test_a_stream_is_cut_into_its_messages_in_whatever_pieces_it_comes(cuts: list[int]) -> None:
    stream = b"\r\n\r\n" + FIRST + b"\r\n" + SECOND + FIRST
    places = [0, *sorted(cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert cut(*pieces) == [FIRST, SECOND, FIRST]


@pytest.mark.parametrize("line", ["content-length:0", "L : 0", "l:\t0 ", "CONTENT-LENGTH : 000"])
def test_a_length_may_be_written_in_other_ways(line: str) -> None:
    data = octets().replace(b"\r\n\r\n", f"\r\n{line}\r\n\r\n".encode())
    assert cut(data + FIRST) == [data, FIRST]


@pytest.mark.parametrize("line", ["X: 0", "Content-Length: x", "Content-Length: 1234567890", "XL: 0"])
def test_a_stream_whose_message_has_no_length_is_none(line: str) -> None:
    with pytest.raises(Malformed):
        cut(octets().replace(b"\r\n\r\n", f"\r\n{line}\r\n\r\n".encode()))


def test_the_rest_of_a_body_that_is_too_long_is_passed_over() -> None:
    """The stream carries other calls too."""
    for more in (1, 5, 100_000):
        head = octets({"Content-Length": str(MAX_DATAGRAM + more)})
        body = b"x" * (MAX_DATAGRAM + more)
        whole = head + body[:MAX_DATAGRAM]
        assert cut(head, body, FIRST) == [whole, FIRST]
        assert cut(head + body + FIRST) == [whole, FIRST]
        assert cut(head, body[:-3], body[-3:-1], body[-1:] + FIRST) == [whole, FIRST]
    exactly = octets({"Content-Length": str(MAX_DATAGRAM)}) + b"x" * MAX_DATAGRAM
    assert cut(exactly + FIRST) == [exactly, FIRST]


def test_a_head_has_at_most_as_many_octets_as_a_datagram() -> None:
    assert MAX_DATAGRAM == 65535
    short = len(octets({"X": "", "Content-Length": "0"}))
    most = octets({"X": "x" * (MAX_DATAGRAM - short), "Content-Length": "0"})
    assert cut(most + FIRST) == [most, FIRST]
    assert cut(most[:-1], most[-1:]) == [most]
    with pytest.raises(Malformed):
        cut(most.replace(b"X: ", b"X: x"))
    with pytest.raises(Malformed):
        cut(b"x" * (MAX_DATAGRAM + 1))
    assert cut(b"x" * MAX_DATAGRAM) == []


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:a@b>;tag=x1", "x1"),
        ('"A;tag=1" <sip:a@b;tag=2>;x;TAG=x3', "x3"),
        ("sip:a@b;tag=x4", "x4"),
        ("<sip:a@b>", ""),
    ],
)
def test_the_tag_of_a_header_is_the_one_behind_its_address(value: str, tag: str) -> None:
    assert tag_of(value) == tag
