"""The dialogue of setup, without devices: what is known decides the next question or task."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from daemon.operations.setup.dialogue import Stopped, following, names, take
from daemon.operations.setup.model import (
    Blank,
    Known,
    Outcome,
    Present,
    Profile,
    Question,
    Stick,
    Task,
)

STICK = Stick("/dev/ttyUSB2", "Stick", imei="356938035643809")
BROKEN = Stick("", "Old stick", "it is still a CD-ROM")
PBX = Profile(
    "pbx",
    "A PBX",
    "its manual",
    "not tried",
    ("make an extension",),
    {"register": True},
    (
        Blank("server", "Server"),
        Blank("transport", "Transport", default="udp"),
        Blank("password", "Password", hidden=True),
        Blank("caller_id", "Number", help="as callees see it", optional=True),
        Blank("keepalive_seconds", "Seconds", default="0"),
    ),
    {"transport": {"tls": {"srtp": "sdes"}}},
)
CODE = "4711"
ALL_WELL: Mapping[Task, Outcome] = {
    **{task: Outcome(True) for task in Task},
    Task.FIND: Outcome(True, sticks=(STICK, BROKEN)),
    Task.SMS: Outcome(True, secret=CODE),
    Task.CALL: Outcome(True, secret=CODE),
}
ANSWERS = {"number": "+447700900123", "sms_code": CODE, "trunk": "pbx", "server": "pbx.example", "password": "x"}


def known(**more: object) -> Known:
    return replace(Known((PBX,), check=check), **more)  # type: ignore[arg-type]


def check(name: str, answer: str) -> str:
    return "it is no port" if name == "port" and not answer.startswith("/") else ""


def walked(
    start: Known, answers: Mapping[str, str], outcomes: Mapping[Task, Outcome] = ALL_WELL
) -> tuple[list[str], Known]:
    """The names of what was asked and done, each answer once; a question without an answer takes its default."""
    left, asked, now = dict(answers), [], start
    while (lacks := following(now)) is not None:
        if isinstance(lacks, Task):
            asked.append(f"<{lacks}>")
            now = now.done(lacks, outcomes[lacks])
            continue
        asked.append(lacks.name)
        answer = left.pop(lacks.name, lacks.default)
        assert answer is not None, lacks.name
        assert not lacks.mistake(answer), lacks.name
        now = take(now, lacks, answer)
        assert len(asked) < 100
    return asked, now


def question(now: Known) -> Question:
    lacks = following(now)
    assert isinstance(lacks, Question)
    return lacks


def until(now: Known, name: str, answers: Mapping[str, str], outcomes: Mapping[Task, Outcome] = ALL_WELL) -> Known:
    """As far as that question."""
    while not isinstance(lacks := following(now), Question) or lacks.name != name:
        assert lacks is not None
        if isinstance(lacks, Task):
            now = now.done(lacks, outcomes[lacks])
        else:
            now = take(now, lacks, answers.get(lacks.name, lacks.default or ""))
    return now


def test_where_all_goes_well_every_step_is_taken_once_in_its_order() -> None:
    asked, end = walked(known(), {**ANSWERS, "call_code": CODE})
    modem = ["<find>", "modem", "<network>", "number", "<sms>", "sms_code"]
    trunk = ["trunk", "server", "transport", "password", "caller_id", "keepalive_seconds", "<register>", "call"]
    assert asked == [*modem, *trunk, "<call>", "call_code", "<plan>", "write", "<write>", "<start>"]
    assert end.stick == STICK
    assert set(end.answers) <= names(end)


def test_a_dry_run_asks_and_shows_and_does_nothing_else() -> None:
    asked, _ = walked(known(dry_run=True), ANSWERS)
    assert [each for each in asked if each.startswith("<")] == ["<find>", "<plan>"]
    assert "number" not in asked
    assert "write" not in asked


def test_what_is_as_it_should_be_is_not_written_but_started() -> None:
    outcomes = {**ALL_WELL, Task.PLAN: Outcome(True, changed=False)}
    asked, _ = walked(known(), {"modem": "none", "number": "none", "trunk": "none"}, outcomes)
    assert asked == ["<find>", "modem", "number", "trunk", "<plan>", "<start>"]
    asked, _ = walked(known(), {"modem": "none", "number": "none", "trunk": "none", "write": "no"})
    assert asked[-2:] == ["<plan>", "write"]


def test_without_a_number_nothing_is_sent_and_nobody_is_called() -> None:
    asked, _ = walked(known(), {**ANSWERS, "number": "none"})
    assert not {"<sms>", "<call>", "call"} & set(asked)
    asked, _ = walked(known(), {**ANSWERS, "call": "no"})
    assert "<call>" not in asked


def test_after_a_start_that_failed_the_files_are_planned_and_written_again() -> None:
    """Those that the daemon could not use were taken back."""
    outcomes = {**ALL_WELL, Task.START: Outcome(False, started=False)}
    failed = until(known(), "start_failed", {**ANSWERS, "call_code": CODE}, outcomes)
    again = take(failed, question(failed), "again")
    asked, _ = walked(again, {})
    assert asked == ["<plan>", "<write>", "<start>"]


# --- the modem ---


def test_a_stick_that_cannot_be_used_is_named_with_its_remedy_and_no_choice() -> None:
    asked = question(known().done(Task.FIND, ALL_WELL[Task.FIND]))
    assert asked.notes == ("Old stick:", "  it is still a CD-ROM")
    assert [choice.value for choice in asked.choices] == ["/dev/ttyUSB2", "other", "again", "none"]
    assert asked.choices[0].more == ("/dev/ttyUSB2, IMEI ...643809",)
    assert asked.mistake("nonsense") == "it can be /dev/ttyUSB2, other, again, none"
    assert not asked.mistake("/dev/ttyS7")


def test_without_a_stick_the_modems_stay_as_they_are() -> None:
    now = known(present=Present(("sim1", "sim2"))).done(Task.FIND, Outcome(True))
    asked = question(now)
    assert (asked.default, asked.choices[-1].text) == ("none", "leave the modems as they are (sim1, sim2)")
    assert asked.notes == ("There is no USB modem: plug it in, wait 20 s, and look again.",)


def test_the_stick_that_is_configured_is_the_default() -> None:
    ours = Stick("/dev/ttyUSB5", "Stick", row="sim1")
    asked = question(known().done(Task.FIND, Outcome(True, sticks=(STICK, ours))))
    assert asked.default == "/dev/ttyUSB5"
    assert asked.choices[1].more == ("/dev/ttyUSB5, is sim1",)


def test_look_again_looks_again() -> None:
    asked, _ = walked(known(), {"modem": "again", "number": "none", "trunk": "none"})
    assert asked[:4] == ["<find>", "modem", "<find>", "modem"]


@pytest.mark.parametrize("answers", [{"modem": "other", "port": "/dev/ttyS7"}, {"modem": "/dev/ttyS7"}])
def test_a_port_that_somebody_names_is_asked_what_it_is(answers: dict[str, str]) -> None:
    named = Stick("/dev/ttyS7", "Modem")
    outcomes = {**ALL_WELL, Task.PROBE: Outcome(True, sticks=(named,))}
    asked, end = walked(known(), {**answers, "number": "none", "trunk": "none"}, outcomes)
    assert "<probe>" in asked
    assert end.stick == named


def test_a_named_port_where_nothing_answers_leads_back_to_the_choice() -> None:
    now = until(known(), "port", {"modem": "other"})
    now = take(now, question(now), "/dev/ttyS7").done(Task.PROBE, Outcome(False, remedy=("nothing answers",)))
    failed = question(now)
    assert (failed.name, failed.notes, failed.default) == ("probe_failed", ("nothing answers",), "again")
    assert following(take(now, failed, "again")) == Task.FIND
    skipped, _ = walked(take(now, failed, "skip"), {"number": "none", "trunk": "none"})
    assert skipped == ["number", "trunk", "<plan>", "write", "<write>", "<start>"]


def test_a_port_that_the_daemon_has_is_asked_back_from_it() -> None:
    held = Stick("/dev/ttyUSB2", "Stick", row="sim1", held=True)
    outcomes = {**ALL_WELL, Task.FIND: Outcome(True, sticks=(held,))}
    assert "<free>" in walked(known(), {"number": "none", "trunk": "none"}, outcomes)[0]
    assert "<free>" not in walked(known(dry_run=True), {"trunk": "none"}, outcomes)[0]


def test_the_pin_is_asked_for_only_where_the_sim_wants_it_and_none_is_kept() -> None:
    locked = Stick("/dev/ttyUSB2", "Stick", row="sim1", wants_pin=True)
    outcomes = {**ALL_WELL, Task.FIND: Outcome(True, sticks=(locked,))}
    answers = {"sim_pin": "1234", "number": "none", "trunk": "none"}
    assert "sim_pin" in walked(known(), answers, outcomes)[0]
    kept = known(present=Present(("sim1",), frozenset({"sim1"})))
    assert "sim_pin" not in walked(kept, answers, outcomes)[0]


def test_a_pin_is_never_a_default_not_even_when_it_is_asked_for_again() -> None:
    locked = Stick("/dev/ttyUSB2", "Stick", wants_pin=True)
    outcomes = {**ALL_WELL, Task.FIND: Outcome(True, sticks=(locked,)), Task.NETWORK: Outcome(False)}
    now = until(known(), "network_failed", {"sim_pin": "1234"}, outcomes)
    now = until(take(now, question(now), "again"), "sim_pin", {}, outcomes)
    assert question(now).hidden
    assert question(now).default is None
    assert question(now).mistake("") == "something must be typed"


# --- what goes wrong ---


def test_stop_ends_it() -> None:
    now = until(known(), "network_failed", {}, {**ALL_WELL, Task.NETWORK: Outcome(False)})
    with pytest.raises(Stopped):
        take(now, question(now), "stop")


def test_a_modem_without_a_network_sends_no_test() -> None:
    outcomes = {**ALL_WELL, Task.NETWORK: Outcome(False)}
    asked, _ = walked(known(), {"network_failed": "skip", "number": "+447700900123", "trunk": "none"}, outcomes)
    assert "<sms>" not in asked


def test_a_code_that_does_not_come_is_a_failure_of_the_test() -> None:
    now = until(known(), "sms_code", ANSWERS)
    assert question(now).mistake("0000").startswith("this is another code")
    assert not question(now).mistake(CODE)
    now = take(now, question(now), "")
    assert question(now).name == "sms_failed"
    again = take(now, question(now), "again")
    assert question(again).name == "number"
    assert question(again).default == "+447700900123"
    assert question(take(now, question(now), "skip")).name == "trunk"


def test_an_sms_that_is_not_sent_brings_no_code() -> None:
    outcomes = {**ALL_WELL, Task.SMS: Outcome(False)}
    asked, _ = walked(known(), {"number": "+447700900123", "sms_failed": "skip", "trunk": "none"}, outcomes)
    assert "sms_code" not in asked


def test_a_trunk_that_refuses_is_asked_for_again_with_what_was_answered() -> None:
    now = until(known(), "register_failed", ANSWERS, {**ALL_WELL, Task.REGISTER: Outcome(False)})
    now = take(now, question(now), "again")
    assert (question(now).name, question(now).default) == ("trunk", "pbx")
    now = take(now, question(now), "pbx")
    assert (question(now).name, question(now).default) == ("server", "pbx.example")
    now = until(now, "password", {})
    assert question(now).default is None
    skipped, _ = walked(known(), {**ANSWERS, "register_failed": "skip"}, {**ALL_WELL, Task.REGISTER: Outcome(False)})
    assert "call" not in skipped


def test_answers_that_make_no_configuration_are_asked_for_again_and_never_written() -> None:
    outcomes = {**ALL_WELL, Task.PLAN: Outcome(False)}
    asked, _ = walked(known(), {**ANSWERS, "number": "none", "plan_failed": "skip"}, outcomes)
    assert asked[-2:] == ["<plan>", "plan_failed"]
    now = until(known(), "plan_failed", {**ANSWERS, "number": "none"}, outcomes)
    assert question(take(now, question(now), "again")).name == "trunk"


def test_files_that_cannot_be_written_are_planned_again() -> None:
    outcomes = {**ALL_WELL, Task.WRITE: Outcome(False)}
    answers = {"number": "none", "trunk": "none", "write_failed": "skip"}
    assert walked(known(), answers, outcomes)[0][-2:] == ["<write>", "write_failed"]
    now = until(known(), "write_failed", answers, outcomes)
    assert following(take(now, question(now), "again")) == Task.PLAN


# --- the trunk ---


def test_a_profile_says_first_what_to_do_at_the_far_end_and_what_was_tested() -> None:
    now = until(known(), "server", ANSWERS)
    assert question(now).notes == ("make an extension", "Tested: not tried.")
    later = until(now, "caller_id", {"server": "pbx.example", "password": "x"})
    assert question(later).notes == ("as callees see it",)
    assert question(later).text == "Number (Enter: none)"


def test_the_present_trunk_gives_the_defaults_and_a_password_that_is_there_can_stay() -> None:
    present = Present(trunk="at old.example", voice={"server": "old.example", "password_file": "/etc/x"})
    now = until(known(present=present), "server", {"number": "none", "trunk": "pbx"})
    assert question(now).default == "old.example"
    now = until(now, "password", {})
    assert question(now).default == ""
    assert not question(now).mistake("")
    asked = question(until(known(present=present), "trunk", {"number": "none"}))
    assert asked.choices[-1].text == "leave calls as they are (at old.example)"


def test_a_profile_makes_keys_of_the_right_type_and_leaves_out_what_is_empty() -> None:
    answers = {"server": "pbx.example", "transport": "tls", "password": "x", "caller_id": "", "keepalive_seconds": "25"}
    made = PBX.keys(answers)
    assert made == {
        "register": True,
        "server": "pbx.example",
        "transport": "tls",
        "keepalive_seconds": 25,
        "srtp": "sdes",
    }
    assert "srtp" not in PBX.keys({**answers, "transport": "udp"})


def test_what_is_secret_does_not_show() -> None:
    now = until(known(), "call_code", ANSWERS)
    assert "+447700900123" not in repr(now)
    assert CODE not in repr(now)
