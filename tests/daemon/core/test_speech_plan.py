"""The plan of a call."""

import pytest

from daemon.core.phrases import CLIPS, Announcement
from daemon.core.speech_plan import BYE_PLAN, Clip, Plan, Silence, again_plan, announcement_plan, speech_plan


def test_a_call_says_the_pin_twice_digit_by_digit() -> None:
    names = [part.name for part in speech_plan("407") if isinstance(part, Clip)]
    assert names == [
        "welcome",
        "digit_4",
        "digit_0",
        "digit_7",
        "again",
        "digit_4",
        "digit_0",
        "digit_7",
        "bye",
    ]


def test_a_call_begins_with_a_second_of_silence() -> None:
    assert speech_plan("1")[0] == Silence(1000)


def test_gaps_are_between_digits_and_not_after_the_last() -> None:
    plan = speech_plan("12")
    assert plan[3:6] == (Clip("digit_1"), Silence(250), Clip("digit_2", reading_ends=True))


@pytest.mark.parametrize("pin", ["", "12a4", "٣٤", "1 2"])
def test_only_ascii_digits_can_be_spoken(pin: str) -> None:
    with pytest.raises(ValueError, match="cannot be spoken"):
        speech_plan(pin)


@pytest.mark.parametrize("plan", [speech_plan("0123456789"), speech_plan("1", offer=True), again_plan("1"), BYE_PLAN])
def test_a_call_says_only_what_a_locale_has_clips_of(plan: Plan) -> None:
    assert {part.name for part in plan if isinstance(part, Clip)} <= set(CLIPS)


@pytest.mark.parametrize("says", Announcement)
def test_an_operator_is_told_twice_and_hears_no_digit(says: Announcement) -> None:
    said = Clip(says, reading_ends=True)
    pause = Silence(400)
    assert announcement_plan(says) == (Silence(1000), said, pause, said, pause, Clip("bye"))


def test_an_offer_takes_the_place_of_the_goodbye() -> None:
    assert [part.name for part in speech_plan("1", offer=True) if isinstance(part, Clip)][-1] == "press_1"
    assert [part.name for part in again_plan("47") if isinstance(part, Clip)] == [
        "again",
        "digit_4",
        "digit_7",
        "press_1",
    ]
