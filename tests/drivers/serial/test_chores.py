"""What is done between two messages: a step at a time, in the order of importance, and never forgotten."""

from concurrent.futures import Future

from drivers.serial.chores import PATIENCE_S, SLICE_S, Chore, Chores, Steps

NEVER = float("inf")


def chore(done: list[str], name: str, steps: int, every_s: float = NEVER) -> Chore:
    def work() -> Steps:
        for step in range(steps):
            done.append(f"{name}{step}")
            yield None

    return Chore(work, every_s)


def test_the_most_important_goes_first_and_may_come_between_the_steps_of_another() -> None:
    done: list[str] = []
    first, second = chore(done, "a", 1), chore(done, "b", 2)
    both = Chores(first, second)
    assert not both.step(0.0)
    second.want(0.0)
    assert both.step(0.0)
    first.want(0.0)
    while both.step(0.0):
        pass
    assert done == ["b0", "a0", "b1"]
    assert both.next_at(0.0) == NEVER


def test_a_chore_is_done_again_so_long_after_its_end() -> None:
    done: list[str] = []
    one = Chores(pulse := chore(done, "p", 1, every_s=2.0))
    pulse.want(1.0)
    assert one.next_at(0.0) == 1.0
    assert one.step(1.0)
    assert one.step(1.5)  # its end
    assert (one.step(3.4), one.step(3.5)) == (False, True)
    assert done == ["p0", "p0"]


def test_what_is_wanted_while_it_is_under_way_is_done_once_more() -> None:
    done: list[str] = []
    one = Chores(work := chore(done, "w", 1))
    work.want(0.0)
    one.step(0.0)
    work.want(0.0)
    while one.step(0.0):
        pass
    assert done == ["w0", "w0"]


def test_a_chore_waits_for_its_future_but_not_for_ever() -> None:
    kept: list[Future[bool]] = [Future(), Future()]
    done: list[int] = []

    def work() -> Steps:
        for place, future in enumerate(kept):
            yield future
            done.append(place)

    one = Chores(waiting := Chore(work, NEVER, patience_s=5.0))
    waiting.want(0.0)
    one.step(0.0)
    assert not one.step(1.0)
    kept[0].set_result(True)
    assert one.step(1.0)
    assert one.next_at(1.0) == 6.0
    assert (one.step(5.9), one.step(6.0)) == (False, True)
    assert done == [0, 1]


def test_messages_keep_chores_from_their_steps_only_for_a_while() -> None:
    one = Chores(work := chore([], "w", 9))
    assert not one.starving(0.0)
    work.want(0.0)
    assert not one.starving(1.0)
    assert one.starving(1.0 + PATIENCE_S)
    one.step(6.0)
    assert one.starving(6.0 + SLICE_S - 0.1)
    one.step(6.9)
    assert not one.starving(6.0 + SLICE_S)
    assert not one.starving(6.9 + PATIENCE_S)
    assert one.starving(7.0 + PATIENCE_S)


def test_a_chore_that_was_put_off_is_due_a_whole_turn_later() -> None:
    one = Chores(pulse := chore([], "p", 1, every_s=2.0))
    pulse.want(1.0)
    pulse.put_off(1.0)
    assert (one.step(2.9), one.step(3.0)) == (False, True)
