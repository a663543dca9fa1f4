"""What a caller may ask for: each parameter of a start with its limits, as the reference writes them down."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.api.params import (
    HttpError,
    Mistake,
    Parameters,
    Start,
    code_parameter,
    e164,
    phone_number,
    start_parameters,
)
from daemon.api.v1_statuses import Sentence
from daemon.core.milliseconds import seconds
from daemon.core.workflows import WORKFLOWS

NUMBER = "447700900123"


def started(**given: Any) -> Start:
    return start_parameters(Parameters({"number": NUMBER, "brand": "Acme", **given}.items()), WORKFLOWS)


def refusal(**given: Any) -> tuple[int, str]:
    """The status, and the text."""
    with pytest.raises(Mistake) as told:
        started(**given)
    assert told.value.sentence == Sentence(told.value.status, str(told.value))
    return told.value.status, str(told.value)


ALLOWED: list[tuple[str, list[Any], list[str]]] = [
    ("brand", ["A", "B" * 18], ["B" * 19]),
    ("sender_id", ["A", "1", "Acme", "A" * 11], ["A" * 12, "A-B", "A B", "Äb"]),
    ("code_length", ["4", "6", 6], ["3", "5", "7", "-4", "4.0"]),
    ("pin_code", ["1234", "Ab3z", "1" * 10], ["123", "1" * 11, "12 34", "12-34", "１２３４"]),
    ("pin_expiry", ["60", "3600"], ["59", "3601", "0"]),
    ("next_event_wait", ["60", "900"], ["59", "901"]),
    ("workflow_id", ["1", "7"], ["0", "8", "100"]),
    ("lg", ["de-de", "EN-GB"], ["de", "xx-xx", "de_de"]),
    ("require_type", ["All", "all"], ["Mobile", "Landline"]),
    ("country", ["GB", "gb"], ["XX", "G", "England"]),
]


@pytest.mark.parametrize(("name", "good"), [(name, value) for name, good, _ in ALLOWED for value in good])
def test_a_value_within_the_limits_is_taken(name: str, good: str) -> None:
    assert started(**{name: good})


@pytest.mark.parametrize(("name", "bad"), [(name, value) for name, _, bad in ALLOWED for value in bad])
def test_a_value_beyond_the_limits_gets_status_3_and_its_name(name: str, bad: str) -> None:
    status, text = refusal(**{name: bad})
    assert status == 3
    assert text.startswith(f"Invalid value for parameter `{name}`")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"pin_expiry": 1}, "must be 60 to 3600 seconds"),
        ({"next_event_wait": 1}, "must be 60 to 900 seconds"),
        ({"brand": "B" * 19}, "must have 1 to 18 characters"),
        ({"code_length": 5}, "must be 4 or 6"),
        ({"workflow_id": 8}, "there is no such workflow"),
        ({"number": "hello"}, "must be a phone number in international format"),
    ],
)
def test_a_refusal_says_what_is_allowed(given: dict[str, Any], why: str) -> None:
    [name] = given
    assert refusal(**given) == (3, f"Invalid value for parameter `{name}`: {why}")
    assert refusal(sender_id="A-B") == (3, "Invalid value for parameter `sender_id`")


@pytest.mark.parametrize("name", ["number", "brand"])
@pytest.mark.parametrize("value", [None, "", "  ", [], [""]])
def test_what_must_be_there_is_missed_by_its_name_also_where_it_is_empty(name: str, value: Any) -> None:
    text = f"Your request is incomplete and missing the mandatory parameter `{name}`"
    assert refusal(**{name: value}) == (2, text)


def test_what_is_not_given_has_the_default_of_the_reference() -> None:
    found = started()
    assert e164(found.number) == NUMBER
    assert replace(found, number=None) == Start(  # type: ignore[arg-type]
        number=None,  # type: ignore[arg-type]
        brand="Acme",
        locale="en-us",
        sender_id="VERIFY",
        code_length=4,
        pin_expiry=None,
        next_event_wait=None,
        workflow_id=1,
        pin_code=None,
    )


def test_what_is_given_arrives_where_it_belongs() -> None:
    wishes: dict[str, Any] = {
        "lg": "DE-de",
        "sender_id": "SHOP",
        "code_length": 6,
        "pin_expiry": 240,
        "next_event_wait": "120",
        "workflow_id": 2,
        "pin_code": "Abc123",
    }
    found = started(**wishes)
    assert (found.locale, found.sender_id, found.code_length, found.workflow_id) == ("de-de", "SHOP", 6, 2)
    assert (found.pin_expiry, found.next_event_wait, found.pin_code) == (seconds(240), seconds(120), "Abc123")


@pytest.mark.parametrize(
    ("number", "region", "locale"),
    [
        ("+4915112345678", "DE", "de-de"),
        ("+447400123456", "GB", "en-gb"),
        ("+88213300654321", "001", "en-us"),
        (NUMBER, None, "en-us"),
    ],
)
def test_a_number_is_spoken_to_in_the_language_of_its_country(number: str, region: str | None, locale: str) -> None:
    """The third one is of a satellite network, which is no country's; the last one is nobody's."""
    found = started(number=number)
    assert (found.region, found.locale) == (region, locale)


# --- the number -----------------------------------------------------------------------------------------------


def test_a_number_has_at_most_100_characters() -> None:
    """However it is written: what is longer is not even looked at."""
    padded = "+44" + " " * 87 + "7700900123"
    assert e164(phone_number(padded, None)) == NUMBER
    with pytest.raises(Mistake):
        phone_number(padded.replace("44", "44 "), None)


def test_a_number_may_have_15_digits_and_no_more() -> None:
    for written, country in (("+49", None), ("+49 ", None), ("0", "DE")):
        assert len(e164(phone_number(written + "1" * 13, country))) == 15
        with pytest.raises(Mistake):
            phone_number(written + "1" * 14, country)


@pytest.mark.parametrize("text", ["+44\u200e7700900123", "00\u206644\u20697700900123", "\u202a(0\u202c0) 447700900123"])
def test_marks_of_direction_between_the_digits_do_no_harm(text: str) -> None:
    assert e164(phone_number(text, None)) == NUMBER


def test_a_number_that_is_refused_is_named_as_its_parameter_is() -> None:
    with pytest.raises(Mistake, match="`to`: must be a phone number in international format"):
        phone_number("hello", None, "to")
    with pytest.raises(Mistake, match="`to`: must have no extension"):
        phone_number(f"{NUMBER};4711", None, "to")
    with pytest.raises(Mistake, match="`to`: no phone number of that country has so few or so many digits"):
        phone_number("+44770", None, "to")


# --- values in general ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["a", "b"], "b"),
        (["a", ""], "a"),
        ([" a\t"], "a"),
        ([["a", "b"]], "b"),
        ([None], None),
        ([], None),
        ([7], "7"),
        ([300.0], "300"),
        ([2.0**53 - 1], "9007199254740991"),
        ([10**40 - 1], "9" * 40),
        ([10**40], "overlong"),
        ([-(10**40)], "overlong"),
    ],
)
def test_the_last_value_counts_without_blanks_around_it(values: list[Any], told: str | None) -> None:
    assert Parameters([("x", value) for value in values]).text("x") == told


@pytest.mark.parametrize("value", [2.0**53, -(2.0**53), 0.5, True, {"a": 1}, [["a"]]])
def test_what_is_neither_a_text_nor_a_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(Mistake, match="`x`: must be a text"):
        Parameters([("x", value)]).text("x")


def test_all_values_of_a_name_are_kept_in_order_and_those_of_others_apart() -> None:
    given = Parameters([("x", "1"), ("y", "2"), ("x", ["", "3"]), ("x", 4)])
    assert given.texts("x") == ["1", "3", "4"]
    assert given.texts("z") == []


def test_a_whole_number_has_at_most_nine_digits() -> None:
    assert started(pin_expiry="000000300").pin_expiry == seconds(300)
    assert refusal(pin_expiry="0000000300")[0] == 3


def test_a_code_is_a_callers_or_a_pin_and_never_missing() -> None:
    assert code_parameter(Parameters([("code", "Ab3z")])) == "Ab3z"
    for given, status in ((None, 2), ("123", 3), ("1" * 11, 3), ("12-34", 3)):
        with pytest.raises(Mistake, match="`code`") as told:
            code_parameter(Parameters([("code", given)]))
        assert told.value.status == status


def test_a_refusal_by_http_has_status_title_and_detail() -> None:
    refused = HttpError(413, "Body too large", "A body has at most 65536 octets.")
    assert (refused.status, refused.title, refused.detail) == (
        413,
        "Body too large",
        "A body has at most 65536 octets.",
    )
    assert str(refused) == refused.detail
