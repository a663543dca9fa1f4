"""The PDU codec, judged by codecs that others wrote: smspdudecoder and python-messaging."""

from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from messaging.sms import SmsDeliver
from messaging.sms import SmsSubmit as OtherSubmit
from smspdudecoder.fields import SMSDeliver, SMSSubmit

from drivers import Delivery, IncomingSms, Sms, StatusReport
from drivers.serial.pdu import PduError, coding, decode, delivery, encode_submit, relative_validity
from drivers.simulated.pdus import GSM7 as BASIC
from drivers.simulated.pdus import deliver, read_submit, status_report

NUMBER = "447700900123"
GSM7_TEXTS = ["Acme code: 1234. Valid for 5 minutes.", "@£$¥èéùìòÇ ÄÖÑÜ§¿äöñüà", "{}[]~^|\\€", "x" * 160]
BEFORE_USER_DATA, USER_DATA = (
    14,
    140,
)  # octets of a SUBMIT to this number; the most that TP-UD may have (23.040 9.2.3.16)
UCS2_TEXTS = ["Код: 1234", "コード 1234", "`", "Ж" * 70, "🙂 ok", "𝔄" * 35, "👩‍💻🇬🇧"]


def read(hex_digits: str) -> dict[str, Any]:
    found: dict[str, Any] = SMSSubmit.decode(StringIO(hex_digits))
    return found


@pytest.mark.parametrize("text", GSM7_TEXTS + UCS2_TEXTS)
def test_a_text_of_one_part_is_read_back_by_another_codec(text: str) -> None:
    (part,) = encode_submit(Sms(NUMBER, text, 300))
    found = read(part.hex)
    assert found["user_data"]["data"] == text
    assert found["recipient"]["number"] == NUMBER
    assert found["recipient"]["toa"]["ton"] == "international"
    assert part.length == len(part.hex) // 2 - 1


@pytest.mark.parametrize(("text", "coding"), [("code 1234", 0x10), ("код 1234", 0x18)])
def test_a_flash_message_is_of_class_0(text: str, coding: int) -> None:
    (plain,), (flash,) = encode_submit(Sms(NUMBER, text, 300)), encode_submit(Sms(NUMBER, text, 300, flash=True))
    differing = [
        pair for pair in zip(bytes.fromhex(plain.hex), bytes.fromhex(flash.hex), strict=True) if len(set(pair)) > 1
    ]
    assert differing == [(coding - 0x10, coding)]  # the data coding scheme alone (23.038 4)
    assert read(flash.hex)["user_data"]["data"] == text


@pytest.mark.parametrize("text", ["a" * 161, "€" * 100, "Ж" * 71, "[" * 152 + "aa", "x" * 1000])
def test_a_long_text_comes_in_parts_that_belong_together(text: str) -> None:
    parts = [read(part.hex)["user_data"] for part in encode_submit(Sms(NUMBER, text, 300), reference=77)]
    headers = [part["header"]["elements"][0]["data"] for part in parts]
    # Seven fill bits at the end of a part are no "@" (23.038 6.1.2.3.1), though this decoder reads them so.
    assert "".join(part["data"].rstrip("@") for part in parts) == text
    assert {header["reference"] for header in headers} == {77}
    assert [header["part_number"] for header in headers] == list(range(1, len(parts) + 1))
    assert {header["parts_count"] for header in headers} == {len(parts)}


@pytest.mark.parametrize("text", ["Acme code: 1234.", "Код: 1234"])
def test_the_octets_are_those_of_another_encoder(text: str) -> None:
    other = OtherSubmit(f"+{NUMBER}", text)
    other.validity = None
    other.request_status = True
    (expected,) = other.to_pdu()
    (part,) = encode_submit(Sms(NUMBER, text, 300))
    with_validity = expected.pdu.upper()
    # It writes no validity period: first octet and TP-VP are ours alone, the rest has to be the same.
    at = 2 + 2 + 2 + 4 + len(NUMBER) + 4
    ours = part.hex
    assert ours[4:at] == with_validity[4:at]
    assert ours[at + 2 :] == with_validity[at:]


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    (part,) = encode_submit(Sms(NUMBER, "\ud83d ok \ude42", 300))
    assert read(part.hex)["user_data"]["data"] == "? ok ?"


