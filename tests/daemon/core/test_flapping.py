"""A device that comes and goes fills no journal, and its last state is in it all the same."""

from daemon.core.flapping import AT_ONCE, EVERY_S, Change, Flapping


def test_few_changes_are_logged_at_once_and_what_is_known_is_not_logged_again() -> None:
    device: Flapping[str] = Flapping()
    seen = [device.see(state, now) for now, state in enumerate(["starting", "starting", "ready", "waiting", "ready"])]
    assert seen == [Change("starting"), None, Change("ready"), Change("waiting"), Change("ready")]
    assert (device.due, device.look(1e9)) == (float("inf"), None)


def test_an_hour_of_ten_changes_a_second_is_a_line_a_minute_and_every_change_is_counted() -> None:
    """There used to be a line for each: 36,000 an hour."""
    device: Flapping[str] = Flapping()
    lines = []
    for tick in range(36_000):
        lines += [device.see("ready" if tick % 2 else "waiting", tick / 10), device.look(tick / 10)]
    lines.append(device.look(device.due))
    logged = [line for line in lines if line is not None]
    assert logged[0] == Change("waiting")
    assert logged[-1].state == "ready"
    assert len(logged) == 20 + 60
    assert sum(1 + line.unlogged for line in logged) == 36_000


def test_a_device_that_has_been_calm_is_logged_at_once_again() -> None:
    device: Flapping[int] = Flapping()
    assert [device.see(n, 0.0) for n in range(AT_ONCE + 2)][-2:] == [None, None]
    assert device.due == EVERY_S
    assert device.look(EVERY_S - 1) is None
    assert device.look(EVERY_S) == Change(AT_ONCE + 1, 1)
    assert device.see(0, EVERY_S * 3) == Change(0)


def test_what_a_device_says_last_is_logged_at_once() -> None:
    device: Flapping[str] = Flapping()
    for n in range(AT_ONCE + 3):
        device.see(str(n), 0.0)
    assert device.see("closed", 1.0, last=True) == Change("closed", 3)
    assert (device.see("closed", 2.0, last=True), device.look(1e9)) == (None, None)
