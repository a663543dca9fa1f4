"""A question by USSD, and the answer in whatever form a modem writes it."""

import pytest
from gsmmodem.pdu import encodeGsm7, packSeptets
from hypothesis import given
from hypothesis import strategies as st

from drivers.serial import at
from drivers.serial.ussd import CODE, MOST_LINES, Answer, Reader, Status, is_ucs2, question, read
from tests.steps import grows_linearly

TEXT = "Balance: 12.34 EUR"


def answer(*lines: str, charset: str = "GSM") -> Answer | None:
    reader = Reader(charset)
    found = [reader.take(line) for line in lines]
    assert found[:-1] == [None] * (len(lines) - 1)
    assert reader.begun is (found[-1] is None)
    return found[-1]


@pytest.mark.parametrize(
    ("written", "charset", "status", "text"),
    [
        (f'+CUSD: 0,"{TEXT}",15', "GSM", Status.DONE, TEXT),
        (f'+CUSD:1,"{TEXT}" , 15', "GSM", Status.MORE_WANTED, TEXT),
        (f'+CUSD: 2,"{TEXT}"', "", Status.ENDED, TEXT),
        (f"+CUSD: 0,{TEXT},15", "GSM", Status.DONE, TEXT),
        ("+CUSD: 5", "GSM", Status.TIME_OUT, ""),
        ('+CUSD: 0,"Dial "*1#" for more",15', "GSM", Status.DONE, 'Dial "*1#" for more'),
        (f'+CUSD: 0,"{TEXT.encode("utf-16-be").hex()}",72', "GSM", Status.DONE, TEXT),
        (f'+CUSD: 0,"{TEXT.encode("utf-16-be").hex()}",15', "UCS2", Status.DONE, TEXT),
        (f'+CUSD: 0,"{TEXT.encode("utf-16-be").hex()}",0', "IRA", Status.DONE, TEXT),
        ('+CUSD: 0,"00410D",17', "GSM", Status.DONE, "00410D"),
        ('+CUSD: 0,"1234",15', "GSM", Status.DONE, "1234"),
    ],
)
def test_an_answer_is_read_as_people_would(written: str, charset: str, status: Status, text: str) -> None:
    assert answer(written, charset=charset) == Answer(status, text)


@pytest.mark.parametrize("text", ["Balance: 12.34 EUR, 5€ left [", "12345678", "(1234567890)", "5 EURX"])
def test_septets_without_gaps_are_read(text: str) -> None:
    """As Huawei sticks write them; checked against gsmmodem, which packed them."""
    packed = bytes(packSeptets(encodeGsm7(text))).hex()
    assert answer(f'+CUSD: 0,"{packed}",15') == Answer(Status.DONE, text)


@pytest.mark.parametrize(("charset", "scheme"), [("UCS2", 15), ("GSM", 72), ("GSM", 17)])
def test_other_scripts_are_read(charset: str, scheme: int) -> None:
    text = "Баланс: 250 руб"
    assert answer(f'+CUSD: 0,"{text.encode("utf-16-be").hex()}",{scheme}', charset=charset) == Answer(Status.DONE, text)


def test_a_code_is_what_can_be_dialled_for_an_answer() -> None:
    codes = ("*100#", "#123#", "*#06#", "*101*2#", "100", "*100", "*100#1", "##", "*1a#", f"*{'1' * 31}#")
    assert [bool(CODE.fullmatch(code)) for code in codes] == [True] * 4 + [False] * 6


def test_a_text_of_several_lines_ends_with_its_quote() -> None:
    assert answer('+CUSD: 0,"Balance:', "12.34 EUR", 'Thanks",15') == Answer(Status.DONE, "Balance: 12.34 EUR Thanks")
    assert answer('+CUSD: 0,"', *["x"] * (MOST_LINES - 1)) is not None
    assert answer('+CUSD: 0,"' + "x" * 5000) is not None


@pytest.mark.parametrize("written", ["+CUSD: 9", "+CUSD:", "+CUSD: x", '+CUSD: -1,"a",15', "+CUSD: 77777777777777"])
def test_what_is_no_answer_is_malformed(written: str) -> None:
    with pytest.raises(at.Malformed):
        read(written, "GSM")


@given(st.lists(st.text(max_size=60), min_size=1), st.sampled_from(["GSM", "UCS2", ""]))
def test_any_lines_give_an_answer_or_our_own_error(lines: list[str], charset: str) -> None:
    reader = Reader(charset)
    for line in (f'+CUSD: 0,"{lines[0]}', *lines[1:]):
        found = reader.take(line)
        if found is not None:
            assert "text" not in repr(found)
            break


@given(st.binary(min_size=4, max_size=182), st.integers(0, 255))
def test_any_octets_are_a_text(octets: bytes, scheme: int) -> None:
    found = read(f'+CUSD: 0,"{octets.hex()}",{scheme}', "GSM")
    assert found.status is Status.DONE
    assert len(found.text) <= len(octets) * 8 // 7


def test_the_alphabet_of_a_text_is_its_data_coding_scheme() -> None:
    """3GPP 23.038 5."""
    assert [scheme for scheme in range(256) if is_ucs2(scheme)] == [0x11, *(n for n in range(64, 128) if n & 12 == 8)]


def test_the_question_is_in_the_character_set_of_the_modem() -> None:
    assert question("*100#", "GSM") == 'AT+CUSD=1,"*100#",15'
    assert question("*100#", "UCS2") == 'AT+CUSD=1,"002A0031003000300023",15'


def test_an_answer_costs_no_more_than_its_length() -> None:
    def written(n: int) -> str:
        return '+CUSD: 0,"' + "41" * n

    assert grows_linearly(lambda n: lambda: Reader("GSM").take(written(n) + '",15'), (200, 400, 800))
