"""Hosts, ports, URIs and Via values: what the grammar of RFC 3261 25.1 has becomes a type, all else is Malformed."""

import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.address import HostPort, host_port_of
from drivers.sip.message import Malformed
from drivers.sip.uri import read_uris, same, uri_from, via_from

USABLE = {
    "192.0.2.1": HostPort("192.0.2.1"),
    "192.0.2.1:1": HostPort("192.0.2.1", 1),
    "192.0.2.1:65535": HostPort("192.0.2.1", 65535),
    "[2001:DB8::1]": HostPort("2001:db8::1"),
    "[2001:db8:0:0::1]:5061": HostPort("2001:db8::1", 5061),
    "[::ffff:192.0.2.1]": HostPort("::ffff:c000:201"),
    "PBX": HostPort("pbx"),
    "sbc-1.example.com:5060": HostPort("sbc-1.example.com", 5060),
    "a.example.": HostPort("a.example."),
    "asterisk_1": HostPort("asterisk_1"),
    "1and1.example": HostPort("1and1.example"),
}

UNUSABLE = (
    *("", ":", ":5060", "[]", "[", "]", "[::1", "::1", "[::1]x", "[::1]:", "[::1]:0", "[192.0.2.1]", "[sbc.example]"),
    *("[::1%eth0]", "[fe80::1%25eth0]", "[::1%" + "é" * 70 + "]", "[::1\0]", "[::1%\0]"),
    *("192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+5", "192.0.2.1:5 0", "192.0.2.1:٣"),
    *("192.0.2.256", "192.0.2", "192.0.2.1.1", "192.0.2.01", "0x7f.1", "3232235777", "١.٢.٣.٤", "1.2.3.4\0"),
    *("sbc\0.example", "sbc .example", "sbc..example", ".example", "-a.example", "a-.example", "büro.example"),
    *("a" * 64 + ".example", "a." * 130 + "example", "sbc.example\n", "a/b", "a@b", "a,b", "*", "%00", "sbc.4com"),
    *("sbc:5060:5060", "sbc:" + "9" * 5000, "x" * 70_000),
)


@pytest.mark.parametrize("text", USABLE)
def test_a_host_of_the_grammar_is_read(text: str) -> None:
    assert host_port_of(text) == USABLE[text]
    assert host_port_of(str(USABLE[text])) == USABLE[text]
    assert uri_from(f"sip:far@{text};lr").at == USABLE[text]
    assert via_from(f"SIP/2.0/UDP {text};branch=z9hG4bK1").sent_by == USABLE[text]


@pytest.mark.parametrize("text", UNUSABLE, ids=lambda text: ascii(text)[:40])
def test_any_other_host_is_refused(text: str) -> None:
    for read in (host_port_of, lambda host: uri_from(f"sip:far@{host}"), lambda host: via_from(f"SIP/2.0/UDP {host}")):
        with pytest.raises(Malformed):
            read(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "sip:", "sip", "*", "tel:+441632960961", "http://192.0.2.1/", "sip:@192.0.2.1", "sip:a@b@192.0.2.1"),
        *("sip:a b@192.0.2.1", "sip:a@192.0.2.1 ", "sip:<a@192.0.2.1", 'sip:"a"@192.0.2.1', "sip:é@192.0.2.1"),
        *("sip:a@192.0.2.1;x=\0", "sip:a\r\n@192.0.2.1", "sip:192.0.2.1@", "sip:a@;lr", "sip:a@?x=y"),
    ],
)
def test_what_is_no_sip_uri_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        uri_from(text)


def test_a_uri_is_taken_apart_as_the_standard_says() -> None:
    uri = uri_from("SIPS:al;day=tue?@[::1]:5071;LR;Transport=tcp?subject=x:y")
    assert (uri.scheme, uri.user, uri.at) == ("sips", "al;day=tue?", HostPort("::1", 5071))
    assert uri.parameters == {"lr": "", "transport": "tcp"}


def test_a_via_may_have_blanks_where_the_standard_has_them() -> None:
    via = via_from("SIP  / 2.0  / TCP     spindle.example.test  : 5070 ;\n  branch  =   z9hG4bK9ikj8 ;rport")
    assert (via.transport, via.sent_by) == ("tcp", HostPort("spindle.example.test", 5070))
    assert via.parameters == {"branch": "z9hG4bK9ikj8", "rport": ""}


