"""The AT parser: any bytes, in any pieces, with notices anywhere."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.serial import at
from drivers.serial.at import Answer, Aside, Event, Final, Notice, Parser, Prompt
from drivers.serial.error_causes import ResultKind

MODEM_TALK = st.lists(
    st.sampled_from(
        [
            b"\r\nOK\r\n",
            b"\r\nERROR\r\n",
            b"\r\n> ",
            b"\r\n+CMGS: 7\r\n",
            b"\r\n+CMS ERROR: 500\r\n",
            b"\r\n+CDS: 25\r\n0006\r\n",
            b"\r\nRING\r\n",
            b"AT+CSQ\r",
            b"\r\n+CSQ: 21,0\r\n",
            b"\x00\xff\xfe",
            b"+CREG: 1\r\n",
        ]
    ).flatmap(lambda known: st.one_of(st.just(known), st.binary(max_size=20)))
).map(b"".join)


def talk(octets: bytes, command: str = "AT+CSQ", answer: str = "+CSQ", *, prompt: bool = False) -> list[Event]:
    parser = Parser()
    parser.command(command, answer, prompt=prompt)
    return parser.feed(octets)


@given(MODEM_TALK, st.data())
def test_the_pieces_in_which_octets_come_change_nothing(octets: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    whole = talk(octets, "AT+CMGS=20", "+CMGS", prompt=True)
    parser = Parser()
    parser.command("AT+CMGS=20", "+CMGS", prompt=True)
    pieces = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert [event for piece in pieces for event in parser.feed(piece)] == whole


@given(st.binary(max_size=500))
def test_any_octets_give_events_and_end_at_most_once(octets: bytes) -> None:
    assert sum(isinstance(event, Final) for event in talk(octets)) <= 1


def test_a_line_without_an_end_does_not_grow_for_ever() -> None:
    parser = Parser()
    parser.feed(b"x" * 1_000_000)
    assert len(pickle.dumps(parser)) < 2 * at.LINE_LIMIT  # all that it keeps
    assert parser.feed(b"\r\n\r\nRING\r\n") == [Notice("RING", "RING")]


@pytest.mark.parametrize("echo", [b"", b"AT+CSQ\r"])
def test_an_answer_ends_with_ok_whether_the_modem_echoes_or_not(echo: bytes) -> None:
    assert talk(echo + b"\r\n+CSQ: 21,0\r\n\r\nOK\r\n") == [Answer("+CSQ: 21,0"), Final(ResultKind.OK)]


def test_a_report_in_the_middle_of_an_answer_is_no_part_of_it() -> None:
    events = talk(b'\r\n+CDS: 25\r\n0006AB\r\n\r\n+CMTI: "SM",3\r\n\r\n+CSQ: 9,0\r\nRING\r\n\r\nOK\r\n')
    assert events == [
        Notice("+CDS", "+CDS: 25", "0006AB"),
        Notice("+CMTI", '+CMTI: "SM",3'),
        Answer("+CSQ: 9,0"),
        Notice("RING", "RING"),
        Final(ResultKind.OK),
    ]


def test_a_report_whose_pdu_is_lost_does_not_swallow_the_next_line() -> None:
    assert talk(b"\r\n+CDS: 25\r\n\r\nOK\r\n") == [Notice("+CDS", "+CDS: 25", ""), Final(ResultKind.OK)]


def test_a_listed_message_comes_with_its_pdu() -> None:
    events = talk(b"\r\n+CMGL: 3,1,,5\r\n000401\r\n\r\nOK\r\n", "AT+CMGL=4", "+CMGL")
    assert events == [Answer("+CMGL: 3,1,,5\n000401"), Final(ResultKind.OK)]


def test_a_prompt_is_seen_without_a_line_end() -> None:
    assert talk(b"AT+CMGS=20\r\r\n> ", "AT+CMGS=20", "+CMGS", prompt=True) == [Prompt()]


def test_a_prompt_that_nobody_asked_for_is_none() -> None:
    assert Prompt() not in talk(b"\r\n> \r\nOK\r\n")


def test_the_result_of_a_command_that_was_given_up_is_a_notice() -> None:
    parser = Parser()
    parser.command("AT+CMGS=20", "+CMGS")
    parser.forget()
    assert parser.feed(b"\r\n+CMGS: 7\r\n\r\nOK\r\n") == [Notice("+CMGS", "+CMGS: 7"), Notice("", "OK")]


@pytest.mark.parametrize(
    ("line", "final"),
    [
        ("+CMS ERROR: 500", Final(ResultKind.CMS, 500)),
        ("+CMS ERROR:38", Final(ResultKind.CMS, 38)),
        # Without its colon it used to be no result at all: 30 s, then uncertain.
        ("+CMS ERROR 500", Final(ResultKind.CMS, 500)),
        ("+CME ERROR", Final(ResultKind.CME, None)),
        ("+CMS ERROR: unknown error", Final(ResultKind.CMS, 500)),
        ("+CME ERROR: SIM busy", Final(ResultKind.CME, 14)),
        ("+CME ERROR: (U)SIM PIN required", Final(ResultKind.CME, 11)),
        ("+CMS ERROR: something of its own", Final(ResultKind.CMS, None)),
        ("+CMS ERROR: 99999999999", Final(ResultKind.CMS, None)),
        ("COMMAND NOT SUPPORT", Final(ResultKind.ERROR)),
    ],
)
def test_errors_are_read_as_numbers_and_as_words(line: str, final: Final) -> None:
    assert talk(f"\r\n{line}\r\n".encode()) == [final]


@pytest.mark.parametrize("line", ["OKAY", "ERROR-free", "OK computer", "NO CARRIER", "+CMS ERRORS: 1"])
def test_a_line_that_only_begins_like_a_result_is_none(line: str) -> None:
    assert not [event for event in talk(f"\r\n{line}\r\n".encode()) if isinstance(event, Final)]


def test_a_registration_notice_is_no_answer_to_the_question() -> None:
    events = talk(b"\r\n+CREG: 2\r\n\r\n+CREG: 1,5\r\n\r\nOK\r\n", "AT+CREG?", "+CREG")
    assert events == [Notice("+CREG", "+CREG: 2"), Answer("+CREG: 1,5"), Final(ResultKind.OK)]


@pytest.mark.parametrize("between", ["RING", '+CMTI: "SM",3', "+CREG: 5", "^RSSI: 12"])
def test_a_notice_between_a_report_and_its_pdu_loses_neither(between: str) -> None:
    parser = at.Parser()
    events = parser.feed(f"\r\n+CDS: 25\r\n\r\n{between}\r\n00AB\r\n".encode())
    assert [(event.name, event.pdu) for event in events if isinstance(event, at.Notice)] == [
        (at.name_of(between), ""),
        ("+CDS", "00AB"),
    ]


def test_an_echo_is_a_notice_of_a_modem_that_does_not_echo() -> None:
    parser = at.Parser()
    parser.command("AT+CMEE=1")
    assert parser.feed(b"AT+CMEE=1\r\r\nOK\r\n") == [Final(ResultKind.OK)]
    assert parser.echoes
    parser.quiet = True
    parser.command("AT+CSQ", "+CSQ")
    assert parser.feed(b"AT+CSQ\r")[0].name in at.BANNERS  # type: ignore[union-attr]
    parser.body("0041")
    assert parser.feed(b"0041\r") == []


def test_nothing_that_a_modem_says_shows_in_a_repr() -> None:
    events = talk(b"\r\n+CSQ: 4477009,0\r\n\r\n+CDS: 25\r\n4477009A\r\n\r\nOK\r\n")
    assert "4477009" not in repr(events)


def beside(octets: bytes, *, echoes: bool = False) -> list[Event]:
    parser = Parser()
    parser.command("AT+CMGS=20", "+CMGS", prompt=True)
    parser.feed(b"\r\n> ")
    parser.body("00AB")
    parser.quiet = not echoes
    parser.beside("AT+CMEE?", "+CMEE")
    return parser.feed(octets)


MINE = [Answer("+CMGS: 7"), Final(ResultKind.OK)]


@pytest.mark.parametrize(
    ("octets", "events"),
    [
        (b"\r\n+CMEE: 1\r\n\r\nOK\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n", [Aside("+CMEE: 1"), *MINE]),
        (b"\r\n+CMGS: 7\r\n\r\n+CMEE: 1\r\n\r\nOK\r\n\r\nOK\r\n", [MINE[0], Aside("+CMEE: 1"), MINE[1]]),
        (b"\r\n+CMEE: 1\r\n\r\nOK\r\n\r\n+CMS ERROR: 38\r\n", [Aside("+CMEE: 1"), Final(ResultKind.CMS, 38)]),
    ],
)
def test_a_query_beside_a_message_has_its_own_line_and_its_own_ok(octets: bytes, events: list[Event]) -> None:
    assert beside(octets) == events


def test_each_of_several_queries_beside_a_message_has_its_ok() -> None:
    parser = Parser()
    parser.command("AT+CMGS=20", "+CMGS")
    for _ in range(2):
        parser.beside("AT+CMEE?", "+CMEE")
    assert parser.feed(b"\r\n+CMEE: 1\r\n\r\nOK\r\n" * 2 + b"\r\n+CMGS: 7\r\n\r\nOK\r\n") == [
        Aside("+CMEE: 1"),
        Aside("+CMEE: 1"),
        *MINE,
    ]


def test_the_echo_of_a_query_beside_a_message_is_a_restart_of_a_modem_that_does_not_echo() -> None:
    assert beside(b"AT+CMEE?\r", echoes=True) == []
    assert beside(b"AT+CMEE?\r") == [Notice(at.ECHO, "")]


def test_a_prompt_needs_no_space_behind_it() -> None:
    parser = Parser()
    parser.command("AT+CMGS=20", "+CMGS", prompt=True)
    assert parser.feed(b"\r\n>\r\n+CMGS: 7\r\nOK\r\n") == [Prompt(), Answer("+CMGS: 7"), Final(ResultKind.OK)]


def test_a_command_whose_result_was_an_older_ones_goes_on() -> None:
    parser = Parser()
    parser.command("AT+CMGS=20", "+CMGS", prompt=True)
    assert parser.feed(b"\r\n+CMS ERROR: 42\r\n") == [Final(ResultKind.CMS, 42)]
    parser.expect("+CMGS", prompt=True)
    assert parser.feed(b"\r\n> ") == [Prompt()]


def test_a_late_answer_to_a_query_that_is_watched_is_an_aside() -> None:
    parser = Parser()
    parser.watched = frozenset({"+CMEE"})
    parser.command("AT+CSQ", "+CSQ")
    assert parser.feed(b"+CMEE: 1\r\nOK\r\n+CSQ: 21,0\r\nOK\r\n") == [
        Aside("+CMEE: 1"),
        Notice("", "OK"),
        Answer("+CSQ: 21,0"),
        Final(ResultKind.OK),
    ]
