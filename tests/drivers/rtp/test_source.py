"""Where the callee's packets come from, as a pure rule; the clock is in the hand."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtp.packet import Packet, parsed
from drivers.rtp.source import (
    FAR_IN_A_ROW,
    NEAR_IN_A_ROW,
    OLD_S,
    SILENT_S,
    Address,
    Decision,
    Facts,
    Signalled,
    Source,
)
from tests.examples import examples
from tests.peers.talker import rtp

SAID = ("192.0.2.10", 4000)
NATTED = ("192.0.2.10", 31000)  # the same host as it is seen
FAR = ("198.51.100.7", 5000)
PROXY = "203.0.113.5"
SIGNALLED = Signalled(SAID, (0, 8, 101), near=(PROXY,))
PRIVATE_ADDRESS = Signalled(("192.168.1.7", 4000), (0, 8, 101), near=(PROXY,))
FRAME_S = 0.02


@dataclass
class Sender:
    """Somebody who sends RTP."""

    address: Address
    ssrc: int
    sequence: int = 65_533
    payload_type: int = 0
    authentic: bool = False

    def packet(self) -> Facts:
        self.sequence = (self.sequence + 1) & 0xFFFF
        return Facts(self.address, self.ssrc, self.sequence, self.payload_type, self.authentic)


@dataclass
class Room:
    """A source, and the time."""

    source: Source = field(default_factory=lambda: Source(SIGNALLED))
    now: float = 100.0

    def hear(self, *senders: Sender, packets: int = 1, every_s: float = FRAME_S) -> list[Decision]:
        """So many packets of each, in turn."""
        decisions = []
        for _ in range(packets):
            for sender in senders:
                decisions.append(self.source.take(sender.packet(), self.now))
            self.now += every_s
        return decisions

    def until_followed(self, sender: Sender, most: int = 500) -> int:
        """How many packets it takes."""
        for count in range(1, most + 1):
            if self.hear(sender) == [Decision.MOVED]:
                return count
        return 0


def test_the_first_packet_from_the_signalled_address_is_the_callees() -> None:
    room = Room()
    assert room.hear(Sender(SAID, 1)) == [Decision.MOVED]
    assert room.hear(Sender(SAID, 1)) == [Decision.ACCEPTED]
    assert room.source.target == SAID


def test_audio_goes_to_the_signalled_address_until_something_is_heard() -> None:
    assert Room().source.target == SAID


def test_another_port_of_the_signalled_host_is_believed_after_some_packets_in_a_row() -> None:
    room = Room()
    assert room.until_followed(Sender(NATTED, 1)) == NEAR_IN_A_ROW
    assert room.source.target == NATTED


def test_a_host_that_signals_is_believed_as_soon() -> None:
    assert Room().until_followed(Sender((PROXY, 9000), 1)) == NEAR_IN_A_ROW


def test_a_foreign_host_has_to_send_for_three_seconds_while_the_callee_is_silent() -> None:
    """There used to be a stranger who got the PIN by ten packets in a row to a callee that sends none."""
    room = Room()
    assert room.until_followed(Sender(FAR, 1)) * FRAME_S == pytest.approx(3.0, abs=3 * FRAME_S)
    assert room.source.foreign


def test_a_foreign_host_is_listened_to_before_it_is_followed() -> None:
    """A phone with several addresses may send from another one than it describes."""
    room = Room()
    decisions = room.hear(Sender(FAR, 1), packets=50)
    assert decisions == [Decision.IGNORED] * 9 + [Decision.VOICE_ONLY] * 41
    assert room.source.target == SAID


def test_a_foreign_host_that_is_only_listened_to_presses_no_key() -> None:
    """There used to be a stranger who pressed 1 for a callee that sent nothing, 0.2 s after the answer."""
    room = Room()
    decisions = room.hear(Sender(FAR, 1), packets=FAR_IN_A_ROW)
    assert not any(room.source.presses(decision, room.now) for decision in decisions)


@pytest.mark.parametrize("signalled", [SIGNALLED, PRIVATE_ADDRESS], ids=["reachable", "behind a NAT"])
def test_a_lone_foreign_source_answers_only_a_question_that_began_after_it_was_found(signalled: Signalled) -> None:
    room, far = Room(Source(signalled)), Sender(FAR, 1)
    asked_at = room.now
    room.until_followed(far)
    [decision] = room.hear(far)
    assert not room.source.presses(decision, asked_at)
    assert room.source.presses(decision, room.now)  # the question that is asked now


@pytest.mark.parametrize("address", [SAID, NATTED, (PROXY, 9000)])
def test_a_source_that_the_signalling_names_presses_from_its_first_packet(address: Address) -> None:
    room, callee = Room(), Sender(address, 1)
    room.until_followed(callee)
    [decision] = room.hear(callee)
    assert room.source.presses(decision, 100.0)


def test_the_callee_presses_from_wherever_its_ssrc_or_srtp_vouches_for_it() -> None:
    room, callee = Room(), Sender(SAID, 1)
    room.hear(callee)
    callee.address = FAR
    room.until_followed(callee)
    assert room.source.presses(Decision.ACCEPTED, 100.0)
    room = Room()
    room.hear(Sender(FAR, 1, authentic=True))
    assert room.source.presses(Decision.ACCEPTED, 100.0)


def test_a_phone_with_several_addresses_presses_from_the_port_that_it_describes() -> None:
    """The keys of a phone that sent from another address than that of its SDP used not to count."""
    room, phone = Room(), Sender((FAR[0], SAID[1]), 1)
    decisions = room.hear(phone, packets=FAR_IN_A_ROW)
    assert [room.source.presses(each, 100.0) for each in decisions] == [False] * (FAR_IN_A_ROW - 1) + [True]
    room.until_followed(phone)
    assert room.source.presses(Decision.ACCEPTED, 100.0)


def test_a_stranger_that_moves_is_no_more_vouched_for_than_before() -> None:
    room, stranger = Room(), Sender(FAR, 1)
    room.until_followed(stranger)
    found_at, stranger.address = room.now, ("198.51.100.9", 7000)
    room.until_followed(stranger)
    assert not room.source.presses(Decision.ACCEPTED, found_at - 1)
    assert room.source.presses(Decision.ACCEPTED, found_at)


def test_a_foreign_host_that_sends_now_and_then_is_not_followed() -> None:
    room = Room()
    assert Decision.MOVED not in room.hear(Sender(FAR, 1), packets=40, every_s=0.2)


def test_a_callee_that_says_a_private_address_to_a_trunk_outside_is_behind_a_nat_and_soon_believed() -> None:
    room = Room(Source(PRIVATE_ADDRESS))
    assert room.until_followed(Sender(FAR, 1)) == FAR_IN_A_ROW


@pytest.mark.parametrize("near", [(), ("10.0.0.1",), (PROXY, "fd00::1")])
def test_a_private_address_in_a_private_network_can_be_reached(near: tuple[str, ...]) -> None:
    assert not replace(PRIVATE_ADDRESS, near=near).behind_nat


def test_what_the_signalling_names_is_not_foreign() -> None:
    for address in (SAID, NATTED, (PROXY, 9000)):
        room = Room()
        room.until_followed(Sender(address, 1))
        assert not room.source.foreign


def test_one_packet_of_a_stranger_gets_nothing() -> None:
    """There used to be a stranger whose first packet got the whole PIN."""
    room = Room()
    assert room.hear(Sender(NATTED, 1)) == [Decision.IGNORED]
    assert room.source.target == SAID


def test_a_burst_is_no_row() -> None:
    room = Room()
    assert set(room.hear(Sender(NATTED, 1), packets=200, every_s=0.0001)) == {Decision.IGNORED}


def test_packets_of_changing_ssrc_or_sequence_are_no_row() -> None:
    room = Room()
    for number in range(200):
        assert room.hear(Sender(NATTED, ssrc=number)) == [Decision.IGNORED]
        assert room.hear(Sender(NATTED, ssrc=1, sequence=number * 100)) == [Decision.IGNORED]


def test_the_same_packet_again_and_again_is_no_row() -> None:
    room, packet = Room(), Sender(NATTED, 1).packet()
    for _ in range(200):
        assert room.source.take(packet, room.now) is Decision.IGNORED
        room.now += FRAME_S


def test_packets_that_are_lost_or_out_of_order_do_not_break_a_row() -> None:
    room, sequences = Room(), [10, 12, 11, 15, 15, 16, 19]
    decisions = [room.source.take(Facts(NATTED, 1, number, 0), 100 + n / 50) for n, number in enumerate(sequences)]
    assert decisions[-1] is Decision.MOVED


def test_after_a_gap_a_row_begins_anew() -> None:
    room, sender = Room(), Sender(NATTED, 1, sequence=0)
    room.hear(sender, packets=NEAR_IN_A_ROW - 1)
    sender.sequence = 500
    assert room.until_followed(sender) == NEAR_IN_A_ROW
    room, sequences = Room(), [4 * number for number in range(NEAR_IN_A_ROW)]  # as large a step as may be
    decisions = [room.source.take(Facts(NATTED, 1, number, 0), 100 + number / 50) for number in sequences]
    assert decisions[-1] is Decision.MOVED
    room, sequences = Room(), [5 * number for number in range(100)]
    decisions = [room.source.take(Facts(NATTED, 1, number, 0), 100 + number / 50) for number in sequences]
    assert set(decisions) == {Decision.IGNORED}


def test_two_in_turn_are_no_row() -> None:
    room = Room()
    assert set(room.hear(Sender(NATTED, 1), Sender((PROXY, 9), 2), packets=100)) == {Decision.IGNORED}


def test_what_was_not_agreed_on_is_learned_from_nobody() -> None:
    room = Room()
    assert set(room.hear(Sender(NATTED, 1, payload_type=9), packets=100)) == {Decision.IGNORED}
    assert room.hear(Sender(SAID, 1, payload_type=13)) == [Decision.ACCEPTED]  # comfort noise: it is there
    assert room.source.current is None


def test_the_signalled_address_wins_over_a_source_that_was_learned() -> None:
    room, stranger = Room(), Sender(NATTED, 1)
    room.until_followed(stranger)
    assert room.hear(Sender(SAID, 2), stranger) == [Decision.MOVED, Decision.IGNORED]
    assert room.source.target == SAID


def test_a_stranger_gets_nothing_while_the_callee_sends() -> None:
    room, callee = Room(), Sender(SAID, 1)
    decisions = room.hear(callee, Sender(FAR, 2), Sender(NATTED, 3), packets=1000)
    assert set(decisions[1::3] + decisions[2::3]) == {Decision.IGNORED}
    assert room.source.target == SAID


def test_a_source_that_moves_without_signalling_is_followed_at_once_by_its_ssrc() -> None:
    room, callee = Room(), Sender(SAID, 1)
    room.hear(callee, packets=50)
    callee.address = FAR
    assert room.until_followed(callee) == NEAR_IN_A_ROW


def test_a_late_packet_from_where_the_callee_was_does_not_take_the_audio_back() -> None:
    room, callee = Room(), Sender(SAID, 1)
    callee.address = NATTED
    room.until_followed(callee)
    late = callee.packet()
    room.now += 2 * SILENT_S
    callee.address = FAR
    assert room.until_followed(callee) == NEAR_IN_A_ROW
    assert room.source.take(late, room.now) is Decision.IGNORED
    assert room.source.target == FAR


def test_another_sender_is_followed_once_the_source_is_silent() -> None:
    room = Room()
    room.hear(Sender(SAID, 1), packets=50)
    taken = room.until_followed(Sender(NATTED, 2))
    assert 1.0 <= taken * FRAME_S <= 1.0 + 5 * FRAME_S


def test_a_source_that_was_only_quiet_is_returned_to() -> None:
    room, callee = Room(), Sender(NATTED, 1)
    room.until_followed(callee)
    room.now += 5  # it suppresses silence
    stranger = Sender(FAR, 2)
    room.until_followed(stranger)
    assert room.source.target == FAR
    assert room.hear(callee, stranger) == [Decision.MOVED, Decision.IGNORED]
    assert set(room.hear(stranger, callee, packets=200)[::2]) == {Decision.IGNORED}


def test_the_old_stream_is_not_learned_after_a_move() -> None:
    """There used to be 839 packets to the old address and none to the new one: packets of 60 ms came after the move."""
    room, old = Room(), Sender(SAID, 1)
    room.hear(old, packets=10)
    room.source.expect(replace(SIGNALLED, address=("192.0.2.10", 6000)), room.now)
    assert set(room.hear(old, packets=int(OLD_S / FRAME_S) - 2)) == {Decision.IGNORED}
    assert room.source.target == ("192.0.2.10", 6000)
    assert room.hear(Sender(("192.0.2.10", 6000), 1)) == [Decision.MOVED]


def test_the_old_stream_of_a_learned_source_is_not_learned_again_after_a_move() -> None:
    room, old = Room(), Sender(NATTED, 1)
    room.until_followed(old)
    room.source.expect(replace(SIGNALLED, address=("192.0.2.10", 6000)), room.now)
    assert set(room.hear(old, packets=50)) == {Decision.IGNORED}


def test_an_old_stream_is_not_learned_however_long_it_goes_on() -> None:
    room, old = Room(), Sender(NATTED, 1)
    room.until_followed(old)
    room.source.expect(replace(SIGNALLED, address=("192.0.2.10", 6000)), room.now)
    room.source.expect(replace(SIGNALLED, address=("192.0.2.10", 7000)), room.now)
    assert room.until_followed(old) == 0


def test_a_new_stream_from_an_old_address_is_learned() -> None:
    room, old = Room(), Sender(NATTED, 1)
    room.until_followed(old)
    room.source.expect(replace(SIGNALLED, address=("192.0.2.10", 6000)), room.now)
    room.hear(old, packets=5)
    room.now += 2.0
    assert room.until_followed(Sender(NATTED, 2)) == NEAR_IN_A_ROW


def test_the_same_address_signalled_again_keeps_the_source() -> None:
    room, callee = Room(), Sender(NATTED, 1)
    room.until_followed(callee)
    room.source.expect(replace(SIGNALLED, payload_types=(0,)), room.now)
    assert room.source.target == NATTED
    assert room.hear(callee) == [Decision.ACCEPTED]


def test_a_move_to_where_it_sends_from_already_keeps_the_source() -> None:
    room, callee = Room(), Sender(NATTED, 1)
    room.until_followed(callee)
    room.source.expect(replace(SIGNALLED, address=NATTED), room.now)
    assert room.hear(callee) == [Decision.ACCEPTED]


def test_phones_of_a_fork_that_did_not_answer_are_never_learned() -> None:
    """There used to be 1015 packets to the wrong phone, and one to the right one."""
    room = Room(Source(replace(SIGNALLED, strangers=(FAR, NATTED))))
    assert room.until_followed(Sender(FAR, 1)) == 0
    assert room.until_followed(Sender(NATTED, 1)) == 0


def test_nothing_is_learned_where_the_operator_says_so() -> None:
    room = Room(Source(replace(SIGNALLED, symmetric=False)))
    assert room.until_followed(Sender(NATTED, 1)) == 0
    assert room.hear(Sender(SAID, 1)) == [Decision.MOVED]


def test_what_srtp_has_proved_is_believed_at_once() -> None:
    room, callee = Room(), Sender(FAR, 1, authentic=True)
    assert room.hear(callee) == [Decision.MOVED]
    moved = replace(callee, address=("198.51.100.9", 7000), ssrc=2)
    assert room.until_followed(moved) == NEAR_IN_A_ROW


senders = st.sampled_from([SAID, NATTED, FAR, (PROXY, 9000), ("198.51.100.9", 7000)])
packets = st.tuples(
    senders,
    st.integers(1, 3),  # SSRC
    st.sampled_from([1, 1, 1, 1, 2, 0, -1, 500]),  # step of the sequence number
    st.sampled_from([0, 0, 0, 8, 101, 13]),
    st.sampled_from([0.0, 0.01, 0.02, 0.02, 0.02, 0.5, 1.5]),  # pause before it
    st.integers(1, 40),  # so often
)


@examples(80)
@given(st.lists(packets, max_size=40))
def test_whatever_comes_a_source_is_left_only_by_the_rules(
    story: list[tuple[Address, int, int, int, float, int]],
) -> None:
    source, now = Source(SIGNALLED), 0.0
    sequences: dict[tuple[Address, int], int] = {}
    last_heard: dict[Address, float] = {}
    seen: dict[Address, list[float]] = {}
    were = {SAID}  # sources until now
    for address, ssrc, step, payload_type, pause_s, times in story:
        for _ in range(times):
            now += pause_s
            sequence = sequences[address, ssrc] = (sequences.get((address, ssrc), 0) + step) & 0xFFFF
            before, target = source.current, source.target
            decision = source.take(Facts(address, ssrc, sequence, payload_type), now)
            if payload_type in SIGNALLED.payload_types:
                seen.setdefault(address, []).append(now)
            if decision is Decision.MOVED:
                assert source.current == source.target == address != before
                assert payload_type in SIGNALLED.payload_types
                same_sender = len([at for at in seen[address] if at >= last_heard.get(before or SAID, 0.0)])
                silent = before is None or now - last_heard[before] > SILENT_S
                assert address in were or silent or same_sender >= NEAR_IN_A_ROW
                were.add(address)
                assert address == SAID or len(seen[address]) >= NEAR_IN_A_ROW
            else:
                assert source.target == target
                if address not in (source.current, SAID) and decision is not Decision.IGNORED:
                    assert decision is Decision.VOICE_ONLY
                    assert not source.presses(decision, now)
                    assert not SIGNALLED.names(address[0])
                    assert len(seen[address]) >= FAR_IN_A_ROW
                    assert source.current is None or now - last_heard[source.current] > SILENT_S
            if payload_type in SIGNALLED.payload_types and address == SAID:
                assert source.target == SAID
            if decision is not Decision.IGNORED:
                last_heard[address] = now


# --- packets ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda rest: b"\x80\x00" + rest))
def test_any_octets_are_a_packet_or_nothing(data: bytes) -> None:
    packet = parsed(data)
    if packet is not None:
        assert len(data) >= 12
        assert packet.payload in data


@given(st.integers(0, 255), st.binary(max_size=30))
def test_a_header_that_promises_more_than_there_is_has_no_payload(first: int, rest: bytes) -> None:
    data = bytes([0x80 | (first & 0x3F), 0]) + bytes(10) + rest
    packet = parsed(data)
    assert packet is not None
    assert len(packet.payload) <= len(rest)


def test_a_packet_is_taken_apart() -> None:
    assert parsed(rtp(7, 9, payload_type=8, timestamp=5, payload=b"abc")) == Packet(8, 7, 5, 9, b"abc")


def test_shorter_than_a_header_other_versions_and_rtcp_are_no_packets() -> None:
    whole = rtp(1, 2)
    assert [parsed(whole[:length]) for length in range(12)] == [None] * 12
    assert parsed(b"\x40" + whole[1:]) is None
    assert parsed(b"\x80\xc8" + whole[2:]) is None


def test_sources_an_extension_and_padding_are_no_payload() -> None:
    plain = rtp(1, 2, payload=b"")
    extended = bytes([0x80 | 0x20 | 0x10 | 2]) + plain[1:] + bytes(8) + b"\xbe\xde\x00\x02" + bytes(8)
    packet = parsed(extended + b"speech" + b"\x00\x00\x03")
    assert packet is not None
    assert packet.payload == b"speech"
