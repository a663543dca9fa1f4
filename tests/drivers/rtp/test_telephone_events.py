"""Keys that are pressed: telephone events in the audio (RFC 4733)."""

import os

from drivers.rtp.messages import Key, Media, Stopped
from drivers.rtp.process_handle import Pacer
from tests.drivers.rtp.line import FRAME, Line, event, telephone_event


def test_a_key_is_told_once(pacer: Pacer, line: Line) -> None:
    pacer.play(4, line.near, Media(0, events=(101,)), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    for digit, timestamp in ((1, 1000), (11, 2000)):
        for end in (False, False, True, True, True):
            line.far.sendto(telephone_event(digit, timestamp, end=end), line.near.getsockname())
    assert event(pacer, line) == Key(4, "1")
    assert event(pacer, line) == Key(4, "#")
    pacer.stop(4)
    assert isinstance(event(pacer, line), Stopped)


def test_what_is_no_key_wakes_nobody_and_harms_nothing(pacer: Pacer, line: Line) -> None:
    pacer.play(4, line.near, Media(0, events=(101,)), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    speech = telephone_event(1, 5, payload_type=0)
    for packet in (speech, b"", b"x", telephone_event(200, 7), telephone_event(1, 9)[:14], os.urandom(200)):
        line.far.sendto(packet, line.near.getsockname())
    line.far.sendto(telephone_event(5, 11), line.near.getsockname())
    assert event(pacer, line) == Key(4, "5")


def keys_of(pacer: Pacer, line: Line, packets: list[bytes]) -> str:
    """The keys in these packets. A key 9 is sent behind them: once it comes, all of them were read."""
    pacer.play(4, line.near, Media(0, events=(101, 96)), bytes(FRAME * 500))
    event(pacer, line, packets=3)
    for packet in [*packets, telephone_event(9, 0x7000_0000)]:
        line.far.sendto(packet, line.near.getsockname())
    told = ""
    while not told.endswith("9"):
        key = event(pacer, line)
        assert isinstance(key, Key)
        told += key.digit
    return told[:-1]


def pressed(digit: int, timestamp: int, source: int = 99) -> list[bytes]:
    """All packets of an event: the first has the marker, the last comes three times."""
    ends = [False, False, False, True, True, True]
    packets = [bytearray(telephone_event(digit, timestamp, end=end)) for end in ends]
    packets[0][1] |= 0x80
    for packet in packets:
        packet[8:12] = source.to_bytes(4, "big")
    return [bytes(packet) for packet in packets]


def test_a_key_is_told_whichever_of_its_packets_are_lost(pacer: Pacer, line: Line) -> None:
    assert keys_of(pacer, line, pressed(1, 1000)[1:] + pressed(2, 3000)[-1:] + pressed(3, 5000)[:1]) == "123"


def test_a_late_packet_of_an_earlier_key_tells_nothing(pacer: Pacer, line: Line) -> None:
    assert keys_of(pacer, line, pressed(1, 1000) + pressed(1, 2000) + pressed(1, 1000)[-2:]) == "11"


def test_the_keys_of_another_device_are_told_however_its_clock_stands(pacer: Pacer, line: Line) -> None:
    assert keys_of(pacer, line, pressed(1, 9000) + pressed(2, 100, source=7)) == "12"


def test_keys_behind_sources_and_an_extension_are_found(pacer: Pacer, line: Line) -> None:
    plain = telephone_event(5, 1000)
    extended = bytes([plain[0] | 0x12]) + plain[1:12] + bytes(8) + b"\xbe\xde\x00\x01" + bytes(4) + plain[12:]
    cut = bytes([plain[0] | 0x1F]) + telephone_event(6, 2000)[1:]
    padded = bytes([plain[0] | 0x20]) + telephone_event(7, 3000)[1:] + b"\xff"
    other_type = telephone_event(8, 4000, payload_type=96)
    assert keys_of(pacer, line, [extended, cut, padded, other_type]) == "58"
