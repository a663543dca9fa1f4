"""What is counted of a modem that does not work."""

import pytest

from drivers.figures import ModemCounts, Trouble
from drivers.serial.troubles import ERRORS, POWER_CYCLES, RESTARTS, Troubles


def happened(counts: ModemCounts) -> dict[str, dict[Trouble, int]]:
    """What is not 0."""
    each = {"errors": counts.errors, "restarts": counts.restarts, "power_cycles": counts.power_cycles}
    return {name: found for name, all_ in each.items() if (found := {why: n for why, n in all_.items() if n})}


def test_every_cause_that_can_be_is_there_from_the_start() -> None:
    counts = Troubles(power=True).counts
    assert (*counts.errors,) == ERRORS
    assert {*Trouble} - {*ERRORS} == {Trouble.ITSELF}
    assert (*counts.restarts,) == RESTARTS
    assert (*counts.power_cycles,) == POWER_CYCLES
    assert happened(counts) == {}
    assert Troubles(power=False).counts.power_cycles == {}


def test_an_error_lasts_until_the_modem_works_or_has_another() -> None:
    found = Troubles(power=True)
    for trouble in (Trouble.SILENT, Trouble.SILENT, None, Trouble.SILENT, Trouble.ABSENT):
        found.has(trouble)
    assert happened(found.counts) == {"errors": {Trouble.SILENT: 1, Trouble.ABSENT: 1}}
    found.serves()
    found.has(Trouble.ABSENT)
    assert happened(found.counts) == {"errors": {Trouble.SILENT: 1, Trouble.ABSENT: 2}}


def test_the_first_restart_that_a_modem_announces_after_one_of_ours_is_that_one() -> None:
    found = Troubles(power=True)
    found.restarted()
    assert happened(found.counts) == {"restarts": {Trouble.ITSELF: 1}}
    found.is_restarted(Trouble.SILENT)
    found.restarted()
    assert happened(found.counts) == {"restarts": {Trouble.ITSELF: 1, Trouble.SILENT: 1}}
    found.restarted()
    found.has_power_cut(Trouble.STUCK)
    found.restarted()
    cut = {"power_cycles": {Trouble.STUCK: 1}}
    assert happened(found.counts) == {"restarts": {Trouble.ITSELF: 2, Trouble.SILENT: 1}, **cut}
    found.is_restarted(Trouble.STUCK)
    found.serves()  # it has not announced that one
    found.restarted()
    assert found.counts.restarts == {Trouble.ITSELF: 3, Trouble.SILENT: 1, Trouble.STUCK: 1}


def test_counts_that_were_taken_stay_as_they_are() -> None:
    found = Troubles(power=True)
    before = found.counts
    found.has(Trouble.BLOCKED)
    found.is_restarted(Trouble.SILENT)
    found.has_power_cut(Trouble.ABSENT)
    assert happened(before) == {}


@pytest.mark.parametrize("one", [ModemCounts(), ModemCounts({Trouble.SILENT: 1}, {}, {Trouble.STUCK: 2})])
def test_the_counts_of_two_drivers_are_added(one: ModemCounts) -> None:
    other = ModemCounts({Trouble.SILENT: 3, Trouble.STUCK: 0}, {Trouble.ITSELF: 1}, {})
    both = one.plus(other)
    assert both == other.plus(one)
    assert both.errors == {Trouble.SILENT: 3 + one.errors.get(Trouble.SILENT, 0), Trouble.STUCK: 0}
    assert (both.restarts, both.power_cycles) == ({Trouble.ITSELF: 1}, one.power_cycles)
