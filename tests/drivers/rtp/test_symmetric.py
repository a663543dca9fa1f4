"""Where the callee's audio comes from, ours goes (symmetric RTP, RFC 4961), and a stranger gets nothing."""

import socket
import struct
import time
from itertools import pairwise

import pytest

from drivers.rtp.messages import FirstPacket, Key, Media
from drivers.rtp.process_handle import Pacer
from tests.drivers.rtp.line import FRAME, near_end, telephone_event, until_news
from tests.peers.talker import Talker, precedes, rtp


def press(sender: Talker, near: socket.socket, digit: int, timestamp: int) -> None:
    sender.sock.sendto(telephone_event(digit, timestamp), near.getsockname())


def test_audio_goes_to_where_the_callees_comes_from(pacer: Pacer) -> None:
    with near_end() as near, Talker() as told, Talker() as real:
        pacer.play(1, near, Media(0, told.address, symmetric=True, events=(101,)), bytes(FRAME * 500))
        told.wait_for(3)
        real.talk(near.getsockname())
        real.wait_for(3)
        press(real, near, 7, 5)
        assert until_news(pacer, Key) == Key(1, "7")


@pytest.mark.parametrize("symmetric", [True, False])
def test_datagrams_that_are_no_rtp_take_no_audio_and_end_nothing(pacer: Pacer, symmetric: bool) -> None:
    """No test used to fail without the checks of a packet's length and version."""
    whole = rtp(1, 2)
    octets = [whole[:length] for length in (0, 1, 11)] + [
        b"\x00" + whole[1:],
        b"\x80\xc9" + whole[2:],
        b"SIP/2.0 200 OK",
    ]
    with near_end() as near, Talker() as told, Talker() as stranger:
        pacer.play(1, near, Media(0, told.address, symmetric=symmetric), bytes(FRAME * 500))
        for _ in range(10):
            for data in octets:
                for sender in (stranger, told):
                    sender.sock.sendto(data, near.getsockname())
            told.wait_for(len(told.received) + 2)
        assert stranger.received == []
        assert pacer.read() == []
        told.send(near.getsockname())
        assert until_news(pacer, FirstPacket) == FirstPacket(1)


def test_a_stranger_that_sends_all_the_while_gets_nothing_and_presses_no_keys(pacer: Pacer) -> None:
    """There used to be a stranger whose first packet got the whole PIN."""
    with near_end() as near, Talker() as callee, Talker(ssrc=5) as stranger:
        pacer.play(1, near, Media(0, callee.address, symmetric=True, events=(101,)), bytes(FRAME * 500))
        stranger.send(near.getsockname(), packets=2)
        callee.talk(near.getsockname())
        assert until_news(pacer, FirstPacket) == FirstPacket(1)
        stranger.talk(near.getsockname())
        for number in range(20):
            press(stranger, near, 1, 1000 * number)
            callee.wait_for(len(callee.received) + 1)
        press(callee, near, 9, 1)
        assert until_news(pacer, Key) == Key(1, "9")
        callee.wait_for(len(callee.received) + 20)
        assert stranger.received == []


@pytest.mark.parametrize("ssrc", [77, 78])
def test_a_callee_that_moves_without_signalling_is_followed(pacer: Pacer, ssrc: int) -> None:
    with near_end() as near, Talker() as before, Talker(ssrc=ssrc) as after:
        pacer.play(1, near, Media(0, before.address, symmetric=True), bytes(FRAME * 500))
        before.talk(near.getsockname())
        before.wait_for(20)
        before.hush()
        after.talk(near.getsockname())
        after.wait_for(20)
        moved = after.newest
        after.wait_for(len(after.received) + 10)
        assert precedes(before.newest, moved)


def test_a_callee_that_falls_silent_is_not_left(pacer: Pacer) -> None:
    with near_end() as near, Talker() as callee:
        pacer.play(1, near, Media(0, callee.address, symmetric=True), bytes(FRAME * 500))
        callee.talk(near.getsockname())
        callee.wait_for(10)
        callee.hush()
        callee.wait_for(len(callee.received) + 75)  # 1.5 s
        callee.talk(near.getsockname())
        callee.wait_for(len(callee.received) + 15)


@pytest.mark.parametrize("ssrc", [77, 78])
def test_the_signalled_address_wins_over_a_source_that_was_found(pacer: Pacer, ssrc: int) -> None:
    with near_end() as near, Talker() as signalled, Talker(ssrc=ssrc) as other:
        pacer.play(1, near, Media(0, signalled.address, symmetric=True), bytes(FRAME * 500))
        other.talk(near.getsockname())
        other.wait_for(10)
        signalled.talk(near.getsockname())
        signalled.wait_for(len(signalled.received) + 2)
        back = signalled.newest
        signalled.wait_for(len(signalled.received) + 10)
        assert precedes(other.newest, back)


def test_the_old_stream_is_not_followed_after_a_move(pacer: Pacer) -> None:
    """There used to be 839 packets to the old address and none to the new one: packets of 60 ms came after the move."""
    with near_end() as near, Talker() as old, Talker() as new:
        pacer.play(1, near, Media(0, old.address, symmetric=True), bytes(FRAME * 500))
        old.talk(near.getsockname())
        old.wait_for(10)
        pacer.move(1, Media(0, new.address, symmetric=True))
        new.wait_for(25)  # 0.5 s of a phone that is not hung up yet
        old.hush()
        new.wait_for(45)
        assert precedes(old.newest, new.received[0][1])


def test_a_call_on_hold_goes_on_where_the_callee_was_found(pacer: Pacer) -> None:
    with near_end() as near, Talker() as told, Talker() as real:
        media = Media(0, told.address, symmetric=True)
        pacer.play(1, near, media, bytes(FRAME * 500))
        real.talk(near.getsockname())
        real.wait_for(3)
        pacer.move(1, Media(0, ("0.0.0.0", 4000), symmetric=True, held=True))
        found = real.newest
        time.sleep(0.3)  # the far end holds
        pacer.move(1, media)
        real.wait_for(len(real.received) + 10)
        times = [struct.unpack_from("!I", packet, 4)[0] for _, packet in real.received]
        assert max((b - a) & 0xFFFFFFFF for a, b in pairwise(times)) >= 5 * FRAME
        assert precedes(told.newest, found)


def test_packets_of_another_payload_type_are_learned_from_nobody(pacer: Pacer) -> None:
    with near_end() as near, Talker() as told, Talker(payload_type=9) as other:
        pacer.play(1, near, Media(0, told.address, symmetric=True), bytes(FRAME * 500))
        other.send(near.getsockname(), packets=20)
        assert other.received == []
        assert pacer.read() == []


def test_what_moved_can_be_far_from_where_it_said_again(pacer: Pacer) -> None:
    with near_end() as near, Talker() as first, Talker() as told, Talker() as real:
        pacer.play(1, near, Media(0, first.address, symmetric=True), bytes(FRAME * 500))
        first.send(near.getsockname())
        first.wait_for(3)
        pacer.move(1, Media(0, told.address, symmetric=True, events=(101,)))
        told.wait_for(3)
        real.talk(near.getsockname())
        real.wait_for(3)
        press(real, near, 3, 1)
        assert until_news(pacer, Key) == Key(1, "3")
