"""Recipients whom the network did not take."""

from daemon.core.holds import FORGOTTEN_S, HOLD_S, Holds


def test_a_recipient_is_held_longer_each_time_and_then_given_up() -> None:
    holds, waits = Holds(), []
    while holds.deferred("a", 100.0) is not None:
        waits.append(holds.wait_s("a", 100.0))
    assert waits == list(HOLD_S)
    assert holds.wait_s("a", 100.0) == 0


def test_a_recipient_who_is_not_to_blame_is_held_but_not_given_up() -> None:
    holds = Holds()
    for _ in range(9):
        holds.deferred("a", 100.0, give_up=False)
    assert holds.wait_s("a", 100.0) == HOLD_S[-1]
    assert holds.deferred("a", 200.0) is None


def test_a_hold_ends_with_time_and_holds_nobody_else() -> None:
    holds = Holds()
    assert holds.deferred("a", 100.0) == 1
    assert holds.wait_s("a", 100.5) == HOLD_S[0] - 0.5
    assert holds.wait_s("a", 100.0 + HOLD_S[0]) == 0
    assert holds.wait_s("b", 100.0) == 0


def test_a_message_that_was_taken_ends_the_count() -> None:
    holds = Holds()
    holds.deferred("a", 100.0)
    holds.taken("a")
    holds.taken("b")
    assert holds.deferred("a", 200.0) == 1


def test_what_is_long_past_does_not_count() -> None:
    holds = Holds()
    holds.deferred("a", 0.0)
    assert holds.deferred("a", FORGOTTEN_S + HOLD_S[0]) == 1