@pytest.mark.parametrize("before", range(4))
def test_no_part_of_a_long_text_ends_or_begins_with_half_a_character(before: int) -> None:
    """There used to be a "?" for each character outside the Basic Multilingual Plane."""
    text = "Ж" * before + "🙂" * 90
    parts = [read(part.hex)["user_data"]["data"] for part in encode_submit(Sms(NUMBER, text, 300))]
    assert "".join(parts) == text
    assert {len(part.encode("utf-16-be")) // 2 for part in parts[:-1]} <= {66, 67}


@pytest.mark.parametrize("number", ["150", "72211", "123456"])
def test_a_short_code_is_left_to_the_network_to_resolve(number: str) -> None:
    (part,) = encode_submit(Sms(number, "BALANCE", 300))
    recipient = read(part.hex)["recipient"]
    assert (recipient["number"], recipient["toa"]["ton"]) == (number, "unknown")


@pytest.mark.parametrize("number", ["+447700900123", "07700 900123", "٤٤٧", "1" * 16, "", "12"])
def test_only_e164_digits_and_short_codes_are_a_number(number: str) -> None:
    with pytest.raises(PduError) as error:
        encode_submit(Sms(number, "x", 300))
    assert not number or number not in str(error.value)


MINUTE_S, HOUR_S, DAY_S, WEEK_S = 60, 3600, 86_400, 604_800


def lasts_s(octet: int) -> int:
    """How long TP-VP means, as 23.040 9.2.3.12.1 has it."""
    if octet <= 143:
        return (octet + 1) * 5 * MINUTE_S
    if octet <= 167:
        return 12 * HOUR_S + (octet - 143) * 30 * MINUTE_S
    return (octet - 166) * DAY_S if octet <= 196 else (octet - 192) * WEEK_S


@pytest.mark.parametrize(
    ("seconds", "octet"),
    [
        (0, 0),
        (1, 0),
        (299.5, 0),
        (300, 0),
        (300.001, 1),
        (599, 1),
        (600, 1),
        (601, 2),
        (3600, 11),
        (43_200, 143),
        (43_201, 144),
        (86_400, 167),
        (86_401, 168),
        (30 * DAY_S, 196),
        (30 * DAY_S + 1, 197),
        (63 * WEEK_S, 255),
        (999 * WEEK_S, 255),
    ],
)
def test_the_validity_period_is_the_shortest_step_that_is_not_shorter(seconds: float, octet: int) -> None:
    """There used to be up to five minutes lost: a PIN of 600 s, sent at once, was kept for 300 s."""
    assert relative_validity(seconds) == octet


@given(st.floats(0, 63 * WEEK_S))
def test_no_message_dies_before_its_pin_nor_lives_a_step_longer(seconds: float) -> None:
    octet = relative_validity(seconds)
    assert lasts_s(octet) >= seconds
    assert octet == 0 or lasts_s(octet - 1) < seconds


@pytest.mark.parametrize(
    ("status", "class_"),
    [
        (0x00, Delivery.DELIVERED),
        (0x1F, Delivery.DELIVERED),
        (0x20, Delivery.TRYING),
        (0x3F, Delivery.TRYING),
        (0x40, Delivery.FAILED),
        (0xFF, Delivery.FAILED),
    ],
)
def test_a_status_report_has_three_classes(status: int, class_: Delivery) -> None:
    assert delivery(status) is class_
    assert decode(status_report(9, NUMBER, status).hex()) == StatusReport(9, NUMBER, class_, status)


def test_a_report_with_a_time_that_no_calendar_knows_is_read() -> None:
    octets = bytearray(status_report(9, NUMBER, 0))
    octets[-15:-1] = b"\xff" * 14
    report = decode(octets.hex())
    assert isinstance(report, StatusReport)
    assert report.reference == 9


def test_an_incoming_message_is_read_as_another_codec_reads_it() -> None:
    pdu = deliver(NUMBER, "Привет").hex().upper()
    other = SmsDeliver(pdu)
    assert decode(pdu) == IncomingSms(other.number.lstrip("+"), other.text)


@given(st.text(max_size=35))
def test_an_incoming_text_of_any_characters_is_read_as_it_was_written(text: str) -> None:
    assert decode(deliver(NUMBER, text).hex()) == IncomingSms(NUMBER, text)


@pytest.mark.parametrize("spoilt", ["", "0", "zz", "00", "0104", "05 91", "ff00"])
def test_what_is_no_pdu_is_our_own_error(spoilt: str) -> None:
    with pytest.raises(PduError, match="cannot read a PDU"):
        decode(spoilt)


@given(st.binary(max_size=200))
def test_any_octets_give_a_message_or_our_own_error(octets: bytes) -> None:
    with suppress(PduError):
        assert isinstance(decode(octets.hex()), StatusReport | IncomingSms)


@given(st.text(max_size=400))
@example("x" * 161)
@example("Ж" * 71)
@example("🙂" * 80)
def test_any_text_is_encoded_and_read_back(text: str) -> None:
    parts = encode_submit(Sms(NUMBER, text, 300))
    assert all(part.length <= BEFORE_USER_DATA + USER_DATA for part in parts)
    arrived = "".join(read_submit(bytes.fromhex(part.hex)).text for part in parts)
    assert arrived == text  # hypothesis makes no half surrogate pairs


def test_a_text_of_too_many_parts_is_refused() -> None:
    with pytest.raises(PduError, match="256 parts"):
        encode_submit(Sms(NUMBER, "x" * (255 * 153 + 1), 300))


def test_what_a_service_centre_does_not_send_is_no_message() -> None:
    with pytest.raises(PduError, match="type 1"):
        decode("000100")


@pytest.mark.parametrize(("text", "most"), [("x", 153), ("Ж", 67)])
def test_no_more_parts_are_sent_than_the_text_needs(text: str, most: int) -> None:
    assert len(encode_submit(Sms(NUMBER, text * most * 2, 300))) == 2
    assert len(encode_submit(Sms(NUMBER, text * (most * 2 + 1), 300))) == 3


UCS2, GSM7, DATA = "041f04400438043204350442", "e8329bfd067d01", "010260"
TEXTS = {UCS2: (12, "Привет"), GSM7: (7, "hello §"), DATA: (3, "\x01\x02`")}
"""By its user data: TP-UDL and the text."""


@pytest.mark.parametrize(
    ("dcs", "data"),
    [
        (0x00, GSM7),
        (0x04, DATA),
        (0x08, UCS2),
        (0x0C, GSM7),  # reserved
        (0x48, UCS2),  # to be deleted
        (0xB0, GSM7),  # reserved
        (0xC8, GSM7),  # message waiting
        (0xE0, UCS2),  # message waiting
        (0xF1, GSM7),  # class 1
        (0xF5, DATA),
    ],
)
def test_an_incoming_message_is_read_by_its_data_coding_scheme(dcs: int, data: str) -> None:
    length, text = TEXTS[data]
    pdu = bytearray(deliver(NUMBER, ""))
    pdu[11], pdu[19:] = dcs, bytes([length]) + bytes.fromhex(data)
    assert decode(pdu.hex()) == IncomingSms(NUMBER, text)


def packed(septets: list[int]) -> bytes:
    """23.038 6.1.2.1."""
    number = sum(septet << 7 * place for place, septet in enumerate(septets))
    return number.to_bytes((7 * len(septets) + 7) // 8, "little")


def gsm_deliver(text: str, header: bytes = b"", sender: str = "0c91447700901032") -> str:
    """A DELIVER in the basic alphabet. header: with its length."""
    filled = -(-len(header) * 8 // 7)
    septets = [0] * filled + [BASIC.index(char) for char in text]
    first = "44" if header else "04"
    data = header + packed(septets)[len(header) :]
    return f"00{first}{sender}000062114281000000{len(septets):02x}" + data.hex()


@given(st.text("abcdefgh @\u00a3", max_size=40), st.integers(0, 14))
@example("Your parcel", 6)
@example("mail me@", 0)
def test_a_text_behind_any_header_is_read_as_another_codec_reads_it(text: str, length: int) -> None:
    header = bytes([length, 0x70, length - 2, *range(length - 2)]) if length > 1 else b""
    pdu = gsm_deliver(text, header)
    theirs = SMSDeliver.decode(StringIO(pdu))["user_data"]["data"]
    assert decode(pdu) == IncomingSms("447700090123", text)
    assert theirs.rstrip("@") == text.rstrip("@")  # it reads seven fill bits as one


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("050003070302", "(2/3) half"),
        ("06080401070302", "(2/3) half"),
        ("0b05040b8423f00003070302", "(2/3) half"),  # behind ports
        ("0400020703", "half"),  # too short to say
        ("03000103", "half"),
    ],
)
def test_the_parts_of_a_longer_message_say_so(header: str, text: str) -> None:
    octets = bytes.fromhex(header)
    assert decode(gsm_deliver("half", octets)) == IncomingSms("447700090123", text)


@pytest.mark.parametrize(
    ("pdu", "expected"),
    [
        (gsm_deliver("hi", sender="09d0" + packed([BASIC.index(char) for char in "Acme1"]).hex()), "Acme1"),
        (gsm_deliver("hi", sender="05812143f5"), "12345"),
        (gsm_deliver("hi", sender="0581a143f5"), "1*345"),
        (gsm_deliver("hi", sender="0081"), ""),
        (gsm_deliver("hi").replace("0004", "0007", 1), "447700090123"),
    ],
)
def test_senders_of_every_kind_are_told(pdu: str, expected: str) -> None:
    assert decode(pdu) == IncomingSms(expected, "hi")


@pytest.mark.parametrize(
    ("septets", "text"), [([0x1B], ""), ([0x1B, 0x1B], " "), ([0x1B, 0x61], "a"), ([0x68, 0x1B, 0x0A], "h\n")]
)
def test_an_escape_without_a_meaning_does_not_hide_a_message(septets: list[int], text: str) -> None:
    pdu = gsm_deliver("")[:-2] + f"{len(septets):02x}" + packed(septets).hex()
    assert decode(pdu) == IncomingSms("447700090123", text)


def test_an_icon_without_a_text_can_be_read() -> None:
    assert decode(gsm_deliver("", bytes.fromhex("0401028001"))) == IncomingSms("447700090123", "")


# --- octet by octet -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sms", "octets"),
    [
        (Sms(NUMBER, "hi", 300), "00 31 00 0C91447700091032 00 00 00 02 E834"),
        (Sms(NUMBER, "hi", 600, flash=True), "00 31 00 0C91447700091032 00 10 01 02 E834"),
        (Sms("1" * 15, "hi", 300), "00 31 00 0F91" + "11" * 7 + "F1 00 00 00 02 E834"),
        (Sms("150", "h", 300), "00 31 00 038151F0 00 00 00 01 68"),
        (Sms("123456", "h", 300), "00 31 00 0681214365 00 00 00 01 68"),
        (Sms("1234567", "h", 300), "00 31 00 0791214365F7 00 00 00 01 68"),
        (Sms(NUMBER, "Ж", 300), "00 31 00 0C91447700091032 00 08 00 02 0416"),
    ],
)
def test_a_submit_is_these_octets(sms: Sms, octets: str) -> None:
    """By hand, from 23.040 9.2.2.2: a report is wanted, the validity is relative, the service centre is the SIM's."""
    (part,) = encode_submit(sms)
    assert part.hex == octets.replace(" ", "")
    assert part.length == len(part.hex) // 2 - 1


