"""Texts as people paste them and programs send them."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.params import Mistake, Parameters, e164, phone_number, start_parameters
from daemon.core.workflows import WORKFLOWS
from drivers.simulated.modem import SimulatedModem
from tests.daemon.api.test_api import FORM, JSON, ask
from tests.gateway import Gateway, modem_section

NUMBER = "447700900123"

PASTED = {
    "as a page from right to left has it": "\u2066+44 7700 900123\u2069",
    "embedded": "\u202a447700900123\u202c",
    "overridden": "\u202d+447700900123\u202e",
    "with marks of direction": "\u200e+447700900123\u200f",
    "with blanks that do not break": "+44\u00a07700\u00a0900123",
    "with hyphens that do not break": "+44\u20117700\u2011900123",
    "with dashes": "+44\u20137700\u2013900123",
    "with slashes": "44/7700/900123",
    "with dots": "44.7700.900.123",
    "with parentheses": "+44 (0)7700 900123",
    "with 00": "0044 7700 900123",
    "with 00 in parentheses": "(0044) 7700-900123",
    "with a full-width plus": "\uff0b44 7700 900123",
    "with digits of another script": "\u0664\u0664\u0667\u0667\u0660\u0660\u0669\u0660\u0660\u0661\u0662\u0663",
    "as a link": "tel:+44-7700-900123",
    "as a link in capitals": "TEL:+447700900123",
    "with a word before it": "Phone: +44 7700 900123",  # there used to be a plus sign put before the word
    "with 00 and a plus": "00 +44 7700 900123",
    "with a code in parentheses": "(+44) 7700 900123",
    "with a byte-order mark": "\ufeff447700900123",
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED.keys())
def test_a_number_is_read_as_it_was_pasted(text: str) -> None:
    """There used to be four signs that a number might have beside its digits."""
    assert e164(phone_number(text, None)) == NUMBER


@pytest.mark.parametrize("text", ["07700 900123", "(07700) 900\u2011123", "+44 7700 900123", "\u206607700900123\u2069"])
@pytest.mark.parametrize("country", ["GB", "gb"])
def test_a_national_number_is_read_with_its_country(text: str, country: str) -> None:
    assert e164(phone_number(text, country)) == NUMBER


BAD = ["hello", "44", "+", "00", "4" * 16, "4" * 17, "+49" + "1" * 14, "4" * 5000, f"{NUMBER};4711", f"{NUMBER} ext 5"]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_number_gets_status_3(text: str) -> None:
    """There used to be two more digits than a number may have."""
    with pytest.raises(Mistake) as told:
        phone_number(text, None)
    assert told.value.status == 3


@given(st.text(max_size=40), st.none() | st.sampled_from(["GB", "DE", "US", "xx"]))
def test_any_text_is_a_number_of_at_most_15_digits_or_a_mistake(text: str, country: str | None) -> None:
    try:
        digits = e164(phone_number(text, country))
    except Mistake:
        return
    assert digits.isascii()
    assert digits.isdecimal()
    assert 4 <= len(digits) <= 15


def started(**given: Any) -> Any:
    return start_parameters(Parameters({"number": NUMBER, "brand": "Acme", **given}.items()), WORKFLOWS)


BRANDS = [
    "A\u200dB",
    "A\u200cB",
    "A\u00a0B",
    "A\u200fB",
    "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
    "\U0001f469\u200d\U0001f4bb",
]


@pytest.mark.parametrize("brand", BRANDS)
def test_a_brand_is_written_as_its_owner_writes_it(brand: str) -> None:
    """There used to be no joiner in a brand, which Persian and emoji need."""
    assert started(brand=brand).brand == brand


@pytest.mark.parametrize("brand", ["A\nB", "A\x00B", "A\x1b[2JB", "A\x85B", "A\x7fB", "A\ud800B"])
def test_control_characters_and_halves_of_pairs_are_refused(brand: str) -> None:
    with pytest.raises(Mistake) as told:
        started(brand=brand)
    assert (told.value.status, "`brand`" in str(told.value)) == (3, True)


@pytest.mark.parametrize(("value", "seconds"), [(300.0, 300), (300, 300), ("300", 300), (" 300 ", 300)])
def test_a_whole_number_of_json_is_one_however_it_is_written(value: Any, seconds: int) -> None:
    """There used to be an error for 300.0, which is the same number as 300 in JSON."""
    assert int(started(pin_expiry=value).pin_expiry) == seconds * 1000


@pytest.mark.parametrize(
    "value", [300.5, float("nan"), float("inf"), 1e300, True, "300.0", "3e2", "\u0663\u0660\u0660"]
)
def test_what_is_no_whole_number_gets_status_3(value: Any) -> None:
    with pytest.raises(Mistake) as told:
        started(pin_expiry=value)
    assert told.value.status == 3


def test_a_number_may_be_a_number_of_json() -> None:
    assert e164(started(number=447700900123).number) == e164(started(number=447700900123.0).number) == NUMBER


# --- as a daemon gets them -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("params")
    limits = "[security]\nrequests_per_second = 0\nmax_active_per_number = 0\n"
    config = modem_section(str(directory / "modem")) + limits
    with SimulatedModem(directory / "modem", network_s=0.02), Gateway(directory, config) as gateway:
        yield gateway


@pytest.mark.parametrize("path", ["/verify/json", "/verify/search/json", "/v1/status"])
@pytest.mark.parametrize("query", ["brand=%ff", "brand=%ed%a0%80", "%c3=x", "&".join(f"a{i}=1" for i in range(200))])
def test_a_query_that_is_not_utf_8_or_endless_is_refused_as_a_form_is(gateway: Gateway, path: str, query: str) -> None:
    """There used to be replacement characters in their place: a brand of them was sent."""
    code, answer = ask(gateway, "GET", f"{path}?number={NUMBER}&{query}")
    assert (code, bool(answer["detail"])) == (413 if "&" in query else 400, True)


@pytest.mark.parametrize("body", [f"number={NUMBER}&brand=Acme", f"brand=%7B1%7D&number={NUMBER}"])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_a_form_that_is_called_json_is_read_as_a_form(gateway: Gateway, body: str, content_type: str) -> None:
    """There used to be 400: the SDK for Python keeps the header of its last call."""
    code, answer = ask(gateway, "POST", "/verify/json", body, {"Content-Type": content_type})
    assert (code, answer["status"]) == (200, "0")


@pytest.mark.parametrize("body", ['{"number": "44=', "[number=1]", '"a=b"', "\xff=1".encode("latin-1")])
def test_what_is_neither_json_nor_a_form_is_refused(gateway: Gateway, body: Any) -> None:
    assert ask(gateway, "POST", "/verify/json", body, JSON)[0] == 400


GIVEN = {
    "sender_id": "SHOP",
    "code_length": "6",
    "lg": "de-de",
    "pin_expiry": "240",
    "next_event_wait": "120",
    "workflow_id": "2",
    "country": "GB",
}


@pytest.mark.parametrize("as_json", [True, False])
def test_every_parameter_of_a_start_has_its_effect(gateway: Gateway, *, as_json: bool) -> None:
    """No parameter used to have such a test: pin_expiry and next_event_wait could have been exchanged."""
    given = {"number": "07700 900124", "brand": "Škoda", **GIVEN}
    body = json.dumps(given) if as_json else "&".join(f"{name}={value}" for name, value in given.items())
    answer = ask(gateway, "POST", "/verify/json", body.encode(), JSON if as_json else FORM)[1]
    with sqlite3.connect(f"file:{gateway.database}?mode=ro", uri=True) as db:
        db.row_factory = sqlite3.Row
        row = dict(db.execute("SELECT * FROM request WHERE public_id=?", (answer["request_id"],)).fetchone())
    assert (row["number"], row["brand"], row["sender_id"]) == ("447700900124", "Škoda", "SHOP")
    assert (row["code_length"], row["locale"], row["workflow_id"]) == (6, "de-de", 2)
    assert (row["pin_expiry_ms"], row["expiry_given"]) == (240_000, 1)
    assert row["steps"] == "sms:120000,sms:120000,tts:120000"


@pytest.mark.parametrize(
    ("pin_expiry", "next_event_wait", "life_s", "steps"),
    [
        (200, 120, 120, "sms:120000,sms:120000"),  # no multiple of the wait: it becomes the wait
        (90, None, 90, "sms:120000,sms:180000"),
        (None, 90, 300, "sms:90000,sms:90000"),
    ],
)
def test_a_pins_life_and_the_wait_do_not_change_places(
    gateway: Gateway, pin_expiry: int | None, next_event_wait: int | None, life_s: int, steps: str
) -> None:
    request_id = gateway.verify(NUMBER, workflow_id=4, pin_expiry=pin_expiry, next_event_wait=next_event_wait)
    with sqlite3.connect(f"file:{gateway.database}?mode=ro", uri=True) as db:
        query = "SELECT pin_expiry_ms, steps FROM request WHERE public_id=?"
        assert db.execute(query, (request_id,)).fetchone() == (life_s * 1000, steps)
