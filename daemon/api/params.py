"""Parameters of the Verify API: gathered from query, form or JSON body, then checked one by one.

A `Mistake` is what the reference answers: a sentence of Verify v1; an `HttpError` is for what is not even a
well-formed request.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unicodedata import category
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest

from daemon.api.origin import from_another_site
from daemon.api.v1_statuses import Code, Sentence
from daemon.core.milliseconds import Ms, seconds
from daemon.core.phrases import LOCALES, locale_for_region
from daemon.core.pin_expiry import PIN_EXPIRY_S
from daemon.core.workflows import (
    BRAND_LENGTHS,
    CODE_LENGTHS,
    DEFAULT_CODE_LENGTH,
    DEFAULT_WORKFLOW,
    NEXT_EVENT_WAIT_S,
    OWN_PIN_LENGTHS,
    SENDER_ID_LENGTHS,
)

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

MAX_BODY = 64 * 1024
MAX_FIELDS = 100
MAX_NUMBER = 100  # characters
MAX_E164 = 15  # digits (ITU-T E.164 6.1)
UNWRITABLE = frozenset({"Cc", "Cs"})
"""Control characters and lone surrogates. Joiners, marks of direction and odd blanks belong to how people write."""


class Mistake(Exception):
    """A request that the reference refuses."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence.text)
        self.sentence = sentence
        self.status = sentence.code


class HttpError(Exception):
    """A request that is refused by an HTTP status."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


def missing(name: str) -> Mistake:
    text = f"Your request is incomplete and missing the mandatory parameter `{name}`"
    return Mistake(Sentence(Code.MISSING, text))


def invalid(name: str, why: str = "") -> Mistake:
    return Mistake(Sentence(Code.INVALID, f"Invalid value for parameter `{name}`" + (f": {why}" if why else "")))


def store_away() -> HttpError:
    return HttpError(503, "Database unusable", "The database cannot be used now; the daemon's log says why.")


def too_many() -> HttpError:
    return HttpError(413, "Too many parameters", f"A request has at most {MAX_FIELDS} parameters.")


class Parameters:
    """The parameters of one request; one that is empty counts as missing, unknown ones are never looked at."""

    def __init__(self, fields: Iterable[tuple[str, Any]]) -> None:
        self._fields: dict[str, list[Any]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).extend(value if isinstance(value, list) else [value])

    def text(self, name: str) -> str | None:
        """The last value given, without outer blanks; None where there is none."""
        if name not in self._fields:  # as most are
            return None
        values = self.texts(name)
        return values[-1] if values else None

    def texts(self, name: str) -> list[str]:
        return [text for value in self._fields.get(name, []) if (text := _text(name, value)) != ""]

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise missing(name)
        return value

    def whole(self, name: str, allowed: Iterable[int], why: str) -> int | None:
        """An ASCII whole number out of `allowed`."""
        value = self.text(name)
        if value is None:
            return None
        if not _digits(value) or len(value) > 9 or int(value) not in allowed:
            raise invalid(name, why)
        return int(value)

    def span(self, name: str, allowed: range) -> Ms | None:
        """A span that is given in whole seconds."""
        given = self.whole(name, allowed, f"must be {allowed[0]} to {allowed[-1]} seconds")
        return None if given is None else seconds(given)


def _text(name: str, value: Any) -> str:
    text = value.strip() if isinstance(value, str) else _json_text(name, value)
    if not text.isprintable() and any(category(character) in UNWRITABLE for character in text):
        raise invalid(name, "has control characters, or half of a surrogate pair")
    return text


def _json_text(name: str, value: Any) -> str:
    """The text of what JSON has beside texts. Raises Mistake."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # JSON has no whole numbers of its own: 300.0 is 300
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, "must be a text")
    return str(value) if abs(value) < 10**40 else "overlong"


def _digits(value: str) -> bool:
    return value.isascii() and value.isdecimal()


async def gather(http: HttpRequest) -> Parameters:
    """All parameters of a request. Raises HttpError for a body that is too large, cut off, or not what it says."""
    query = http.scope["query_string"]
    fields: list[tuple[str, Any]] = _query_fields(query) if query else []
    if http.scope["method"] == "POST":
        fields += _body_fields(header(http, b"content-type"), await _body(http))
    if len(fields) > MAX_FIELDS:
        raise too_many()
    return Parameters(fields)


def header(http: HttpRequest, name: bytes) -> str:
    """The value of a header that is given once; "" without one. name: in small letters, as the server keeps them."""
    for its_name, value in http.scope["headers"]:
        if its_name == name:
            return str(value, "latin-1")
    return ""


def foreign(http: HttpRequest) -> bool:
    """Whether a page of another site made a browser send this."""
    return from_another_site(header(http, b"sec-fetch-site"), header(http, b"origin"), header(http, b"host"))


def _query_fields(query: bytes) -> list[tuple[str, Any]]:
    try:
        return _form_fields(query)
    except ValueError as exc:
        raise HttpError(400, "Query not readable", "The query is not percent-encoded UTF-8.") from exc


async def _body(http: HttpRequest) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await http.receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "Body cut off", "The connection ended before the body did.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise HttpError(413, "Body too large", f"A body has at most {MAX_BODY} octets.")
    return bytes(body)


def _body_fields(content_type: str, body: bytes) -> list[tuple[str, Any]]:
    kind = content_type.partition(";")[0].strip().lower()
    body = body.removeprefix(BOM_UTF8)  # which a parser may ignore (RFC 8259 8.1)
    try:
        if kind == "application/json" and not _is_form(body):
            return _json_fields(body.decode())
        if kind in ("application/x-www-form-urlencoded", "application/json", ""):
            return _form_fields(body)
    except (ValueError, RecursionError) as exc:
        raise HttpError(400, "Body not readable", f"The body is not what its type {kind or 'form'!r} says.") from exc
    raise HttpError(415, "Body of an unknown type", "Send a form (application/x-www-form-urlencoded) or JSON.")