def test_each_part_of_a_long_message_has_a_header() -> None:
    parts = encode_submit(Sms(NUMBER, "Ж" * 71, 300), reference=0x107)
    assert [part.hex[2:4] for part in parts] == ["71", "71"]
    assert [part.hex[30:42] for part in parts] == ["050003070201", "050003070202"]
    (first, *_) = encode_submit(Sms(NUMBER, "Ж" * 71, 300))
    assert first.hex[30:42] == "050003000201"


def test_a_message_has_at_most_255_parts() -> None:
    assert len(encode_submit(Sms(NUMBER, "x" * 153 * 255, 300))) == 255
    with pytest.raises(PduError, match="256 parts: 255 is the most"):
        encode_submit(Sms(NUMBER, "x" * (153 * 255 + 1), 300))


def test_nothing_of_a_message_shows() -> None:
    (part,) = encode_submit(Sms(NUMBER, "hi", 300))
    assert "E834" not in repr(part)


@pytest.mark.parametrize(
    ("dcs", "alphabet"),
    [
        *((dcs, 0x00) for dcs in (0x00, 0x0C, 0x0F, 0x13, 0x7C, 0x80, 0x84, 0xB8, 0xC8, 0xD8, 0xF0, 0xF3, 0xFA)),
        *((dcs, 0x04) for dcs in (0x04, 0x05, 0x17, 0x74, 0xF4, 0xF7, 0xFC)),
        *((dcs, 0x08) for dcs in (0x08, 0x0B, 0x19, 0x7B, 0xE0, 0xE8, 0xEF)),
    ],
)
def test_a_data_coding_scheme_means_one_alphabet(dcs: int, alphabet: int) -> None:
    """23.038 4."""
    assert coding(dcs) == alphabet


def test_the_service_centre_is_passed_over() -> None:
    assert decode("07914487200030F3" + gsm_deliver("hi")[2:]) == IncomingSms("447700090123", "hi")
    assert decode("07914487200030F3" + status_report(9, NUMBER, 0).hex()[2:]) == decode(
        status_report(9, NUMBER, 0).hex()
    )


def test_a_text_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = gsm_deliver("hello")
    assert decode(whole[:-4]) == IncomingSms("447700090123", "hel")
    assert decode(gsm_deliver("")[:-2].replace("0004", "0044", 1) + "05") == IncomingSms("447700090123", "")
    ucs2 = deliver(NUMBER, "Жж").hex()
    assert decode(ucs2[:-2]) == IncomingSms(NUMBER, "Ж\ufffd")


@pytest.mark.parametrize("header", ["0400030703", "020003", "0100"])
def test_a_header_that_is_cut_off_says_nothing(header: str) -> None:
    found = decode(gsm_deliver("half", bytes.fromhex(header)))
    assert isinstance(found, IncomingSms)
    assert "/" not in found.text
