"""The AT parser: whose a line is, beside late results, noise, echoes and notices."""

import dataclasses

import pytest

from drivers.serial import at
from drivers.serial.at import Answer, Aside, Event, Final, Notice, Parser, Prompt
from drivers.serial.error_causes import ResultKind


def parser(text: str = "AT+CSQ", answer: str = "+CSQ", *, free_text: bool = False, prompt: bool = False) -> Parser:
    """With this command under way."""
    made = Parser()
    made.command(text, answer, free_text=free_text, prompt=prompt)
    return made


def in_pieces(made: Parser, *pieces: bytes) -> list[Event]:
    return [event for piece in pieces for event in made.feed(piece)]


def fed(made: Parser, *lines: str) -> list[Event]:
    return made.feed("".join(f"\r\n{line}\r\n" for line in lines).encode("latin-1"))


# --- what is written ------------------------------------------------------------------------------------------


def test_a_command_ends_with_a_carriage_return_and_a_body_does_not() -> None:
    made = Parser()
    assert made.command("AT+CSQ", "+CSQ") == b"AT+CSQ\r"
    assert made.beside("AT+CMEE?", "+CMEE") == b"AT+CMEE?\r"
    assert made.body("00AB") == b"00AB"


# --- before any command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["OK", "+CSQ: 9,0", "SIM800", "XX", "+CMEE: 1"])
def test_before_the_first_command_every_line_is_a_notice(line: str) -> None:
    assert fed(Parser(), line) == [Notice("", line)]
    assert not Parser().echoes


def test_before_the_first_command_there_is_no_prompt() -> None:
    assert Parser().feed(b"> \r\nOK\r\n") == [Notice("", ">"), Notice("", "OK")]


# --- the prompt -----------------------------------------------------------------------------------------------


def test_a_prompt_comes_once_and_the_blank_behind_it_is_no_part_of_a_line() -> None:
    made = parser("AT+CMGS=20", "+CMGS", prompt=True)
    assert made.feed(b"\r\n> ") == [Prompt()]
    assert made.feed(b"> OK\r\n") == [Notice("", "> OK")]
    made = parser("AT+CMGS=20", "+CMGS", prompt=True)
    assert made.feed(b"\r\n>OK\r\n") == [Prompt(), Final(ResultKind.OK)]


@pytest.mark.parametrize("noise", [b"\xff", b"\xff\xfe\x80 ", b" ", b"\x00\x7f", b"\xa0" * 5000])
def test_a_prompt_behind_noise_is_one(noise: bytes) -> None:
    """A modem on a bad line used to send nothing, since its prompts were not seen."""
    made = parser("AT+CMGS=20", "+CMGS", prompt=True)
    assert made.feed(b"\r\n" + noise + b"> ") == [Prompt()]
    assert made.feed(b"\r\n+CMGS: 7\r\n\r\nOK\r\n") == [Answer("+CMGS: 7"), Final(ResultKind.OK)]


def test_a_prompt_ends_the_noise_before_it_and_may_come_right_behind_a_line() -> None:
    """There used to be no test of octets that come one by one: what had come of a line could be forgotten."""
    made = parser("AT+CMGS=20", "+CMGS", prompt=True)
    assert in_pieces(made, b"\r\nRING\r\n", b"\xff", b"> ") == [Notice("RING", "RING"), Prompt()]
    assert made.feed(b"\xff+CMGS: 7\r\n") == [Answer("+CMGS: 7")]
    assert made.feed(b"x\r\n") == [Notice("", "x")]


def test_a_line_that_comes_in_pieces_is_too_long_when_all_of_it_is() -> None:
    for rest, kept in ((b"x", True), (b"xx", False), (b"xx" + b"y" * 9, False)):
        pieces = [b"x" * (at.LINE_LIMIT - 1), *(bytes([octet]) for octet in rest), b"\r\nOK\r\n"]
        assert [event for event in in_pieces(parser(), *pieces) if event != Final(ResultKind.OK)] == [
            Notice("", "x" * at.LINE_LIMIT)
        ] * kept


