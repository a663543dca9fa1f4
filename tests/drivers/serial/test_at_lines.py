"""What stands in the lines of a modem: names, parameters, references, registrations, errors."""

import pytest

from drivers.serial import at
from drivers.serial.at import Final
from drivers.serial.error_causes import Meaning, ResultKind


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('+CMTI: "SM",3', "+CMTI"),
        ("+CMTI:3", "+CMTI"),
        ("^SYSSTART", "^SYSSTART"),
        ("#X : 1", "#X"),
        ("*Y: 1", "*Y"),
        ("$Z: 1", "$Z"),
        ("Call Ready", "CALL READY"),
        ("dst: 0", "DST"),
        ("modem:startup", "MODEM:STARTUP"),
        ("ok", "OK"),
    ],
)
def test_the_name_of_a_line_ends_at_its_colon(line: str, name: str) -> None:
    assert at.name_of(line) == name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("AT+CSQ", "+CSQ"),
        ("AT+CREG?", "+CREG"),
        ('AT+CPMS="SM"', "+CPMS"),
        ("AT+CMGL=?", "+CMGL"),
        ("AT^CPIN?", "^CPIN"),
        ("AT^SYSCFG?", "^SYSCFG"),
        ("AT#X=1", "#X"),
        ("ATI", ""),
        ("ATE0", ""),
        ("AT", ""),
    ],
)
def test_an_answer_begins_with_the_name_of_its_command(command: str, name: str) -> None:
    assert at.answer_name(command) == name


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ('+NAME: 1,"a,b",,2', ["1", "a,b", "", "2"]),
        ('+NAME: "a" , "b" ', ["a", "b"]),
        ('+NAME: "a:b",3', ["a:b", "3"]),
        ('+NAME: "a""b",3', ["ab", "3"]),
        ('+NAME: x"a,b"y,"c,d","e,f",4', ["xa,by", "c,d", "e,f", "4"]),
        ('+NAME: "open,1', ["open,1"]),
        ("+NAME: 1,2\n3,4", ["1", "2"]),
        ("+NAME:", [""]),
        ("+NAME", [""]),
    ],
)
def test_parameters_are_set_apart_by_commas_outside_quotes(line: str, parameters: list[str]) -> None:
    assert at.fields(line) == parameters


def test_a_place_in_the_storage_is_read() -> None:
    assert at.storage_index('+CMTI: "SM",3') == ("SM", 3)
    assert at.storage_index('+CDSI: "ME",17,0') == ("ME", 17)


@pytest.mark.parametrize(
    "line", ["+CMTI: ", "+CMTI: 12", '+CMTI: "447700900123",1', '+CMTI: "SM"', '+CMTI: "SM",', '+CMTI: "SM",x', "+CMTI"]
)
def test_a_place_in_the_storage_that_is_none_is_our_own_error(line: str) -> None:
    with pytest.raises(at.Malformed):
        at.storage_index(line)


@pytest.mark.parametrize(
    ("line", "dbm"),
    [
        ("+CSQ: 0,0", -113),
        ("+CSQ: 1,99", -111),
        ("+CSQ: 21,0", -71),
        ("+CSQ: 31,99", -51),
        ("+CSQ: 32,0", None),
        ("+CSQ: 99,99", None),
    ],
)
def test_a_signal_is_read_in_dbm(line: str, dbm: int | None) -> None:
    assert at.signal_dbm(line) == dbm


def test_a_signal_that_is_none_is_our_own_error() -> None:
    with pytest.raises(at.Malformed):
        at.signal_dbm("+CSQ: x")


@pytest.mark.parametrize(("text", "whole"), [("0", 0), ("000000001", 1), ("999999999", 999_999_999)])
def test_a_small_whole_number_is_read(text: str, whole: int) -> None:
    assert at.integer(text) == whole


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1000000000", "٣", "²", " 1"])
def test_what_is_no_small_whole_number_is_our_own_error(text: str) -> None:
    with pytest.raises(at.Malformed) as told:
        at.integer(text)
    assert not text.strip() or text not in str(told.value)


@pytest.mark.parametrize(
    ("line", "unasked"),
    [
        ('+CGREG: 1,"00A1","B2"', True),
        ("+CGREG: 2,1", False),
        ("+CEREG: 5", True),
        ("+CREG: 1,123,45,6", True),
        ("+CREG: 1,12,45,6", False),
        ("+CSQ: 5", False),
    ],
)
def test_registrations_of_every_network_are_told_apart(line: str, *, unasked: bool) -> None:
    assert at.is_unasked_registration(line) is unasked


