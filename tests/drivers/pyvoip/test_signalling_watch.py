"""When the next generation of signalling starts; the clock is in the hand."""

import pytest

from drivers.pyvoip.lease import Lease
from drivers.pyvoip.lookup_schedule import LOOK_AGAIN_BROKEN_S, LOOK_AGAIN_S, RETRY_S, LookupSchedule
from drivers.pyvoip.signalling_watch import STILL_LOOKS, Watch


def looks(watch: Watch, turns: list[int], *, generation: int = 1, dead: bool = False, at: float = 0.0) -> list[bool]:
    return [watch.look(generation, turn, at + second, dead=dead) for second, turn in enumerate(turns)]


def test_a_thread_that_turns_is_left_alone() -> None:
    assert not any(looks(Watch(1.0), [1, 2, 3, 3, 3, 4, 4, 4, 5]))


def test_a_thread_that_does_not_turn_for_several_looks_is_replaced() -> None:
    assert looks(Watch(1.0), [7] * 6) == [False] * STILL_LOOKS + [True]


def test_time_alone_does_not_make_a_thread_stuck() -> None:
    """While a host is suspended, the watch does not look either."""
    watch = Watch(1.0)
    assert not watch.look(1, 7, 0.0, dead=False)
    assert not watch.look(1, 7, 3600.0, dead=False)


def test_the_looks_at_another_generation_count_anew() -> None:
    watch = Watch(1.0)
    looks(watch, [7] * 5)
    assert looks(watch, [7] * 5, generation=2, at=5.0) == [False] * 5


def test_what_dies_at_once_is_replaced_ever_less_often_and_soon_after_it_has_worked() -> None:
    watch = Watch(1.0)
    replaced = [at for at in range(30) if watch.look(at, 0, float(at), dead=True)]
    assert replaced == [0, 1, 3, 7, 15]
    assert watch.look(99, 0, 100.0, dead=True)
    assert watch.look(100, 0, 101.0, dead=True)


def test_a_name_is_looked_up_again_sooner_where_something_is_wrong() -> None:
    search = LookupSchedule()
    assert search.begin(0.0)
    assert not search.begin(0.0)
    assert search.deadline() == float("inf")
    search.failed("no address", 1.0)
    assert (search.problem, search.deadline()) == ("no address", 1.0 + RETRY_S)
    assert not search.begin(1.0)
    assert search.begin(3.0)
    search.found(3.0, works=False)
    assert search.deadline() == 3.0 + LOOK_AGAIN_BROKEN_S
    search.found(3.0, works=True)
    assert search.deadline() == 3.0 + LOOK_AGAIN_S


@pytest.mark.parametrize("times", [1, 2])
def test_a_lease_ends_once_and_its_pipe_says_so(times: int) -> None:
    lease = Lease()
    assert not lease.ended
    for _ in range(times):
        lease.end()
    assert lease.ended
    with open(lease.fileno(), "rb", closefd=False) as pipe:
        assert pipe.read() == b""
    for _ in range(times):
        lease.close()
