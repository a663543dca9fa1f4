"""The canary's plan and what it knows; the clock is in the hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.canary import PATIENCE, SEVERAL, Canary, Standing, standing_from, text_of, token_in
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s

TOKEN, OTHER = "abcdefgh234567ab", "abcdefgh234567ac"
EVERY = s(6 * 3600)
BEGAN = s(1_000_000)
NUMBERS = {"sim1": "447700900001", "sim2": "447700900002", "sim3": "447700900003"}


def canary(*devices: str, numbers: dict[str, str] | None = None) -> Canary:
    return Canary(devices, NUMBERS if numbers is None else numbers, EVERY, BEGAN, "[voice]", "447700900009")


def test_the_first_trials_are_spread_over_the_pause_and_a_restart_brings_none_forward() -> None:
    made = canary("sim1", "sim2", "[voice]")
    assert made.due(BEGAN) == []
    assert made.due(BEGAN + s(2 * 3600)) == ["sim1"]
    assert made.due(BEGAN + EVERY) == ["sim1", "sim2", "[voice]"]
    made.standings["sim1"] = Standing().begun(BEGAN + s(60)).succeeded(BEGAN + s(70))
    assert made.due(BEGAN + EVERY) == ["sim2", "[voice]"]
    assert made.due(BEGAN + EVERY + s(60)) == ["sim2", "[voice]", "sim1"]


def test_a_trial_that_is_under_way_is_not_begun_again() -> None:
    made = canary("sim1")
    made.standings["sim1"] = Standing().begun(BEGAN, TOKEN)
    assert made.due(BEGAN + EVERY + EVERY) == []


def test_each_sim_texts_all_others_in_turn_and_never_itself() -> None:
    made = canary("sim1", "sim2", "sim3", "[voice]")
    texted = [made.recipient("sim1", BEGAN + Ms(int(EVERY) * turn), NUMBERS) for turn in range(4)]
    assert set(texted) == {NUMBERS["sim2"], NUMBERS["sim3"]}
    assert texted[0] == texted[2] != texted[1]
    received = {made.recipient(name, BEGAN, NUMBERS) for name in NUMBERS}
    assert received == set(NUMBERS.values())  # in each turn, each SIM gets a text
    assert made.recipient("[voice]", BEGAN) == "447700900009"


def test_a_sim_that_is_alone_texts_itself_and_one_without_a_number_texts_others() -> None:
    assert canary("sim1", numbers={"sim1": "1"}).recipient("sim1", BEGAN) == "1"
    assert canary("sim1", "bare", numbers={"sim1": "1"}).recipient("bare", BEGAN, {"sim1"}) == "1"
    assert canary("sim1", "bare", numbers={"sim1": "1"}).recipient("bare", BEGAN) == "1"  # it may be back by then


def test_a_sim_whose_only_neighbour_receives_nothing_is_not_held_responsible() -> None:
    """Of two SIMs, a dead one used to make the other look dead: it had nobody else to text."""
    made = canary("sim1", "sim2", numbers={name: NUMBERS[name] for name in ("sim1", "sim2")})
    assert made.recipient("sim1", BEGAN, {"sim1"}) == NUMBERS["sim1"]
    assert made.recipient("sim1", BEGAN, {"sim1", "sim2"}) == NUMBERS["sim2"]
    made.standings["sim1"] = Standing().begun(BEGAN, TOKEN).failed("its text has not arrived")
    assert made.recipient("sim1", BEGAN, {"sim1", "sim2"}) == NUMBERS["sim1"]
    made.standings["sim1"] = made.standing("sim1").begun(BEGAN, TOKEN).failed("its text has not arrived")
    assert made.recipient("sim1", BEGAN, {"sim1", "sim2"}) == NUMBERS["sim2"]


def test_a_plan_that_takes_the_place_of_another_knows_what_that_knew() -> None:
    before, after = canary("sim1", "sim2"), Canary(["sim2", "sim3"], NUMBERS, EVERY, BEGAN + EVERY)
    before.standings |= {name: Standing(failures=1) for name in before.devices}
    after.follow(before)
    assert after.standings == {"sim2": Standing(failures=1)}
    assert after.due(BEGAN + EVERY) == ["sim2", "sim3"]
    new = canary("sim1")
    new.follow(Canary([], {}, EVERY, BEGAN - EVERY))
    assert new.began == BEGAN


def test_what_arrives_in_time_is_a_success_of_its_sender_and_is_known_as_the_canarys() -> None:
    made = canary("sim1", "sim2")
    made.standings["sim1"] = Standing(failures=1, why="x").begun(BEGAN, TOKEN)
    assert made.arrived(token_in(text_of(OTHER)), BEGAN) == ""
    assert made.arrived("", BEGAN) == ""
    assert made.arrived(token_in(text_of(TOKEN)), BEGAN + s(9)) == "sim1"
    assert made.standing("sim1") == Standing(BEGAN, BEGAN + s(9), 0, TOKEN)


@pytest.mark.parametrize("text", ["", "Pinwheel canary", text_of(TOKEN) + "x", "x" + text_of(TOKEN), text_of("A" * 16)])
def test_other_texts_are_none_of_the_canarys(text: str) -> None:
    assert token_in(text) == ""


def test_what_does_not_arrive_in_time_is_a_failure_and_one_that_comes_late_takes_it_back() -> None:
    made = canary("sim1", "sim2")
    made.standings["sim1"] = Standing().begun(BEGAN, TOKEN)
    assert made.give_up(BEGAN + s(300) - Ms(1)) == []
    assert made.give_up(BEGAN + s(300)) == ["sim1"]
    assert (made.standing("sim1").failures, made.standing("sim1").why) == (1, "its text has not arrived")
    assert made.give_up(BEGAN + PATIENCE) == []
    assert made.arrived(TOKEN, BEGAN + PATIENCE + s(60)) == "sim1"
    assert made.standing("sim1").failures == 0


def test_a_setting_that_says_open_and_not_since_when_is_never_late() -> None:
    made = canary("sim1")
    made.standings["sim1"] = Standing(open=True)
    assert made.give_up(BEGAN) == []


def test_devices_that_are_due_at_once_go_in_the_order_of_the_configuration() -> None:
    made = canary("sim2", "sim1")
    for name in ("sim1", "sim2"):
        made.standings[name] = Standing(tried_at=BEGAN)
    assert made.due(BEGAN + EVERY) == ["sim2", "sim1"]


def test_a_call_that_a_restart_cut_off_is_a_failure() -> None:
    made = canary("[voice]")
    made.standings["[voice]"] = Standing().begun(BEGAN)
    assert made.give_up(BEGAN + PATIENCE) == ["[voice]"]
    assert made.standing("[voice]").why == "its call has not ended"


def test_a_failure_is_looked_at_again_soon_and_what_goes_on_failing_at_the_usual_pace() -> None:
    standing, at, pauses = Standing(), BEGAN, []
    for _ in range(4):
        standing = standing.begun(at).failed("no")
        pauses.append(standing.due_at(BEGAN, EVERY) - at)
        at = standing.due_at(BEGAN, EVERY)
    assert pauses == [s(900), s(900), EVERY, EVERY]
    assert standing.failures > SEVERAL
    assert Standing().begun(at).failed("no").due_at(BEGAN, s(300)) == at + s(300)


standings = st.builds(
    Standing,
    st.none() | st.integers(0, 2**45).map(Ms),
    st.none() | st.integers(0, 2**45).map(Ms),
    st.integers(0, 999),
    st.sampled_from(["", TOKEN]),
    st.booleans(),
    st.text(max_size=80),
)


def test_a_standing_is_written_with_all_that_is_known_of_it() -> None:
    standing = Standing(Ms(1), failures=2, why="a/b").begun(Ms(5), TOKEN)
    assert standing.written() == f"5//2/{TOKEN}/1/a/b"
    assert standing_from(standing.written()) == standing


@given(standings)
def test_a_standing_survives_a_restart(standing: Standing) -> None:
    assert standing_from(standing.written()) == standing


@pytest.mark.parametrize("text", ["", "1/2", "x//0///", "////1/", "//x///"])
def test_a_setting_that_cannot_be_read_begins_anew(text: str) -> None:
    assert standing_from(text) == Standing()


def test_no_repr_shows_a_number_or_a_token() -> None:
    made = canary("sim1")
    made.standings["sim1"] = Standing().begun(BEGAN, TOKEN)
    assert "4477" not in repr(made)
    assert TOKEN not in repr(made)
