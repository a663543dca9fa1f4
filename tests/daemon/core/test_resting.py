"""How long a modem rests, and for how long it is the last choice."""

from daemon.core.resting import Resting


def test_a_modem_rests_longer_after_each_failure_in_a_row() -> None:
    """There used to be rests of half a minute, however long ago the SIM, the modem or the network had recovered."""
    resting = Resting()
    rests = []
    for _ in range(4):
        resting.fails(100, (0.5, 1, 2))
        rests.append(resting.until - 100)
    assert rests == [0.5, 1, 2, 2]


def test_a_modem_is_the_last_choice_however_long_it_took_to_be_ready_again() -> None:
    resting = Resting()
    resting.fails(100, (0.5, 1))
    assert (resting.over(100.4), resting.over(100.5), resting.last_choice(129)) == (False, True, True)
    resting.ready_again(500)
    assert (resting.over(0), resting.failures) == (True, 0)
    assert (resting.last_choice(529), resting.last_choice(530)) == (True, False)


def test_a_modem_that_works_is_no_last_choice() -> None:
    resting = Resting()
    resting.rest(100, 30)
    resting.works()
    resting.ready_again(101)
    assert (resting.over(100), resting.last_choice(101)) == (True, False)
