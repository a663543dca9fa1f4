"""Encrypted audio (SRTP, RFC 3711), judged by libsrtp as the far end."""

import os
from dataclasses import dataclass

import pytest

from drivers.rtp.keys import Keys, Profile
from drivers.rtp.messages import Failed, Finished, Key, Media
from drivers.rtp.process_handle import Pacer
from drivers.rtp.srtp import SrtpContext
from tests.drivers.rtp.line import (
    FRAME,
    Line,
    event,
    other_far_end,
    received,
    telephone_event,
)


@dataclass(frozen=True)
class Secret:
    """The far end's side of SRTP, by libsrtp."""

    keys: Keys
    far: SrtpContext

    @classmethod
    def of(cls, profile: Profile) -> "Secret":
        ours, theirs = os.urandom(30), os.urandom(30)
        return cls(Keys(profile, ours, theirs), SrtpContext(Keys(profile, theirs, ours)))


@pytest.mark.parametrize("profile", list(Profile))
def test_nothing_leaves_in_clear(pacer: Pacer, line: Line, profile: Profile) -> None:
    secret, audio = Secret.of(profile), os.urandom(FRAME * 10)
    pacer.play(1, line.near, Media(0, keys=secret.keys), audio)
    assert event(pacer, line) == Finished(1, 0, 0.2)
    tag = 10 if profile is Profile.SHA1_80 else 4
    assert {len(data) for _, data in line.packets} == {12 + FRAME + tag}
    assert b"".join(secret.far.unprotect(data)[12:] for _, data in line.packets) == audio


def test_a_stranger_neither_moves_the_audio_nor_presses_keys(pacer: Pacer, line: Line) -> None:
    secret = Secret.of(Profile.SHA1_80)
    media = Media(0, line.far.getsockname(), symmetric=True, events=(101,), keys=secret.keys)
    with other_far_end() as stranger:
        pacer.play(1, line.near, media, bytes(FRAME * 500))
        for packet in (telephone_event(8, 1), telephone_event(0, 1, payload_type=0), os.urandom(1600)):
            stranger.sendto(packet, line.near.getsockname())
        event(pacer, line, packets=10)
        line.far.sendto(telephone_event(7, 1), line.near.getsockname())  # in clear
        pressed_key = secret.far.protect(telephone_event(9, 1000))
        line.far.sendto(pressed_key, line.near.getsockname())
        assert event(pacer, line) == Key(1, "9")
        stranger.settimeout(0.1)
        assert received(stranger) == []


def test_the_new_key_of_a_move_counts_and_the_old_one_no_more(pacer: Pacer, line: Line) -> None:
    """No test used to fail when the key of a re-INVITE was ignored."""
    before = Secret.of(Profile.SHA1_80)
    theirs = os.urandom(30)
    keys = Keys(Profile.SHA1_80, before.keys.ours, theirs)
    after = SrtpContext(Keys(Profile.SHA1_80, theirs, before.keys.ours))
    pacer.play(1, line.near, Media(0, events=(101,), keys=before.keys), bytes(FRAME * 500))
    line.far.sendto(before.far.protect(telephone_event(1, 1000)), line.near.getsockname())
    assert event(pacer, line) == Key(1, "1")
    pacer.move(1, Media(0, events=(101,), keys=keys))
    event(pacer, line, packets=len(line.packets) + 2)
    line.far.sendto(before.far.protect(telephone_event(2, 2000, sequence=2)), line.near.getsockname())
    line.far.sendto(after.protect(telephone_event(3, 3000, sequence=3)), line.near.getsockname())
    assert event(pacer, line) == Key(1, "3")
    assert all(after.unprotect(data) for _, data in line.packets)  # ours stays


def test_reports_are_protected_too(pacer: Pacer) -> None:
    secret = Secret.of(Profile.SHA1_80)
    with other_far_end() as far, other_far_end() as far_rtcp, other_far_end() as near, other_far_end() as near_rtcp:
        media = Media(8, far.getsockname(), rtcp_port=far_rtcp.getsockname()[1], keys=secret.keys)
        pacer.play(1, near, media, bytes(FRAME * 500), rtcp=near_rtcp)
        source = far.recv(2048)[8:12]
        pacer.stop(1)
        report = far_rtcp.recv(2048)
    assert report[4:8] == source
    assert len(report) == 28 + 20 + 8 + 14  # report, name, goodbye; index and tag
    assert secret.keys.ours.hex() not in repr(media)


def test_keys_that_are_no_good_send_nothing(pacer: Pacer, line: Line) -> None:
    pacer.play(1, line.near, Media(0, keys=Keys(Profile.SHA1_80, b"short", b"short")), bytes(FRAME * 10))
    assert event(pacer, line) == Failed(1, "libsrtp does not take these keys")
    assert line.packets == []
