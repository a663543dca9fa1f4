"""What is tried on a silent modem, and how often."""

from drivers.recovery import HOUR_S, PATIENCE, Cure, Ladder


def cures(ladder: Ladder, times: list[float], *, stuck: bool = False) -> list[tuple[float, Cure]]:
    """What is due in sessions that end at these times, in silence."""
    due = [(now, ladder.silent(now, stuck=stuck)) for now in times]
    return [(now, cure) for now, cure in due if cure is not None]


def ladder(*, power: bool = True, an_hour: int = 6) -> Ladder:
    return Ladder((60, 120, 300), an_hour, power=power)


def test_the_session_is_begun_again_before_anything_is_done_to_the_modem() -> None:
    assert cures(ladder(), [float(i) for i in range(PATIENCE - 1)]) == []


def test_a_silent_modem_is_reset_and_then_its_power_is_cut() -> None:
    assert cures(ladder(), [float(s) for s in range(0, 700, 5)]) == [
        (5, Cure.RESET),
        (65, Cure.POWER_CYCLE),
        (185, Cure.POWER_CYCLE),
        (485, Cure.POWER_CYCLE),
    ]


def test_without_a_command_for_the_power_it_is_reset_again() -> None:
    assert {cure for _, cure in cures(ladder(power=False), [float(s) for s in range(0, 700, 5)])} == {Cure.RESET}


def test_there_are_only_so_many_cures_in_any_hour() -> None:
    due = [now for now, _ in cures(ladder(an_hour=3), [float(s) for s in range(0, 7200, 5)])]
    assert all(sum(1 for at in due if now - HOUR_S < at <= now) <= 3 for now in due)
    assert len(due) == 6


def test_a_modem_that_answers_again_is_given_time_before_the_next_cure() -> None:
    one = ladder()
    assert one.silent(0) is None
    one.answers()
    assert one.silent(1) is None
    assert one.silent(2) is Cure.RESET


def test_a_modem_that_answers_but_sends_nothing_is_reset_at_once() -> None:
    one = ladder()
    assert one.silent(0, stuck=True) is Cure.RESET
    one.answers()
    assert one.silent(10, stuck=True) is None
    one.works()
    assert one.silent(20, stuck=True) is Cure.RESET