def test_noise_does_not_make_a_prompt_of_a_sign_within_a_line() -> None:
    assert Prompt() not in parser("AT+CMGS=20", "+CMGS", prompt=True).feed(b"\r\n\xffa\xff> b\r\n")


def test_a_sign_within_a_line_is_no_prompt() -> None:
    for pieces in ([b"\r\na> b\r\n"], [b"\r\na", b"\xff", b"> b\r\n"], [b"\r\n\xff", b"a", b"> b\r\n"]):
        events = in_pieces(parser("AT+CMGS=20", "+CMGS", prompt=True), *pieces)
        assert [type(event) for event in events] == [Notice]


def test_after_its_body_a_message_is_asked_for_no_more() -> None:
    made = parser("AT+CMGS=20", "+CMGS", prompt=True)
    made.body("00AB")
    assert Prompt() not in made.feed(b"\r\n> ")


def test_a_command_that_was_given_up_is_asked_for_no_body() -> None:
    made = parser("AT+CMGS=20", "+CMGS", prompt=True)
    made.forget()
    assert Prompt() not in made.feed(b"\r\n> ")


@pytest.mark.parametrize("prompt", [True, False])
def test_what_is_expected_after_an_older_commands_result_may_have_a_prompt(*, prompt: bool) -> None:
    made = parser("AT+CMGS=20", "+CMGS", prompt=True)
    assert fed(made, "ERROR") == [Final(ResultKind.ERROR)]
    made.expect("+CMGS", prompt=prompt)
    assert (made.feed(b"\r\n> ") == [Prompt()]) == prompt
    made = parser()
    made.expect("+CMGS")
    assert Prompt() not in made.feed(b"\r\n> ")


# --- whose an answer is ---------------------------------------------------------------------------------------


def test_after_its_end_nothing_is_of_a_command() -> None:
    made = parser("ATI", free_text=True, answer="")
    assert fed(made, "SIM800", "OK", "SIM800", "OK", "AT+CSQ") == [
        Answer("SIM800"),
        Final(ResultKind.OK),
        Notice("", "SIM800"),
        Notice("", "OK"),
        Notice("", "AT+CSQ"),
    ]


@pytest.mark.parametrize("line", ["SIM800", "Manufacturer: x", "123456789012345", "+447700900123", "*"])
def test_free_text_is_any_line_that_has_no_name(line: str) -> None:
    assert fed(parser("AT+CGMM", "", free_text=True), line, "OK") == [Answer(line), Final(ResultKind.OK)]
    assert fed(parser("AT+CMEE=1", ""), line, "OK") == [
        Notice(at.name_of(line) if line in at.NOTICES else "", line),
        Final(ResultKind.OK),
    ]
    made = parser("AT+CGMM", "", free_text=True)
    made.forget()
    assert fed(made, line) == [Notice("", line)]


@pytest.mark.parametrize("line", ["+CGMM: SIM800", "^HCSQ: 1", "#X: 1", "*PSINFO: 1", "$QCSIMSTAT: 1"])
def test_a_line_of_another_name_is_no_free_text(line: str) -> None:
    assert not isinstance(fed(parser("AT+CGMM", "", free_text=True), line)[0], Answer)


def test_an_answer_without_a_name_is_none_of_a_command_that_has_none() -> None:
    assert fed(parser("AT+CMEE=1", ""), ": 1") == [Notice("", ": 1")]


