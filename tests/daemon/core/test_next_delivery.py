"""Which message goes out next: the earliest deadline that can be met."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.held_recipients import Holds
from daemon.core.modem_pace import Pace
from daemon.core.next_delivery import Backlog, FreeModem, QueuedMessage

LEAST_S = 10.0
NOW = 1000.0


def anybody(_: str) -> bool:
    return True


def message(lives_s: float, number: str = "a", *, parts: int = 1) -> QueuedMessage[str]:
    return QueuedMessage(NOW + lives_s, parts, number, number)


def backlog(*messages: QueuedMessage[str], holds: Holds | None = None) -> Backlog[str]:
    made: Backlog[str] = Backlog(LEAST_S, holds or Holds())
    for each in messages:
        made.put(each)
    return made


def modem(*seconds: float, allows: Callable[[str], bool] = anybody, failed: Sequence[str] = ()) -> FreeModem:
    pace = Pace()
    for taken in seconds:
        pace.took(NOW, taken, 1)
    return FreeModem(pace, allows, failed)


def order(waiting: Backlog[str], *modems: FreeModem) -> str:
    """The messages as they go out, if each took no time."""
    taken = ""
    while (choice := waiting.take_next(NOW, modems)) is not None:
        taken += choice[0].job
    return taken


def test_the_earliest_deadline_goes_first_and_of_the_same_what_came_first() -> None:
    assert order(backlog(message(60, "c"), message(30, "a"), message(60, "d"), message(40, "b")), modem()) == "abcd"


def test_what_cannot_be_in_time_holds_nobody_up() -> None:
    waiting = backlog(message(14, "a"), message(15, "b"), message(20, "c"))
    assert order(waiting, modem(5)) == "bc"
    assert len(waiting) == 1


def test_several_parts_take_several_times_as_long() -> None:
    assert order(backlog(message(24, "a", parts=3), message(25, "b", parts=3), message(30, "c")), modem(5)) == "bc"


def test_a_slow_modem_takes_what_it_can_bring_in_time_and_a_fast_one_the_rest() -> None:
    waiting = backlog(message(20, "a"), message(60, "b"))
    assert waiting.take_next(NOW, [modem(30), modem(5)]) == (message(60, "b"), 0)
    assert waiting.take_next(NOW, [modem(30)]) is None
    assert waiting.take_next(NOW, [modem(30), modem(5)]) == (message(20, "a"), 1)


def test_a_message_goes_to_the_first_modem_that_may_send_it() -> None:
    full = modem(allows=lambda number: number == "b")
    assert backlog(message(60, "a")).take_next(NOW, [full, modem()]) == (message(60, "a"), 1)
    assert backlog(message(60, "a"), message(90, "b")).take_next(NOW, [full]) == (message(90, "b"), 0)


def test_a_recipient_goes_by_another_modem_than_the_one_that_failed() -> None:
    failed = modem(failed=("a",))
    assert backlog(message(60, "a")).take_next(NOW, [failed, modem()]) == (message(60, "a"), 1)
    assert order(backlog(message(60, "a"), message(60, "b")), failed) == "ba"


def test_a_held_recipient_lets_the_others_go_first_and_is_tried_again_sooner_when_none_is_left() -> None:
    holds = Holds()
    for _ in range(4):
        holds.deferred("a", NOW - 5, "CMS 38")  # for 30 s while others wait, else for 4 s
    assert order(backlog(message(60, "a"), message(90, "b"), holds=holds), modem()) == "ba"
    holds.deferred("a", NOW - 3, "CMS 38")
    waiting = backlog(message(60, "a"), holds=holds)
    assert order(waiting, modem()) == ""
    assert waiting.look_again_s(NOW) == 1


def test_a_recipient_whom_all_modems_failed_goes_before_one_that_is_held() -> None:
    holds = Holds()
    for _ in range(4):
        holds.deferred("b", NOW - 5, "CMS 38")  # for 30 s while others wait, else for 4 s
    assert order(backlog(message(90, "a"), message(60, "b"), holds=holds), modem(failed=("a", "b"))) == "ab"


def test_the_next_look_is_when_the_first_message_can_be_late() -> None:
    assert backlog().look_again_s(NOW) == float("inf")
    assert backlog(message(60), message(30)).look_again_s(NOW) == 20
    assert backlog(message(30, parts=3)).look_again_s(NOW) == 20
    holds = Holds()
    holds.deferred("b", NOW - 10, "CMS 38")
    assert backlog(message(30), message(60, "b"), holds=holds).look_again_s(NOW) == 20


def test_while_all_modems_are_slow_what_has_most_time_left_is_tried() -> None:
    """One slow message must not stop a modem until all that wait are dead."""
    waiting = backlog(message(40, "a"), message(60, "b"), message(14, "c"))
    once_slow = modem(5, 5, 55)
    assert order(waiting, once_slow) == "ba"
    assert order(backlog(message(60, "a")), modem(55, 55)) == ""
    holds = Holds()
    holds.deferred("b", NOW, "CMS 38")
    assert order(backlog(message(60, "b"), holds=holds), once_slow) == ""
    assert order(backlog(message(60, "b")), modem(5, 5, 55, allows=lambda _: False)) == ""


def test_a_hold_of_a_moment_is_one_while_all_modems_are_slow() -> None:
    holds = Holds()
    holds.deferred("b", NOW - 1.5, "CMS 38")
    assert order(backlog(message(60, "b"), holds=holds), modem(5, 5, 55)) == ""


@pytest.mark.parametrize(("lives_s", "parts", "goes"), [(15, 1, "a"), (14.9, 1, ""), (25, 3, "a"), (24.9, 3, "")])
def test_while_all_modems_are_slow_it_is_tried_where_it_is_in_time_as_usual(
    lives_s: float, parts: int, goes: str
) -> None:
    assert order(backlog(message(lives_s, "a", parts=parts)), modem(5, 5, 55)) == goes


def test_only_what_no_modem_can_bring_in_time_is_dropped() -> None:
    long = message(20, "e", parts=2), message(24, "c", parts=3), message(25, "d", parts=3)
    waiting = backlog(message(14, "a"), message(15, "b"), *long)
    paces = [modem(30).pace, modem(5, 5, 40).pace]
    assert [late.job for late in waiting.drop_late(NOW, paces)] == ["a", "c"]
    assert waiting.drop_late(NOW, paces) == []
    assert len(waiting) == 3


def test_without_modems_a_message_is_kept_until_its_pin_is_almost_dead() -> None:
    waiting = backlog(message(9.9, "a"), message(10, "b"))
    assert [late.job for late in waiting.drop_late(NOW, [])] == ["a"]


def test_no_more_than_the_first_hundred_that_fit_are_looked_at() -> None:
    waiting = backlog(*(message(60 + place, "x") for place in range(250)), message(200.5, "y"))
    assert waiting.take_next(NOW, [modem(allows=lambda number: number == "y")]) is None
    assert waiting.take_next(NOW, [modem(100, allows=lambda number: number == "y")]) is not None


# --- a day at the queue ----------------------------------------------------------------------------------------


@dataclass
class Result:
    """left_s: how long each PIN still lived when the network had its message."""

    left_s: list[float] = field(default_factory=list)
    dropped: int = 0

    @property
    def alive(self) -> int:
        return sum(left > 0 for left in self.left_s)


def played(
    arrivals: Iterator[tuple[float, float]], modems: Sequence[Iterator[float]], least_s: float = LEAST_S
) -> Result:
    """arrivals: when a message comes, in order, and how long its PIN lives; modems: how long each message takes."""
    waiting: Backlog[float] = Backlog(least_s, Holds())
    paces, free_at, result = [Pace() for _ in modems], [0.0] * len(modems), Result()
    coming = list(arrivals)
    now = 0.0
    while coming or len(waiting):
        while coming and coming[0][0] <= now:
            came_at, lives_s = coming.pop(0)
            waiting.put(QueuedMessage(came_at + lives_s, 1, "a", came_at))
        result.dropped += len(waiting.drop_late(now, paces))
        free = [place for place, at in enumerate(free_at) if at <= now]
        while free:
            choice = waiting.take_next(now, [FreeModem(paces[place], anybody) for place in free])
            if choice is None:
                break
            place = free.pop(choice[1])
            taken_s = next(modems[place])
            paces[place].took(now + taken_s, taken_s, 1)
            free_at[place] = now + taken_s
            result.left_s.append(choice[0].until - free_at[place])
        now = min([at for at in free_at if at > now] + [came for came, _ in coming[:1]] + [now + 1.0])
    return result


def each(every_s: float, count: int = 60, lives_s: float = 60) -> Iterator[tuple[float, float]]:
    return ((every_s * place, lives_s) for place in range(count))


def test_twice_as_many_messages_as_a_modem_can_send_cost_none_of_those_that_it_can() -> None:
    """In order of arrival, 20 of these 60 used to reach the network after their PIN's death; 41 is the most."""
    result = played(each(2.5), [itertools.repeat(5.0)])
    assert (result.alive, result.dropped) == (39, 21)
    assert min(result.left_s) >= LEAST_S
    assert played(each(2.5), [itertools.repeat(5.0)], least_s=1).alive == 41


