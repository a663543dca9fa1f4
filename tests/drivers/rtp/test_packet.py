"""RTP packets and reports as octets (RFC 3550 5.1, 6.4.1)."""

import struct

from drivers.rtp.messages import Media
from drivers.rtp.packet import MARKER, Packetizer, parsed
from drivers.rtp.rtcp import goodbye, sender_report


def test_packets_follow_each_other_and_only_the_first_of_a_talkspurt_is_marked() -> None:
    made = Packetizer(sequence=0xFFFF, timestamp=0xFFFFFFF0, ssrc=7)
    first = made.packet(8, b"a" * 160)
    made.pass_over(160)
    second = made.packet(8, b"b" * 160)
    assert (first[1], second[1]) == (MARKER | 8, 8)
    found = [parsed(first), parsed(second)]
    assert [(p.sequence, p.timestamp, p.ssrc, p.payload_type) for p in found if p is not None] == [
        (0xFFFF, 0xFFFFFFF0, 7, 8),
        (0, 144, 7, 8),
    ]
    assert (made.count, made.octets) == (2, 320)


def test_the_numbers_of_a_source_start_at_random_with_room_in_the_sequence() -> None:
    """RFC 3711 3.3.1: a receiver that misses the start must not take the first wrap for another."""
    made = [Packetizer() for _ in range(50)]
    assert len({each.ssrc for each in made}) == len({each.timestamp for each in made}) == 50
    assert all(each.sequence < 1 << 15 for each in made)


def test_a_report_tells_the_time_in_both_clocks_and_what_was_sent() -> None:
    sent = Packetizer(timestamp=1234, ssrc=7, count=3, octets=480)
    kind, length, ssrc, seconds, fraction, timestamp, packets, octets = struct.unpack_from(
        "!xBHIIIIII", sender_report(sent, 0.25)
    )
    assert (kind, length, ssrc, timestamp, packets, octets) == (200, 6, 7, 1234, 3, 480)
    assert (seconds, fraction) == (2_208_988_800, 1 << 30)
    assert sender_report(sent, 0.25)[28:].startswith(b"\x81\xca")


def test_a_goodbye_names_its_source() -> None:
    assert goodbye(7) == b"\x81\xcb\x00\x01\x00\x00\x00\x07"


def test_a_far_end_may_send_what_was_agreed_its_keys_and_comfort_noise() -> None:
    assert Media(8, laws=(0, 8), events=(101,)).fitting == {0, 8, 13, 101}