# What modems say by themselves, as their manuals and transcripts have it.
SAID = [
    '+CMTI: "SM",3',
    '+CDSI: "SM",3',
    "+CREG: 5",
    "+CGREG: 1",
    '+CEREG: 1,"1A2B","01234567",7',
    "RING",
    "+CRING: VOICE",
    '+CLIP: "+447700900123",145',
    "+CPIN: NOT READY",
    '+CUSD: 0,"Credit 5.00",15',
    '+CIEV: "service",1',
    "+CFUN: 1",
    "NO CARRIER",
    "BUSY",
    "NO ANSWER",
    "+CTZV: +8",
    '+CTZE: +08,1,"2026/11/28"',
    "+CALA: 1",
    '+QIND: "csq",21,99',
    "+QUSIM: 1",
    "SMS Ready",
    "Call Ready",
    "SMS DONE",
    "PB DONE",
    "+PBREADY",
    '+CCWA: "447700900123",145,1',
    "+CSSU: 2",
    "DST: 0",
    "*PSUTTZ: 26,11,28,19,0,0",
    '*PSNWID: "262","07"',
    "NORMAL POWER DOWN",
    "UNDER-VOLTAGE WARNNING",
    "+CGEV: NW DETACH",
    "^RSSI: 18",
]
STARTED = [
    "RDY",
    "START",
    "APP RDY",
    "*ATREADY: 1",
    "^SYSSTART",
    "+SYSSTART",
    "^SYSSTART AIRPLANE MODE",
    "MODEM:STARTUP",
]
STARTED += ["AT-Command Interpreter ready"]


@pytest.mark.parametrize("line", SAID + STARTED)
def test_what_a_modem_says_by_itself_is_no_answer(line: str) -> None:
    found = fed(parser("AT+CGMM", "", free_text=True), line, "SIM800", "OK")
    assert found[1:] == [Answer("SIM800"), Final(ResultKind.OK)]
    assert isinstance(found[0], Notice)
    assert (bool(found[0].name), found[0].text) == (True, line)


@pytest.mark.parametrize("line", STARTED)
def test_a_modem_that_has_just_started_says_so(line: str) -> None:
    [notice] = fed(Parser(), line)
    assert isinstance(notice, Notice)
    assert notice.name in at.BANNERS


@pytest.mark.parametrize("name", ["+CMT", "+CDS", "+CBM", "+CMGL", "+CMGR"])
def test_a_line_with_a_pdu_waits_for_it(name: str) -> None:
    made = Parser()
    assert fed(made, f"{name}: 1,,25") == []
    [found] = fed(made, "00AB")
    assert isinstance(found, Notice)
    assert (found.text, found.pdu) == (f"{name}: 1,,25", "00AB")
    assert fed(parser("AT+CMGX", name), f"{name}: 1", "00ab") == [Answer(f"{name}: 1\n00ab")]


@pytest.mark.parametrize("line", ["00A", "00AX", "SIM800", "+CDS: 7", "OK"])
def test_what_is_no_pdu_does_not_become_one(line: str) -> None:
    found = fed(parser("AT+CGMM", "", free_text=True), "+CDS: 25", line, "0011")
    assert found[0] == Notice("+CDS", "+CDS: 25", "")


@pytest.mark.parametrize(("between", "last"), [("OK", Final(ResultKind.OK)), ("+CSQ: 9,0", Answer("+CSQ: 9,0"))])
def test_the_commands_own_lines_between_a_report_and_its_pdu_end_the_report(between: str, last: Event) -> None:
    found = fed(parser(), "+CDS: 25", between)
    assert found == [Notice("+CDS", "+CDS: 25", ""), last]


# --- ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "final"),
    [
        ("OK", Final(ResultKind.OK)),
        ("ERROR", Final(ResultKind.ERROR)),
        ("ABORTED", Final(ResultKind.ERROR)),
        ("COMMAND NOT SUPPORT", Final(ResultKind.ERROR)),
        ("TOO MANY PARAMETERS", Final(ResultKind.ERROR)),
        ("+CMS ERROR: 500", Final(ResultKind.CMS, 500)),
        ("+CME ERROR: 10", Final(ResultKind.CME, 10)),
        ("+CME ERROR: 999999999", Final(ResultKind.CME, 999_999_999)),
        ("+CME ERROR: 1000000000", Final(ResultKind.CME)),
        ("+CME ERROR: ١٠", Final(ResultKind.CME)),
    ],
)
def test_a_command_ends_with_one_of_these(line: str, final: Final) -> None:
    made = parser()
    assert made.feed(f"\r\n{line}\r\n".encode("utf-8" if not line.isascii() else "latin-1"))[0].__class__ is Final
    assert at.parse_final(line) == final
    assert final.ok == (line == "OK")


