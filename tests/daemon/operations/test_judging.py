"""Which checks follow from which, which are skipped, and in which order the doctor shows them."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.operations.doctor.checks.machine import EARLIEST
from daemon.operations.doctor.facts import Asker, Facts, Given, Socket
from daemon.operations.doctor.judging import Check, Place, Result, chosen, judged, problems
from daemon.operations.doctor.registry import CHECKS, OF_DAEMON
from daemon.operations.doctor.verdicts import State, error, ok, warning
from daemon.operations.host.values import MISSING, Certificate, Clock, Holders, Missing
from tests.daemon.operations.test_doctor import ALICE, BASE, GONE, HELD, MACHINE, WORLDS, E, W
from tests.daemon.operations.worlds import (
    DOWN,
    MANAGER,
    PORT,
    SERVICE,
    config,
    daemon,
    disk,
    ports,
    seen,
    trunk,
    unit,
)


def test_the_trouble_of_one_modem_hides_nothing_of_another() -> None:
    other = replace(GONE, name="sim2")
    found = problems(judged(CHECKS, seen(**ports(PORT, holders=Holders((MANAGER,))), **daemon(HELD, other))))
    assert [(each.check.name, each.verdict.subject) for each in found] == [
        ("port-held", "sim1"),
        ("modem-port", "sim2"),
    ]


def test_what_follows_says_from_what_also_over_several_steps() -> None:
    results = judged(CHECKS, seen(**WORLDS["key gone"][0]))
    hidden = {result.check.name: result.because for result in results if result.because}
    assert hidden == {
        "service-restarts": "master-key",
        "socket-there": "master-key",
        "daemon-answers": "master-key",
    }
    away = next(result for result in results if result.check.name == "socket-there")
    assert away.verdict.text == "because master-key"


def test_what_follows_from_what_follows_names_the_first_cause_and_keeps_its_device() -> None:
    def fails(*subjects: str) -> Any:
        return lambda _: [error("x", subject=subject) for subject in subjects]

    def row(name: str, *subjects: str, needs: tuple[str, ...] = ()) -> Check:
        return Check(name, "", lambda _: (), fails(*subjects), needs)

    rows = [
        row("port", "sim1"),
        row("modem", "sim1", "sim2", needs=("port",)),
        row("sms", "sim1", "sim2", needs=("modem",)),
    ]
    results = judged([*rows, row("queue", "", needs=("port",))], Facts())
    shown = [(each.check.name, each.verdict.subject, each.because) for each in results]
    assert shown == [
        ("port", "sim1", ""),
        ("modem", "sim1", "port"),
        ("modem", "sim2", ""),
        ("sms", "sim1", "port"),
        ("sms", "sim2", "modem"),
        ("queue", "", "port"),
    ]
    results = judged([row("file", ""), row("modem", "sim1", needs=("file",))], Facts())
    assert [each.because for each in results] == ["", "file"]


def test_a_cause_is_as_grave_as_what_follows_from_it() -> None:
    """There used to be a warning, and exit 0, where the only modem was unplugged: the error was hidden behind it."""
    rows = [
        Check("port", "", lambda _: (), lambda _: [warning("x", subject="sim1"), warning("y", subject="sim2")]),
        Check("modem", "", lambda _: (), lambda _: [error("z", subject="sim1")], ("port",)),
        Check("slow", "", lambda _: (), lambda _: [warning("z", subject="sim2")], ("port",)),
    ]
    shown = [(each.verdict.text, each.state) for each in problems(judged(rows, Facts()))]
    assert shown == [("x", E), ("y", W)]


@pytest.mark.parametrize(
    ("also", "code"),
    [
        (disk(free=400_000_000, total=80_000_000_000), "disk-room"),
        (config(("[api] allow_uids", "there is no user 77"), mild=True), "config-keys"),
        (config(("[[workflow]] number 1 steps", "none of them can be sent"), starts=True), "config-keys"),
    ],
)
def test_what_keeps_no_daemon_from_its_start_hides_no_daemon_that_does_not_run(also: dict[str, Any], code: str) -> None:
    """There used to be a user who does not exist in allow_uids, a warning, in the place of "start it"."""
    found = problems(judged(CHECKS, seen(**DOWN, **unit(SERVICE, active="inactive"), **also)))
    assert {each.check.name: each.verdict.remedy for each in found}["service-active"] == "systemctl start pinwheel"
    assert {each.check.name for each in found} == {"service-active", code}


def test_a_clock_that_is_years_behind_explains_a_certificate_and_one_that_is_not_synchronised_does_not() -> None:
    over: dict[str, Any] = {**trunk(certificate_problem="it is not valid yet"), "certificate": Certificate("/c", -1.0)}
    behind = problems(judged(CHECKS, seen(clock=Clock(False, 1e9), **over)))
    assert [each.check.name for each in behind] == ["clock"]
    loose = problems(judged(CHECKS, seen(clock=Clock(False, EARLIEST), **over)))
    assert [each.check.name for each in loose] == ["certificate-days", "trunk-certificate", "clock"]


def test_a_daemon_that_says_nothing_of_a_check_finds_nothing_wrong() -> None:
    results = judged(OF_DAEMON, Facts(given=()))
    assert [result.check.name for result in results if result.check.place is Place.DAEMON]
    assert {result.state for result in results} == {State.OK}


def test_what_was_not_looked_at_is_skipped_with_the_reason() -> None:
    results = judged(CHECKS, Facts(ports=Missing("needs root"), asker=ALICE))
    said = {result.check.name: result.verdict.text for result in results if result.state is State.SKIPPED}
    assert said["port-held"] == "needs root"
    assert said["socket-group"] == MISSING.why
    assert said["socket-there"] == MISSING.why
    assert {result.verdict.text for result in judged(CHECKS, Facts()) if result.check.name == "socket-group"} == {
        MISSING.why
    }


def test_where_the_command_may_not_look_the_daemon_answers_for_it() -> None:
    full = error("the disk is full")
    shown = judged(CHECKS, seen(disks=MISSING, given=(Given("disk-room", full),)))
    assert [result.verdict for result in problems(shown)] == [full]
    assert problems(judged(CHECKS, seen(given=(Given("disk-room", full),)))) == []


def test_everybody_in_the_group_root_and_an_open_socket_need_no_membership() -> None:
    *_, check = chosen(CHECKS, ["socket-group"])
    for parts in ({"asker": Asker("root", True)}, {"asker": ALICE, "socket": Socket("/s", True, "x", 0o666)}):
        assert [result.state for result in judged([check], seen(**parts))] == [State.OK]


def test_some_checks_are_chosen_with_those_that_they_need() -> None:
    assert chosen(CHECKS, []) == CHECKS
    codes = [check.name for check in chosen(CHECKS, ["modem-port", "clock-stepped"])]
    assert codes[-1] == "modem-port"
    assert {"clock", "port-held", "config-file"} <= set(codes)
    with pytest.raises(KeyError, match="no-such"):
        chosen(CHECKS, ["no-such"])


def test_errors_come_before_warnings() -> None:
    results = judged(CHECKS, seen(machine=replace(MACHINE, memory_free=1), database=replace(BASE, damage=("x",))))
    assert [result.state for result in problems(results)] == [E, W]
    assert Result(CHECKS[0], ok()).state is State.OK
    assert [check.place for check in OF_DAEMON if check.place is Place.MACHINE] == []