def _form_fields(octets: bytes) -> list[tuple[str, Any]]:
    """As parse_qsl, which takes more than twice as long where nothing is escaped. Raises ValueError and HttpError."""
    text = octets.decode()
    if text.count("&") >= MAX_FIELDS:
        raise too_many()
    if "%" in text or "+" in text:
        return list(parse_qsl(text, keep_blank_values=True, errors="strict"))
    parts = (part.partition("=") for part in text.split("&") if part)
    return [(name, value) for name, _, value in parts]


def _is_form(body: bytes) -> bool:
    """Whether what is called JSON is a form: the SDK for Python sends such, after any call of its own in JSON."""
    return b"=" in body and not body.lstrip().startswith((b"{", b"[", b'"'))


def _json_fields(text: str) -> list[tuple[str, Any]]:
    document = json.loads(text) if text.strip() else {}
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return list(document.items())


# --- the parameters of start -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """What a caller of /verify asks for; a None is for the workflow to fill in."""

    number: "PhoneNumber" = field(repr=False)
    brand: str
    locale: str
    sender_id: str
    code_length: int
    pin_expiry: Ms | None
    next_event_wait: Ms | None
    workflow_id: int
    pin_code: str | None = field(repr=False)
    region: str | None = field(default=None, compare=False)  # ISO 3166; follows from the number


def start_parameters(given: Parameters, workflows: Iterable[int]) -> Start:
    """Checked and with defaults; raises Mistake for the first parameter that is missing or invalid."""
    number = given.required("number")
    brand = given.required("brand")
    parsed = phone_number(number, given.text("country"))
    region = region_of(parsed)
    if len(brand) not in BRAND_LENGTHS:
        raise invalid("brand", f"must have {BRAND_LENGTHS[0]} to {BRAND_LENGTHS[-1]} characters")
    if (given.text("require_type") or "All").lower() != "all":
        raise invalid("require_type", "only All is supported")
    return Start(
        number=parsed,
        brand=brand,
        locale=locale_parameter(given, region),
        sender_id=_shaped(given, "sender_id", _alphanumeric(SENDER_ID_LENGTHS)) or "VERIFY",
        code_length=given.whole("code_length", CODE_LENGTHS, "must be 4 or 6") or DEFAULT_CODE_LENGTH,
        pin_expiry=given.span("pin_expiry", PIN_EXPIRY_S),
        next_event_wait=given.span("next_event_wait", NEXT_EVENT_WAIT_S),
        workflow_id=given.whole("workflow_id", workflows, "there is no such workflow") or DEFAULT_WORKFLOW,
        pin_code=_shaped(given, "pin_code", CODE),
        region=region,
    )


PLUS = frozenset("+\uff0b")
# What stands before the first digits, and the prefix of calls abroad.
LEADING = re.compile(r"\A[^\w+]{0,15}(?:0[^\w+]{0,15}0)?")


def phone_number(text: str, country: str | None, name: str = "number") -> "PhoneNumber":
    """An international number, or a national one with its country; name: the parameter's. Raises Mistake."""
    import phonenumbers

    from daemon.api import numbering

    if country is not None and country.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise invalid("country", "must be two letters of ISO 3166, such as GB")
    if len(text) > MAX_NUMBER:
        raise invalid(name, "must be a phone number in international format")
    # Marks of direction come along when a number is copied from a page that is written from right to left.
    marked = not text.isascii() and any(category(character) == "Cf" for character in text)
    written = ("".join(character for character in text if category(character) != "Cf") if marked else text).strip()
    if country is None:
        written = LEADING.sub("", written, count=1)
        if PLUS.isdisjoint(written):
            written = "+" + written
        plain = numbering.plain(written)
        if plain is not None and len(written) <= len("+") + MAX_E164:
            return plain
    try:
        number = phonenumbers.parse(written, country and country.upper())
    except phonenumbers.NumberParseException as exc:
        raise invalid(name, "must be a phone number in international format") from exc
    if number.extension:
        raise invalid(name, "must have no extension")
    if not phonenumbers.is_possible_number(number) or len(e164(number)) > MAX_E164:
        raise invalid(name, "no phone number of that country has so few or so many digits")
    return number


def e164(number: "PhoneNumber") -> str:
    """Its digits, without a plus sign."""
    import phonenumbers

    return f"{number.country_code}{phonenumbers.national_significant_number(number)}"


def region_of(number: "PhoneNumber") -> str | None:
    """The region that it belongs to (ISO 3166); "001" for one of no region. None where its digits fit none."""
    from daemon.api import numbering

    return numbering.region_of(number)


def locale_parameter(given: Parameters, region: str | None) -> str:
    """lg; without it the main locale of the number's region."""
    lg = given.text("lg")
    if lg is None:
        return locale_for_region(region or "")
    if lg.lower() not in LOCALES:
        raise invalid("lg", "is not one of the supported locales")
    return lg.lower()


Shape = Callable[[str], bool]


def _alphanumeric(lengths: range) -> Shape:
    return lambda value: value.isascii() and value.isalnum() and len(value) in lengths


CODE = _alphanumeric(OWN_PIN_LENGTHS)
"""What a code may look like: 4-10 ASCII letters and digits."""


def _shaped(given: Parameters, name: str, shape: Shape) -> str | None:
    value = given.text(name)
    if value is not None and not shape(value):
        raise invalid(name)
    return value


def code_parameter(given: Parameters) -> str:
    code = given.required("code")
    if not CODE(code):
        raise invalid("code")
    return code
