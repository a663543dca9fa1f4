"""The pure parts of the simulated modem: its script of faults, its service centre, its commands."""

import pytest

from drivers.simulated.centre import HANDSETS, ServiceCentre
from drivers.simulated.commands import COMMANDS, LINES, Dial, Failure, Prompt, Restart, obey
from drivers.simulated.dialect import Dialect
from drivers.simulated.faults import Faults
from drivers.simulated.pdus import Submit
from drivers.simulated.state import CREDIT, STORAGE, State

NUMBER = "447700900123"


def state(dialect: Dialect | None = None, pin: str | None = None) -> State:
    new = State.new(dialect or Dialect(), "356938035643809", pin)
    new.start()
    return new


def submit(number: str = NUMBER, text: str = "hello", part: tuple[int, int, int] | None = None) -> Submit:
    return Submit(number, text, True, part, None)


# --- the script of faults ---


def test_a_fault_happens_to_the_next_message_that_it_is_for() -> None:
    faults = Faults(
        errors=[("CMS", 42, NUMBER), ("CMS", 350, "")], lost=[True], prompts=[None, 0.5], delays={"+CSQ": 1}
    )
    assert [faults.error_of("447700900145"), faults.error_of(NUMBER)] == [("CMS", 350), ("CMS", 42)]
    assert faults.error_of(NUMBER) is None
    assert [faults.loses_answer(), faults.loses_answer()] == [True, None]
    assert [faults.prompt_s(), faults.prompt_s(), faults.prompt_s()] == [None, 0.5, 0.0]
    assert [faults.delay_s("+CSQ"), faults.delay_s("+CSQ")] == [1, 0.0]


def test_scripted_answers_come_in_their_order_and_the_last_for_ever() -> None:
    faults = Faults()
    faults.answer("+CSQ", ("ERROR",), 2)
    faults.answer("+CSQ", (), 0)
    assert [faults.answer_of("+CSQ") for _ in range(4)] == [("ERROR",), ("ERROR",), (), ()]
    assert faults.answer_of("+CREG?") is None


# --- the service centre ---


def test_parts_are_one_message_once_all_are_there() -> None:
    arrived: list[tuple[str, str]] = []
    centre = ServiceCentre(HANDSETS, lambda number, text: arrived.append((number, text)))
    centre.take(submit(text="world", part=(7, 2, 2)))
    assert (arrived, len(centre.submits)) == ([], 1)
    centre.take(submit(text="hello ", part=(7, 2, 1)))
    assert arrived == centre.accepted == [(NUMBER, "hello world")]


def test_some_handsets_fail_once_and_others_always() -> None:
    centre = ServiceCentre(HANDSETS, lambda _, __: None)
    assert [centre.error_of("447700900181") for _ in range(2)] == [42, None]
    assert [centre.error_of("447700900180") for _ in range(2)] == [1, 1]
    assert [centre.restarts("447700900187") for _ in range(2)] == [True, False]
    assert (centre.error_of(NUMBER), centre.restarts(NUMBER)) == (None, False)


def test_a_handset_causes_as_many_reports_as_its_row_says() -> None:
    centre = ServiceCentre(HANDSETS, lambda _, __: None)
    reports = {ending: [pdu[-1] for pdu in centre.reports(submit(f"4477009001{ending}"), 1)] for ending in ("84", "86")}
    assert reports == {"84": [0x30, 0x00], "86": []}
    assert not list(centre.reports(Submit(NUMBER, "", False, None, None), 1))


# --- commands ---


@pytest.mark.parametrize("name", sorted({*COMMANDS, *LINES}))
def test_every_command_answers_whatever_its_parameter(name: str) -> None:
    """There used to be a parameter that is no number, out of noise on the line, that ended the modem's thread."""
    for value in ("", "0", "1", '"SM"', "1,1", "9" * 20, "\xb2", "2,1,0,x,1", "\xff"):
        assert isinstance(obey(state(), name, value, 0.0), tuple | Failure | Prompt | Dial | Restart)


def test_the_network_answers_the_codes_that_it_knows() -> None:
    assert obey(state(), "+CUSD", '1,"*100#",15', 0.0) == Dial((CREDIT,))
    assert obey(state(), "+CUSD", '1,"*999#"', 0.0) == Dial(("+CUSD: 4",))
    assert [obey(state(), "+CUSD", value, 0.0) for value in ("2", "3")] == [("OK",), Failure("CME", 50)]


def test_a_locked_sim_answers_few_commands_until_its_pin() -> None:
    locked = state(pin="1234")
    assert obey(locked, "+CSQ", "", 0.0) == Failure("CME", 11)
    assert obey(locked, "+CPIN?", "", 0.0) == ("+CPIN: SIM PIN", "OK")
    assert obey(locked, "+CPIN", '"0000"', 0.0) == Failure("CME", 16)
    assert obey(locked, "+CPINR", "", 0.0) == ("+CPINR: SIM PIN,2", "OK")
    assert obey(locked, "+CPIN", '"1234"', 0.0) == ("OK",)
    assert obey(locked, "+CSQ", "", 0.0) == ("+CSQ: 21,0", "OK")


def test_three_wrong_pins_need_the_puk() -> None:
    locked = state(pin="1234")
    for _ in range(4):
        assert obey(locked, "+CPIN", '"0000"', 0.0) == Failure("CME", 16)
    assert obey(locked, "+CPIN", '"1234"', 0.0) == Failure("CME", 16)
    assert obey(locked, "+CPIN?", "", 0.0) == ("+CPIN: SIM PUK", "OK")


def test_a_dialect_refuses_what_it_does_not_know_or_not_yet() -> None:
    starting = state(Dialect(unknown=frozenset({"+CSQ"}), not_yet=frozenset({"+CMGF"}), starting_s=2.0))
    assert obey(starting, "+CSQ", "", 9.0) == Failure("CME", 4)
    assert [obey(starting, "+CMGF", "0", up_s) for up_s in (1.0, 2.0)] == [Failure("ERROR"), ("OK",)]


def test_the_storage_that_is_read_is_the_selected_one() -> None:
    one = state(Dialect(incoming="ME"))
    one.storage.put("ME", b"\x00\x01")
    assert obey(one, "+CMGL", "4", 0.0) == ("OK",)
    assert obey(one, "+CPMS", '"ME"', 0.0) == (f"+CPMS: 1,{STORAGE},0,{STORAGE},0,{STORAGE}", "OK")
    assert obey(one, "+CMGL", "4", 0.0) == ("+CMGL: 1,1,,1\r\n0001", "OK")
    assert obey(one, "+CMGD", "1", 0.0) == ("OK",)
    assert obey(one, "+CMGR", "1", 0.0) == Failure("CMS", 321)
    one.start()
    assert one.storage.reading == "SM"
