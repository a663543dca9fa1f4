"""A stream of octets is cut into messages, in whatever pieces it comes (RFC 3261 18.3)."""

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.message import Framer, Malformed, parse
from tests.drivers.sip.agents import (
    SDP,
    agent,
    placed,
    reply,
)


def messages() -> Iterator[bytes]:
    ours = agent()
    _, invite = placed(ours)
    yield invite.encode()
    yield reply(invite, 180)
    yield reply(invite, 200, body=SDP)


WHOLE = list(messages())


@given(st.integers(), st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
def test_a_stream_in_any_pieces_gives_its_messages(seed: int, between: bytes) -> None:
    stream, framer, found = between.join(WHOLE), Framer(), []
    rng = random.Random(seed)
    while stream:
        size = rng.randint(1, 700)
        framer.feed(stream[:size])
        stream = stream[size:]
        while data := framer.take():
            found.append(data)
    assert found == WHOLE


@given(st.binary(max_size=400))
def test_a_stream_of_anything_gives_messages_or_is_malformed(data: bytes) -> None:
    framer = Framer()
    framer.feed(data + b"\r\n\r\n")
    with suppress(Malformed):
        while framer.take():
            pass


@pytest.mark.parametrize(
    "header",
    ["Content-Length:\r\n 3", "Content-Length \r\n\t:\r\n  3", "l: 3 \r\n ", "l:3", "L\t:\t3\t", "Content-Length:\n 3"],
)
def test_a_length_on_a_folded_line_is_one(header: str) -> None:
    """RFC 3261 7.3.1. The connection used to be closed, with all that waited on it."""
    whole = f"INFO sip:x SIP/2.0\r\nVia: x\r\n{header}\r\nTo: x\r\n\r\nabc".encode()
    framer = Framer()
    framer.feed(whole + whole)
    assert (framer.take(), framer.take(), framer.take()) == (whole, whole, b"")


@pytest.mark.parametrize("header", ["l: 3\r\n 4", "l: 3 4", "l: -3", "l:\r\n", "Not-l: 3"])
def test_what_is_no_length_is_malformed(header: str) -> None:
    framer = Framer()
    framer.feed(f"INFO sip:x SIP/2.0\r\n{header}\r\nTo: x\r\n\r\nabc".encode())
    with pytest.raises(Malformed):
        framer.take()


def test_a_stream_without_lengths_or_ends_is_malformed() -> None:
    for stream in (b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", b"x" * 70_000, b"l: 1000000000\r\n\r\n"):
        framer = Framer()
        framer.feed(stream)
        with pytest.raises(Malformed):
            framer.take()


@pytest.mark.parametrize("size", [65_536, 100_000, 1_000_000])
@pytest.mark.parametrize("piece", [1000, 65_535, 2_000_000])
def test_a_body_longer_than_a_datagram_does_not_end_the_stream(size: int, piece: int) -> None:
    """There used to be a bug: one INFO of 100 kB closed the connection to the trunk, with all that waited on it."""
    head = b"INFO sip:x SIP/2.0\r\nVia: x\r\nl: %d\r\n\r\n"
    stream = head % size + b"x" * size + head % 3 + b"end"
    framer, messages = Framer(), []
    for at in range(0, len(stream), piece):
        framer.feed(stream[at : at + piece])
        while message := framer.take():
            messages.append(message)
    assert messages == [head % size + b"x" * 65_535, head % 3 + b"end"]


def test_line_ends_before_a_message_do_not_hide_its_body() -> None:
    assert parse(b"\r\n\r\n" + reply(placed(agent())[1], 200, body=SDP)).body == SDP
