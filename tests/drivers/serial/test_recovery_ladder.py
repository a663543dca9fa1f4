"""What is tried when a modem is silent, and how often."""

from drivers.serial.hourly import HOUR_S
from drivers.serial.recovery_ladder import ABSENT_TOO_LONG_S, PATIENCE, Ladder, RecoveryStep


def steps(ladder: Ladder, times: list[float], *, sure: bool = False) -> list[tuple[float, RecoveryStep]]:
    """What is due in sessions that end at these times, in silence."""
    due = [(now, ladder.silent(now, sure=sure)) for now in times]
    return [(now, step) for now, step in due if step is not None]


def ladder(*, power: bool = True, an_hour: int = 6) -> Ladder:
    return Ladder((60, 120, 300), an_hour, power=power)


def test_the_session_is_begun_again_before_anything_is_done_to_the_modem() -> None:
    assert steps(ladder(), [float(i) for i in range(PATIENCE - 1)]) == []


def test_a_silent_modem_is_reset_and_then_its_power_is_cut() -> None:
    assert steps(ladder(), [float(s) for s in range(0, 700, 5)]) == [
        (5, RecoveryStep.RESET),
        (65, RecoveryStep.POWER_CYCLE),
        (185, RecoveryStep.POWER_CYCLE),
        (485, RecoveryStep.POWER_CYCLE),
    ]


def test_a_command_for_the_power_that_fails_alternates_with_resets() -> None:
    one, done = ladder(), []
    for now in range(0, 3600, 5):
        step = one.silent(float(now))
        done += [step] if step else []
        if step is RecoveryStep.POWER_CYCLE:
            one.power_failed()
    assert done[:4] == [RecoveryStep.RESET, RecoveryStep.POWER_CYCLE, RecoveryStep.RESET, RecoveryStep.POWER_CYCLE]


def test_without_a_command_for_the_power_it_is_reset_again() -> None:
    assert {step for _, step in steps(ladder(power=False), [float(s) for s in range(0, 700, 5)])} == {
        RecoveryStep.RESET
    }


def test_there_are_only_so_many_cures_in_any_hour() -> None:
    due = [now for now, _ in steps(ladder(an_hour=3), [float(s) for s in range(0, 7200, 5)])]
    assert all(sum(1 for at in due if now - HOUR_S < at <= now) <= 3 for now in due)
    assert len(due) == 6


def test_a_modem_that_answers_again_is_given_time_before_the_next_cure() -> None:
    one = ladder()
    assert one.silent(0) is None
    one.answers()
    assert one.silent(1) is None
    assert one.silent(2) is RecoveryStep.RESET


def test_a_modem_that_answers_but_sends_nothing_is_reset_at_once() -> None:
    one = ladder()
    assert one.silent(0, sure=True) is RecoveryStep.RESET
    one.answers()
    assert one.silent(10, sure=True) is None
    one.works()
    assert one.silent(20, sure=True) is RecoveryStep.RESET


def test_a_modem_that_is_away_for_long_has_its_power_cut() -> None:
    one, other = ladder(), ladder(power=False)
    times = [float(s) for s in range(0, 80, 5)]
    due = [now for now in times if one.absent(now, away=True) is RecoveryStep.POWER_CYCLE]
    assert due[:1] == [ABSENT_TOO_LONG_S + 10]
    assert not any(other.absent(now, away=True) for now in times)


def test_only_what_is_known_to_be_away_counts_as_away() -> None:
    in_use, answered, other = ladder(), ladder(), ladder()
    assert in_use.absent(0, away=True) is answered.absent(0, away=True) is other.absent(0, away=True) is None
    in_use.absent(50, away=False)
    answered.answers()
    for now in range(55, 115, 5):
        assert in_use.absent(now, away=True) is answered.absent(now, away=True) is other.absent(now, away=None) is None


def test_a_modem_that_was_never_seen_can_only_have_its_power_cut() -> None:
    one, other = ladder(), ladder(power=False)
    assert [one.silent(float(s), resettable=False) for s in range(0, 100, 5)].count(RecoveryStep.POWER_CYCLE) == 2
    assert not any(other.silent(float(s), resettable=False) for s in range(0, 100, 5))
    assert other.silent(100.0) is RecoveryStep.RESET