@pytest.mark.parametrize(
    ("name", "watched"),
    [("+CMGS", frozenset()), ("+CMEE", frozenset({"+CMEE"})), ("+CSQ", frozenset({"+CMEE", "+CSQ"}))],
)
def test_the_ok_behind_a_late_answer_is_not_the_commands(name: str, watched: frozenset[str]) -> None:
    made = parser("AT+CREG?", "+CREG")
    made.watched = watched
    late = Notice("+CMGS", "+CMGS: 7") if name == "+CMGS" else Aside(f"{name}: 7")
    assert fed(made, f"{name}: 7", "OK", "+CREG: 1,5", "OK") == [
        late,
        Notice("", "OK"),
        Answer("+CREG: 1,5"),
        Final(ResultKind.OK),
    ]


def test_only_ok_is_owed_after_a_late_answer_and_only_before_another_result() -> None:
    assert fed(parser(), "+CMGS: 7", "ERROR") == [Notice("+CMGS", "+CMGS: 7"), Final(ResultKind.ERROR)]
    assert fed(parser(), "+CMGS: 7", "+CSQ: 9,0", "OK")[-1] == Final(ResultKind.OK)
    assert fed(parser("AT+CGMM", free_text=True), "+CMGS: 7", "SIM800", "OK")[-1] == Final(ResultKind.OK)
    assert fed(parser("AT+CMGS=20", "+CMGS"), "+CMGS: 7", "OK") == [Answer("+CMGS: 7"), Final(ResultKind.OK)]
    assert fed(parser(), "+CMEE: 1", "OK")[-1] == Final(ResultKind.OK)


def test_a_new_command_is_owed_nothing_by_the_one_before() -> None:
    made = parser()
    fed(made, "+CMGS: 7")
    made.command("AT+CREG?", "+CREG")
    assert fed(made, "OK") == [Final(ResultKind.OK)]
    made.beside("AT+CMEE?", "+CMEE")
    fed(made, "+CMEE: 1")
    made.command("AT", "")
    assert fed(made, "OK") == [Final(ResultKind.OK)]


# --- a query beside -------------------------------------------------------------------------------------------


def test_a_query_beside_is_answered_once() -> None:
    made = parser("AT+CMGS=20", "+CMGS")
    made.beside("AT+CMEE?", "+CMEE")
    assert fed(made, "+CMEE: 1", "OK", "+CMEE: 2", "OK") == [
        Aside("+CMEE: 1"),
        Notice("", "+CMEE: 2"),
        Final(ResultKind.OK),
    ]


def test_a_line_between_a_query_beside_and_its_ok_is_what_it_is() -> None:
    made = parser("AT+CMGS=20", "+CMGS")
    made.beside("AT+CMEE?", "+CMEE")
    assert fed(made, "+CMEE: 1", "+CMGS: 7", "OK") == [Aside("+CMEE: 1"), Answer("+CMGS: 7"), Final(ResultKind.OK)]


BETWEEN = ("+CREG: 1", "^RSSI:17", "RING", "+PSBEARER: 0", "\x80\xfe", '+CMTI: "SM",3', "+CDS: 3\r\n\r\n0102FF")


