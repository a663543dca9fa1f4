"""How long a modem takes for a message."""

from daemon.core.modem_pace import Pace


def pace(*seconds: float, every_s: float = 10.0) -> Pace:
    """A modem whose last messages, of one part, took so long; the last one ended at 100."""
    made = Pace()
    for ago, taken in zip(range(len(seconds) - 1, -1, -1), seconds, strict=True):
        made.took(100 - ago * every_s, taken, 1)
    return made


def test_nothing_is_assumed_of_a_modem_that_has_sent_nothing() -> None:
    assert (Pace().slow_s(100), Pace().usual_s(100)) == (0, 0)


def test_the_slowest_and_the_median_of_the_last_five_count() -> None:
    one = pace(90, 40, 5, 7, 9, 6)
    assert (one.slow_s(100), one.usual_s(100)) == (40, 7)


def test_one_slow_message_does_not_change_what_is_usual() -> None:
    assert pace(5, 40).usual_s(100) == 5
    assert pace(5, 5, 40).usual_s(100) == 5
    assert pace(5, 5, 40, 40, 40).usual_s(100) == 40


def test_a_message_of_several_parts_counts_a_part_at_a_time() -> None:
    one = Pace()
    one.took(100, 15, 3)
    assert one.slow_s(100) == 5


def test_what_is_past_is_soon_no_longer_usual_and_later_forgotten() -> None:
    """So a modem that was too slow for every PIN is tried again."""
    one = pace(20, 70, every_s=50)
    assert (one.usual_s(109), one.usual_s(110), one.usual_s(159), one.usual_s(160)) == (20, 70, 70, 0)
    assert (one.slow_s(649), one.slow_s(699), one.slow_s(700)) == (70, 70, 0)


def test_a_message_that_was_not_taken_counts_only_if_it_was_slow() -> None:
    one = pace(5)
    one.took_in_vain(100, 0.2)
    assert one.slow_s(100) == 5
    one.took_in_vain(100, 30)
    assert one.slow_s(100) == 30
    one.took_in_vain(100, 30)  # no slower than what is known
    assert one.usual_s(100) == 5
