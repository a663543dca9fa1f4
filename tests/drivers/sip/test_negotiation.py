"""What a dialog agreed on its audio, on its own: see test_dialog.py for what far ends make of it."""

import pytest

from drivers.sip.message import Message
from drivers.sip.negotiation import Negotiation
from drivers.sip.replies import NOT_ACCEPTABLE, OK, PENDING
from drivers.sip.sdp import NoAudio, offer

OURS = offer("192.0.2.9", 40000, 1)
THEIRS = offer("192.0.2.1", 5000, 1)
OTHER_LAW = THEIRS.replace(b"RTP/AVP 8 0 101", b"RTP/AVP 0 101")
ELSEWHERE = THEIRS.replace(b"5000", b"6000")


def said(body: bytes = b"", method: str = "") -> Message:
    return Message((("content-type", "application/sdp"),) if body else (), body, method=method)


def agreed() -> Negotiation:
    made = Negotiation(OURS)
    made.confirm(said(THEIRS))
    return made


def port(made: Negotiation) -> int:
    assert made.audio is not None
    return made.audio.port


def test_a_success_without_any_description_has_no_audio() -> None:
    with pytest.raises(NoAudio):
        Negotiation(OURS).confirm(said())


def test_an_early_description_that_cannot_be_used_is_passed_over() -> None:
    made = Negotiation(OURS)
    made.take_early(said(b"v=0"))
    assert made.audio is None
    made.take_early(said(THEIRS))
    made.take_early(said(ELSEWHERE))
    assert port(made) == 5000


def test_an_offer_before_our_own_was_answered_has_to_wait() -> None:
    assert Negotiation(OURS).take_offer(said(THEIRS, "UPDATE")) is PENDING


def test_an_update_without_a_description_changes_nothing() -> None:
    made = agreed()
    assert made.take_offer(said(method="UPDATE")) is OK
    assert made.described == OURS


def test_an_offer_that_cannot_be_met_leaves_all_as_it_was() -> None:
    made = agreed()
    assert made.take_offer(said(OTHER_LAW, "INVITE")) is NOT_ACCEPTABLE
    assert (port(made), made.described) == (5000, OURS)


def test_an_invite_without_an_offer_gets_ours_again_and_is_answered_in_its_ack() -> None:
    made = agreed()
    assert b"m=audio 40000" in made.take_offer(said(method="INVITE")).body
    assert made.awaits_answer
    made.take_change(said(ELSEWHERE))
    assert port(made) == 6000


@pytest.mark.parametrize("body", [b"", b"v=0", OTHER_LAW])
def test_a_change_without_usable_audio_of_the_same_law_is_none(body: bytes) -> None:
    made = agreed()
    made.take_change(said(body))
    assert port(made) == 5000


def test_a_change_before_anything_was_agreed_is_none() -> None:
    made = Negotiation(OURS)
    made.take_change(said(THEIRS))
    assert made.audio is None