@pytest.mark.parametrize(
    ("line", "reference"), [("+CMGS: 7", 7), ('+CMGS: 255,"26/11/24,13:00:00+00"', 255), ("+CMGS:0", 0)]
)
def test_a_reference_may_come_with_a_time_stamp(line: str, reference: int) -> None:
    assert at.message_reference(line) == reference


@pytest.mark.parametrize("line", ["+CMGS: ", "+CMGS: x", "+CMGS: 99999999999999"])
def test_a_reference_that_is_none_is_our_own_error(line: str) -> None:
    with pytest.raises(at.Malformed):
        at.message_reference(line)


# There used to be a look at whether the second parameter is a number: an area code without letters made stat 42.
@pytest.mark.parametrize(
    ("line", "status", "unasked"),
    [
        ("+CREG: 5", 5, True),
        ("+CREG: 2,1", 1, False),
        ("+CREG: 0, 10", 10, False),
        ('+CREG: 1,"00A1","B2"', 1, True),
        ('+CREG: 1,"0042","01AB"', 1, True),
        ("+CREG: 1,0042,01AB", 1, True),
        ("+CREG: 5,0042,01234567,7", 5, True),
        ("+CREG: 1,42,17", 1, True),
        ("+CREG: 2,1,0042,01AB", 1, False),
        ("+CREG: 2,3,,", 3, False),
        ('+CEREG: 2,5,"1","2"', 5, False),
        ('+CEREG: 5,9,"1A2B","01234567",7,,,"00","00"', 9, False),
        ('+CEREG: 11,"1A2B","01234567",7', 11, True),
    ],
)
def test_a_registration_is_read_asked_for_or_not(line: str, status: int, *, unasked: bool) -> None:
    assert at.registration(line) == status
    assert at.is_unasked_registration(line) is unasked


@pytest.mark.parametrize("line", ["+CREG: 42", "+CREG: 1,12", "+CREG: ", "+CREG: x", "+CREG: ,,"])
def test_a_registration_that_is_none_is_our_own_error(line: str) -> None:
    with pytest.raises(at.Malformed):
        at.registration(line)


@pytest.mark.parametrize(
    ("final", "meaning"),
    [
        (Final(ResultKind.CMS, 1), Meaning.REFUSED),
        (Final(ResultKind.CMS, 38), Meaning.DEFERRED),
        (Final(ResultKind.CMS, 8), Meaning.DEFERRED),
        (Final(ResultKind.CMS, 28), Meaning.DEFERRED),
        (Final(ResultKind.CMS, 21), Meaning.DEFERRED),  # as a SIM without credit says
        (Final(ResultKind.CMS, 304), Meaning.DEFERRED),
        (Final(ResultKind.CMS, 197), Meaning.REFUSED),
        (Final(ResultKind.CMS, 332), Meaning.UNCERTAIN),
        (Final(ResultKind.CMS, 9999), Meaning.DEFERRED),
        (Final(ResultKind.CMS), Meaning.DEFERRED),
        (Final(ResultKind.CME, 14), Meaning.LATER),
        (Final(ResultKind.CME, 9999), Meaning.LATER),
        (Final(ResultKind.CME), Meaning.LATER),
        (Final(ResultKind.ERROR), Meaning.LATER),
    ],
)
def test_an_error_says_whether_the_message_may_be_sent_again(final: Final, meaning: Meaning) -> None:
    assert at.meaning(final) is meaning


def test_an_error_is_told_in_words() -> None:
    assert at.cause(Final(ResultKind.CMS, 38)) == "CMS 38: network out of order"
    assert at.cause(Final(ResultKind.CMS, 9999)) == "CMS 9999: unknown cause"
    assert at.cause(Final(ResultKind.CMS, 310)) == "CMS 310: SIM not inserted; insert the SIM"
    assert at.cause(Final(ResultKind.ERROR)) == "ERROR"
    assert at.cause(Final(ResultKind.OK)) == "OK"


def test_a_reply_ends_well_with_ok_alone() -> None:
    assert at.Reply(Final(ResultKind.OK)).ok
    assert not at.Reply(Final(ResultKind.CME, 14)).ok