@pytest.mark.parametrize("line", BETWEEN)
def test_what_a_modem_says_by_itself_between_an_answer_and_its_ok_does_not_make_the_ok_the_commands(line: str) -> None:
    """The OK of a query beside a message used to end the message then, as one without a reference."""
    made = parser("AT+CMGS=20", "+CMGS")
    made.beside("AT+CMEE?", "+CMEE")
    first, _, *rest = fed(made, "+CMEE: 1", line, "OK", "+CMGS: 7", "OK")
    assert (first, rest) == (Aside("+CMEE: 1"), [Answer("+CMGS: 7"), Final(ResultKind.OK)])
    late = parser("AT+CREG?", "+CREG")
    late.watched = frozenset({"+CMEE"})
    first, _, *rest = fed(late, "+CMEE: 1", line.replace("CREG", "CGREG"), "OK", "+CREG: 1,5", "OK")
    assert (first, rest) == (Aside("+CMEE: 1"), [Notice("", "OK"), Answer("+CREG: 1,5"), Final(ResultKind.OK)])


def test_without_a_query_beside_there_is_no_answer_to_one() -> None:
    made = parser()
    made.beside("AT+CMEE?", "+CMEE")
    made.command("AT+CSQ", "+CSQ")
    assert fed(made, "+CMEE: 1", "XX: 1", "OK") == [Notice("", "+CMEE: 1"), Notice("", "XX: 1"), Final(ResultKind.OK)]


# --- echoes ---------------------------------------------------------------------------------------------------


def test_an_echo_comes_once_for_each_command_and_only_of_it() -> None:
    made = parser()
    assert made.feed(b"AT+CSQ\r") == []
    assert made.echoes
    assert made.feed(b"AT+CSQ\r") == [Notice("", "AT+CSQ")]
    made.command("AT+CREG?", "+CREG")
    assert not made.echoes
    assert made.feed(b"AT+CSQ\r") == [Notice("", "AT+CSQ")]
    made.forget()
    assert made.feed(b"AT+CREG?\r\nXX\r\n") == [Notice("", "AT+CREG?"), Notice("", "XX")]


def test_an_echo_of_a_modem_that_does_not_echo_shows_nothing_of_it() -> None:
    made = parser("AT+CMGS=20", "+CMGS")
    made.quiet = True
    [notice] = made.feed(b"AT+CMGS=20\r")
    assert dataclasses.astuple(notice) == (at.ECHO, "", "")


# --- noise ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("\xff\xfe+CSQ: 9,0", Answer("+CSQ: 9,0")),
        ("x+CSQ: 9,0", Answer("+CSQ: 9,0")),
        ("+C\xffSQ: 9,0", Answer("+CSQ: 9,0")),
        ("\xffO\xfeK", Final(ResultKind.OK)),
        ("\xff OK \xfe", Final(ResultKind.OK)),
        ("\xff+CMS ERROR: 38", Final(ResultKind.CMS, 38)),
        ("\xffCOMMAND NOT SUPPORT", Final(ResultKind.ERROR)),
        ("\xff+CREG: 5", Notice("", "\xff+CREG: 5")),
        ("\xff9", Notice("", "\xff9")),
    ],
)
def test_an_answer_or_a_result_is_read_beside_noise_and_the_rest_is_left(line: str, event: Event) -> None:
    assert fed(parser(), line) == [event]


def test_octets_that_no_line_has_are_passed_over() -> None:
    assert parser().feed(b"\r\nO\x00\x1fK\x1b\r\n") == [Final(ResultKind.OK)]
    assert parser().feed(b"\r\nA\x20B\r\n") == [Notice("", "A B")]


def test_a_line_has_at_most_4096_octets() -> None:
    assert fed(Parser(), "x" * 4096) == [Notice("", "x" * 4096)]
    assert fed(Parser(), "x" * 4097, "RING") == [Notice("RING", "RING")]


def test_nothing_of_a_number_shows() -> None:
    for event in (Answer("447700900123"), Aside("447700900123"), Notice("+CLIP", "447700900123", "447700900123")):
        assert "447700900123" not in repr(event)
    assert "447700900123" not in repr(at.Reply(Final(ResultKind.OK), ["447700900123"]))
