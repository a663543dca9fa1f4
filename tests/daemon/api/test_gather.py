"""Parameters as they come over HTTP: query, form or JSON, whole or in pieces."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from daemon.api.params import MAX_FIELDS, HttpError, Parameters, _form_fields, foreign, gather

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def gathered(
    query: bytes = b"", *parts: bytes, kind: str | None = FORM, method: str = "POST", whole: bool = True
) -> Parameters:
    """parts: of the body; whole: the client does not go away after them."""
    headers = [] if kind is None else [(b"content-type", kind.encode())]
    messages: list[Any] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b""} if whole else {"type": "http.disconnect"})

    async def receive() -> Any:
        return messages.pop(0)

    scope = {"type": "http", "method": method, "query_string": query, "headers": headers, "path": "/verify/json"}
    return asyncio.run(gather(Request(scope, receive)))


def refusal(*given: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as told:
        gathered(*given, **more)
    return told.value.status, told.value.title


def values(given: Parameters, names: str = "ab") -> Sequence[str | None]:
    return [given.text(name) for name in names]


def test_query_and_body_are_one_and_the_body_comes_last() -> None:
    assert values(gathered(b"a=1&b=2", b"b=", b"3")) == ["1", "3"]
    assert values(gathered(b"a=1&b=2", b'{"b": "3"}', kind=JSON)) == ["1", "3"]


@pytest.mark.parametrize(
    ("headers", "other"),
    [
        ({}, False),
        ({"sec-fetch-site": "cross-site", "host": "localhost"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example", "host": "localhost"}, False),
        ({"origin": "http://evil.example", "host": "localhost"}, True),
        ({"origin": "http://localhost", "host": "localhost"}, False),
    ],
)
def test_a_browser_says_in_its_headers_that_a_page_of_another_site_sends(headers: dict[str, str], other: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert foreign(Request({"type": "http", "headers": raw})) is other


def test_a_get_has_no_body() -> None:
    assert values(gathered(b"a=1", b"b=3", method="GET")) == ["1", None]


@pytest.mark.parametrize("kind", [JSON, "Application/JSON", "application/json; charset=utf-8", " application/json ;"])
def test_json_is_an_object_with_a_field_for_each_parameter(kind: str) -> None:
    assert values(gathered(b"", b'{"a": "1", "b": [2, 3]}', kind=kind)) == ["1", "3"]
    assert values(gathered(b"", b" ", kind=kind)) == [None, None]


@pytest.mark.parametrize("kind", [FORM, None, "", JSON, FORM.upper() + "; charset=utf-8"])
def test_a_form_is_read_whatever_it_is_called(kind: str | None) -> None:
    """The SDK for Python calls it JSON after any call of its own in JSON."""
    assert values(gathered(b"", b"a=1&b=%C3%A4", kind=kind)) == ["1", "ä"]


@pytest.mark.parametrize(
    "body", [b"[1]", b'"a=1"', b"1", b"null", b"{", b'{"a": "=', b"[a=1]", b"\xff", b" \n[=", b"[" * 60_000]
)
def test_what_is_called_json_and_is_none_is_refused(body: bytes) -> None:
    assert refusal(b"", body, kind=JSON) == (400, "Body not readable")


@pytest.mark.parametrize("text", [b"a=%ff", b"a=%ed%a0%80", b"a=\xff"])
def test_what_is_not_utf_8_is_refused(text: bytes) -> None:
    assert refusal(text) == (400, "Query not readable")
    assert refusal(b"", text) == (400, "Body not readable")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data"])
def test_other_types_are_refused(kind: str) -> None:
    assert refusal(b"", b"a=1", kind=kind) == (415, "Body of an unknown type")
    assert refusal(b"", b'{"a": 1}', kind=kind) == (415, "Body of an unknown type")


def test_json_that_is_called_a_form_is_a_form_without_parameters() -> None:
    assert values(gathered(b"", b'{"a": "1"}', kind=FORM)) == [None, None]


def test_a_body_has_at_most_64_kib() -> None:
    most = b"a=" + b"1" * (64 * 1024 - 2)
    assert len(gathered(b"", most[:1000], most[1000:]).required("a")) == 64 * 1024 - 2
    assert refusal(b"", most, b"1") == (413, "Body too large")


def test_a_body_that_is_cut_off_is_refused() -> None:
    assert refusal(b"", b"a=1", whole=False) == (400, "Body cut off")


def test_a_request_has_at_most_100_parameters() -> None:
    """Empty ones too, in query and body together."""
    sixty, forty = (b"&".join([b"x="] * count) for count in (60, 40))
    assert values(gathered(sixty, forty + b"&a=1", kind=FORM, method="GET")) == [None, None]
    gathered(sixty, forty)
    assert refusal(sixty, forty + b"&a=1") == (413, "Too many parameters")
    assert refusal(b"&".join([b"x="] * 101)) == (413, "Too many parameters")
    assert refusal(b"", b"&".join([b"x="] * 101)) == (413, "Too many parameters")
    many = json.dumps({str(number): "" for number in range(100)}).encode()
    gathered(b"", many, kind=JSON)
    assert refusal(b"a=1", many, kind=JSON) == (413, "Too many parameters")


@given(st.text("ab=&;%+2C\u00e9\u2066 ", max_size=40) | st.text(max_size=20))
def test_a_form_is_read_as_the_library_reads_it(text: str) -> None:
    """Where nothing is escaped the form is split here, since that is quicker."""
    octets = text.encode(errors="surrogatepass")
    try:
        expected = parse_qsl(octets.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        with pytest.raises(ValueError):
            _form_fields(octets)
    else:
        assert _form_fields(octets) == expected


@pytest.mark.parametrize("escaped", ["", "%20"])
@pytest.mark.parametrize(("count", "read"), [(MAX_FIELDS, True), (MAX_FIELDS + 1, False)])
def test_a_form_has_at_most_a_hundred_fields(escaped: str, count: int, read: bool) -> None:
    """One that has more used to be called unreadable."""
    octets = "&".join(f"n{number}={escaped}" for number in range(count)).encode()
    if read:
        assert len(_form_fields(octets)) == count
    else:
        with pytest.raises(HttpError):
            _form_fields(octets)
