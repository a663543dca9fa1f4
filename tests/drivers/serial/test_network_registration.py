"""Whether a modem is registered, and by which settings a restart shows."""

import pytest

from drivers.serial.network_registration import Registrations
from drivers.serial.restart_signs import Settings


def test_a_modem_that_has_said_nothing_counts_as_registered() -> None:
    assert Registrations().registered


@pytest.mark.parametrize("status", [1, 5, 6, 7, 9, 10])
def test_one_domain_is_enough(status: int) -> None:
    network = Registrations()
    network.update("+CREG", 3)
    assert not network.registered
    network.update("+CEREG", status)
    assert network.registered


@pytest.mark.parametrize(("statuses", "reason"), [((2, 3), "denies"), ((0, 2), "searching"), ((0, 0), "not searching")])
def test_of_several_reasons_the_one_that_says_most_is_given(statuses: tuple[int, int], reason: str) -> None:
    network = Registrations()
    network.update("+CREG", statuses[0])
    network.update("+CGREG", statuses[1])
    assert reason in network.reason
    assert network.denied == (reason == "denies")


def test_a_restart_shows_in_a_setting_that_was_another() -> None:
    settings = Settings()
    assert not settings.differ("+CMEE: 0")
    settings.learn("+CMEE: 1")
    assert [*settings.queries] == [("AT+CMEE?", "+CMEE")]
    assert (settings.differ("+CMEE: 1"), settings.differ("+CMEE: 0")) == (False, True)
    settings.forget()
    assert [*settings.queries] == []