@pytest.mark.parametrize("count", [2, 3])
def test_modems_enough_send_everything(count: int) -> None:
    result = played(each(2.5), [itertools.repeat(5.0) for _ in range(count)])
    assert (result.alive, result.dropped) == (60, 0)


def test_a_modem_that_becomes_slow_costs_one_message() -> None:
    slower = itertools.chain([5.0] * 20, itertools.repeat(20.0))
    result = played(each(2.5), [slower])
    assert sum(left <= 0 for left in result.left_s) == 1


def test_a_modem_that_was_slow_once_or_for_a_while_is_used_again() -> None:
    once = itertools.chain([5.0] * 6, [55.0], itertools.repeat(5.0))
    assert played(each(2.5), [once]).alive == 39 - 11  # it is dead, and ten could have gone out meanwhile
    trouble = itertools.chain([70.0] * 3, itertools.repeat(2.0))
    assert (
        played(each(10, count=120), [trouble]).alive == 120 - 3 * 13
    )  # each costs 70 s, and the minute in which nothing is tried


def test_after_an_outage_what_is_stale_is_skipped_at_once() -> None:
    out = itertools.chain([5.0, 5.0, 45.0], itertools.repeat(5.0))
    result = played(each(5, count=20), [out])
    assert all(left >= LEAST_S for left in result.left_s)


@given(
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from([60.0, 90.0, 300.0])), max_size=60),
    st.lists(st.floats(1, 8), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_at_a_pace_that_varies_within_the_least_life_nothing_arrives_dead(
    gaps: list[tuple[float, float]], usual_s: list[float], seed: int
) -> None:
    """Every message is either sent or dropped, and none is dropped while the modems are not kept busy."""
    at = list(itertools.accumulate(gap for gap, _ in gaps))
    lives = [life for _, life in gaps]

    def varying(seconds: float) -> Iterator[float]:
        for step in itertools.count(seed):
            yield seconds + step * 7919 % 97 / 97 * LEAST_S

    result = played(iter(zip(at, lives, strict=True)), [varying(seconds) for seconds in usual_s])
    assert result.alive == len(result.left_s) == len(gaps) - result.dropped


def test_those_with_the_most_time_left_are_let_go() -> None:
    waiting = backlog(message(300, "a"), message(100, "b"), message(200, "c"))
    assert [message.job for message in waiting.cut(2)] == ["a"]
    assert [message.job for message in waiting] == ["b", "c"]
    assert waiting.cut(2) == []
