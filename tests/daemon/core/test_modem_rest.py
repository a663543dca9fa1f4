"""How long a modem rests, and for how long it is the last choice."""

from collections.abc import Callable

import pytest

from daemon.core.modem_rest import Resting


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


def test_a_new_modem_neither_rests_nor_is_the_last_choice_nor_has_failed() -> None:
    resting = Resting()
    assert (resting.over(0), resting.last_choice(0), resting.failures) == (True, False, 0)
    resting.ready_again(0)
    assert resting.last_choice(0) is False


@pytest.mark.parametrize("recover", [Resting.works, lambda resting: resting.ready_again(200)], ids=["works", "ready"])
def test_a_modem_that_recovered_rests_as_after_a_first_failure(recover: Callable[[Resting], None]) -> None:
    resting = Resting()
    resting.fails(100, (0.5, 1, 2))
    resting.fails(100, (0.5, 1, 2))
    recover(resting)
    assert resting.over(0)
    resting.fails(300, (0.5, 1, 2))
    assert (resting.over(300.4), resting.over(300.5)) == (False, True)


def test_a_modem_that_only_rested_is_no_last_choice() -> None:
    resting = Resting()
    resting.rest(100, 30)
    assert (resting.over(129.9), resting.over(130), resting.last_choice(100)) == (False, True, False)


def test_a_modem_with_one_rest_always_rests_for_that() -> None:
    resting = Resting()
    for now in (100, 200, 300):
        resting.fails(now, (5,))
        assert (resting.over(now + 4.9), resting.over(now + 5)) == (False, True)