def test_of_many_values_those_that_hold_a_sip_uri_are_read() -> None:
    values = ["*", "<tel:+44>", '"a <b>; c" <sip:far@192.0.2.1;lr>;q=0.5', "<sip:far@[::1%lo]>", "sip:b@pbx;x", "<sip:"]
    first, second = read_uris(values)
    assert (first.text, first.uri.text, first.loose) == (values[2], "sip:far@192.0.2.1;lr", True)
    assert (second.uri.at, second.loose) == (HostPort("pbx"), False)
    assert "far" not in repr(first)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "224.0.0.1", "[ff02::1]", "255.255.255.255", "sbc.example"])
def test_what_is_not_the_address_of_one_host_is_nowhere_to_send_to(host: str) -> None:
    assert host_port_of(host).address(5060) is None


@given(st.one_of(st.text(), st.from_regex(r"\[?[0-9a-fA-F:.%]{1,40}\]?(:[0-9]{1,6})?", fullmatch=True)))
def test_whatever_becomes_an_address_may_be_sent_to(text: str) -> None:
    """There used to be hosts that made sendto() raise TypeError or UnicodeError."""
    with suppress(Malformed):
        address = host_port_of(text).address(9)
        if address is not None:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sock, suppress(OSError):
                sock.setblocking(False)
                sock.connect(address)  # as sendto() reads it, but nothing leaves


SAME = [
    ("sip:gw@192.0.2.9:5060", "SIP:gw@192.0.2.9:5060"),
    ("sip:gw@trunk.example", "sip:gw@TRUNK.Example"),
    ("sip:%67w@192.0.2.9", "sip:gw@192.0.2.9"),
    ("sip:gw@192.0.2.9", "sip:gw@192.0.2.9;ob"),
    ("sip:gw@192.0.2.9;transport=tcp", "sip:gw@192.0.2.9;Transport=TCP;lr"),
    ("sip:gw@[2001:db8::1]", "sip:gw@[2001:DB8:0::1]"),
    ("sip:gw@x;a=1;b=2?Subject=x&to=y", "sip:gw@x;b=2;a=1?TO=y&subject=x"),
]
DIFFERENT = [
    ("sip:gw@192.0.2.9", "sips:gw@192.0.2.9"),
    ("sip:gw@192.0.2.9", "sip:GW@192.0.2.9"),
    ("sip:gw@192.0.2.9", "sip:192.0.2.9"),
    ("sip:gw@192.0.2.9", "sip:gw@192.0.2.9:5060"),
    ("sip:gw@192.0.2.9:5060", "sip:gw@192.0.2.9:5061"),
    ("sip:gw@192.0.2.9", "sip:gw@192.0.2.9;transport=udp"),
    ("sip:gw@192.0.2.9", "sip:gw@192.0.2.9;user=phone"),
    ("sip:gw@192.0.2.9;a=1", "sip:gw@192.0.2.9;a=2"),
    ("sip:gw@192.0.2.9", "sip:gw@192.0.2.9?subject=x"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_uris_that_are_the_same_may_be_written_in_other_ways(one: str, other: str) -> None:
    assert same(uri_from(one), uri_from(other))
    assert same(uri_from(other), uri_from(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_uris_differ_by_what_the_standard_counts(one: str, other: str) -> None:
    assert not same(uri_from(one), uri_from(other))
    assert not same(uri_from(other), uri_from(one))


@pytest.mark.parametrize(
    ("uri", "reached_at"),
    [
        ("sip:a@192.0.2.1", "192.0.2.1"),
        ("sip:a@192.0.2.1:5070;maddr=192.0.2.9", "192.0.2.9:5070"),
        ("sip:a@pbx.example;MADDR=[2001:db8::9]", "[2001:db8::9]"),
    ],
)
def test_a_request_goes_to_maddr_where_a_uri_has_one(uri: str, reached_at: str) -> None:
    assert str(uri_from(uri).reached_at) == reached_at


@pytest.mark.parametrize("maddr", ["", "[::1%lo]", "a b", "127.0.0.8\0", "1.2.3"])
def test_a_maddr_that_is_no_host_is_malformed(maddr: str) -> None:
    with pytest.raises(Malformed):
        uri_from(f"sip:a@192.0.2.1;maddr={maddr}")
