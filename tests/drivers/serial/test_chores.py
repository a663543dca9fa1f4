"""What is done between two messages: a step at a time, in the order of importance, and never forgotten."""

from concurrent.futures import Future

from drivers.serial.chores import PATIENCE_S, SLICE_S, Chore, Chores
from drivers.serial.dialogue import ask
from drivers.serial.procedure import GIVE_WAY, Await, Procedure
from tests.drivers.serial.hand import Hand
from tests.drivers.serial.hand import done as end_of

NEVER = float("inf")


def chore(done: list[str], name: str, steps: int, every_s: float = NEVER) -> Chore:
    def work() -> Procedure[None]:
        for step in range(steps):
            done.append(f"{name}{step}")
            yield GIVE_WAY

    return Chore(work, every_s)


def test_the_most_important_goes_first_and_may_come_between_the_steps_of_another() -> None:
    done: list[str] = []
    first, second = chore(done, "a", 1), chore(done, "b", 2)
    both = Chores(first, second)
    assert not end_of(both.step(0.0))
    second.want(0.0)
    assert end_of(both.step(0.0))
    first.want(0.0)
    while end_of(both.step(0.0)):
        pass
    assert done == ["b0", "a0", "b1"]
    assert both.next_at(0.0) == NEVER


def test_a_chore_is_done_again_so_long_after_its_end() -> None:
    done: list[str] = []
    one = Chores(pulse := chore(done, "p", 1, every_s=2.0))
    pulse.want(1.0)
    assert one.next_at(0.0) == 1.0
    assert end_of(one.step(1.0))
    assert end_of(one.step(1.5))  # its end
    assert (end_of(one.step(3.4)), end_of(one.step(3.5))) == (False, True)
    assert done == ["p0", "p0"]


def test_what_is_wanted_while_it_is_under_way_is_done_once_more() -> None:
    done: list[str] = []
    one = Chores(work := chore(done, "w", 1))
    work.want(0.0)
    end_of(one.step(0.0))
    work.want(0.0)
    while end_of(one.step(0.0)):
        pass
    assert done == ["w0", "w0"]


def test_a_chore_waits_for_its_future_but_not_for_ever() -> None:
    kept: list[Future[bool]] = [Future(), Future()]
    done: list[int] = []

    def work() -> Procedure[None]:
        for place, future in enumerate(kept):
            yield Await(future)
            done.append(place)

    one = Chores(waiting := Chore(work, NEVER, patience_s=5.0))
    waiting.want(0.0)
    end_of(one.step(0.0))
    assert not end_of(one.step(1.0))
    kept[0].set_result(True)
    assert end_of(one.step(1.0))
    assert one.next_at(1.0) == 6.0
    assert (end_of(one.step(5.9)), end_of(one.step(6.0))) == (False, True)
    assert done == [0, 1]


def test_messages_keep_chores_from_their_steps_only_for_a_while() -> None:
    one = Chores(work := chore([], "w", 9))
    assert not one.starving(0.0)
    work.want(0.0)
    assert not one.starving(1.0)
    assert one.starving(1.0 + PATIENCE_S)
    end_of(one.step(6.0))
    assert one.starving(6.0 + SLICE_S - 0.1)
    end_of(one.step(6.9))
    assert not one.starving(6.0 + SLICE_S)
    assert not one.starving(6.9 + PATIENCE_S)
    assert one.starving(7.0 + PATIENCE_S)


def test_a_chore_that_was_put_off_is_due_a_whole_turn_later() -> None:
    one = Chores(pulse := chore([], "p", 1, every_s=2.0))
    pulse.want(1.0)
    pulse.put_off(1.0)
    assert (end_of(one.step(2.9)), end_of(one.step(3.0))) == (False, True)


def test_what_a_step_orders_reaches_the_modem_and_the_work_knows_the_time_behind_it() -> None:
    hand = Hand({"AT+CSQ": [[0.5, "+CSQ: 9,0", "OK"]]}, now=10.0)
    times: list[object] = []

    def work() -> Procedure[None]:
        times.append((yield from ask("AT+CSQ", "+CSQ", timeout_s=1.0)).answers)
        times.append((yield GIVE_WAY).now)
        yield from ask("AT+CSQ", "+CSQ", timeout_s=1.0)

    one = Chore(work, NEVER)
    hand.run(one.step(hand.now))
    assert (times, one.under_way) == ([["+CSQ: 9,0"]], True)
    hand.run(one.step(12.0))
    assert (times[-1], one.under_way, hand.wrote) == (12.0, False, ["AT+CSQ"] * 2)
