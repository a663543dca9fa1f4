"""Whatever reads what others wrote takes time in proportion to its length, so that nobody can freeze the daemon.

Steps are counted, not seconds. A regular expression hides its steps: those that meet foreign text have no repeat
without a small bound, so that each costs a bounded number of steps at each character.
"""

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import chain
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined] # what the library compiles

import pytest

from daemon.api.params import HttpError, Mistake, Parameters, _body_fields, start_parameters
from drivers.pyvoip.call_outcome import presentable
from drivers.serial import at, pdu
from drivers.sip.address import host_port_of
from drivers.sip.agent import UserAgent
from drivers.sip.body import description, key_pressed
from drivers.sip.call_events import q850_cause
from drivers.sip.digest import challenges
from drivers.sip.message import Framer, Malformed, Message, parameters, parse, split, unquoted, uri_of
from drivers.sip.sdp import NoAudio, answer, respond
from drivers.sip.uri import uri_from, via_from
from drivers.sip.validation import refusal
from tests.drivers.sip.agents import FIRST, SDP, agent, answered, sent, with_headers
from tests.drivers.sip.test_malformed import asked
from tests.steps import grows_linearly, steps

# --- regular expressions -----------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
OF_OPERATORS = (
    *("drivers/pyvoip/bindings.py", "drivers/checks.py", "drivers/serial/ports.py", "drivers/pyvoip/options.py"),
    "drivers/rtp/__main__.py",
    *(
        "daemon/config",
        "daemon/prompts/making",
        "daemon/operations/journal.py",
        "daemon/prompts/library.py",
        "daemon/core/phrases.py",
    ),
)
"""What reads only our own files and lines."""
OF_NUMBERS = ("daemon/api/premium_numbers.py", "daemon/store/forgetting.py")
"""Whose patterns are those of phonenumbers, or made of the digits of a number, with a repeat between two."""
READERS = [
    path
    for path in sorted(path.relative_to(ROOT) for top in ("drivers", "daemon") for path in (ROOT / top).rglob("*.py"))
    if not any(path.is_relative_to(other) for other in (*OF_OPERATORS, *OF_NUMBERS))
]
"""Every other module may meet what a far end, a modem or a client wrote."""
MOST_TIMES = 256  # of a repeat, or of one in another


def patterns() -> Iterator[tuple[str, str | bytes]]:
    """Each regular expression of the readers, by module and line; made of constants, else it fails here."""
    for path in READERS:
        nodes = [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Call)]
        for node in nodes:
            if _is_of_re(node.func):
                module = import_module(".".join(path.with_suffix("").parts))
                code = compile(ast.Expression(node.args[0]), str(path), "eval")
                names = {**vars(module), "separator": ","}
                yield f"{path}:{node.lineno}", eval(code, names)


def _is_of_re(function: ast.expr) -> bool:
    of_re = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re"
    return of_re and isinstance(function, ast.Attribute) and function.attr != "escape"


def most_steps(tree: _parser.SubPattern) -> float:
    """An upper bound of how often a repeat is tried at one place: the product of those that stand in each other."""
    most = 1.0
    for operation, value in tree:
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            _, times, inner = value
            most = max(most, (float("inf") if times == _constants.MAXREPEAT else times) * most_steps(inner))
        else:
            inside = [each for each in _flat(value) if isinstance(each, _parser.SubPattern)]
            most = max([most, *map(most_steps, inside)])
    return most


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        yield from chain.from_iterable(map(_flat, value))
    else:
        yield value


def cost(pattern: str | bytes) -> float:
    return most_steps(_parser.parse(pattern))


PATTERNS = dict(patterns())


@pytest.mark.parametrize("place", PATTERNS)
def test_a_regular_expression_that_meets_foreign_text_has_small_bounds(place: str) -> None:
    r"""There used to be one, `^\s*(?:Signal\s*=\s*)?...`, by which one INFO of 30 kB cost 24 s."""
    assert cost(PATTERNS[place]) <= MOST_TIMES


@pytest.mark.parametrize("pattern", [r"^\s*(?:Signal\s*=)?", r"(?:a{1,50}b){1,50}", r"(?:\\.|x)*", r"a+?", r"(?>a*)b"])
def test_a_regular_expression_without_small_bounds_is_found(pattern: str) -> None:
    assert cost(pattern) > MOST_TIMES


# --- parsers -----------------------------------------------------------------------------------------------

HEAD = (
    ("via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
    ("from", "<sip:far@192.0.2.1>;tag=far"),
    ("to", "<sip:gw@192.0.2.9>;tag=gw"),
    ("call-id", "1"),
    ("cseq", "1 INVITE"),
)
FILLERS = (
    *("a", " ", "\t", ",", ";", '"', "\\", '\\"', '"\\', "<", ">", "<>", "=", ":", "@", "[", "%", ".", "-", "0", "é"),
    *('a="', "a=\\", "<a,", '",', ";a=b", ", Digest ", "sip:", "1.", "/", " /", "\x00", "a b ", "= ", '"a" '),
)
"""What a text is filled up with; each made some parser of some project slow."""

Parser = Callable[[str], object]


def header(name: str, read: Callable[[Message], object]) -> Parser:
    """A message with such a header, read as a whole and then by what uses it."""

    def parsed(text: str) -> object:
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*HEAD, (name, text)))
        return read(parse(f"SIP/2.0 401 Who\r\n{lines}\r\n".encode()))

    return parsed


def everything(message: Message) -> None:
    for name, value in message.headers:
        for each in message.all(name):
            uri_of(each), parameters(each), unquoted(each)
        split(value, " ")
    refusal(message), message.branch, q850_cause(message)


TEXT_PARSERS: dict[str, Parser] = {
    "Contact": header("Contact", everything),
    "Via": header("Via", everything),
    "Reason": header("Reason", everything),
    "WWW-Authenticate": header("WWW-Authenticate", challenges),
    "a host": host_port_of,
    "a URI": uri_from,
    "a URI's host": lambda text: uri_from(f"sip:a@{text}"),
    "a Via": via_from,
    "a Via's host": lambda text: via_from(f"SIP/2.0/UDP {text}"),
    "a reason phrase": presentable,
    "a modem's line": lambda text: at.Parser().feed(f"+CMGL: {text}\r\n".encode()),
    "a modem's octets": lambda text: at.Parser().feed(text.encode()),
    "a modem's parameters": lambda text: at.fields(f"+CMGL: {text}"),
    "a modem's result": lambda text: at.parse_final(f"+CMS ERROR: {text}"),
    "a brand": lambda text: start_parameters(Parameters([("number", "447700900123"), ("brand", text)]), range(8)),
    "a number": lambda text: start_parameters(Parameters([("number", text), ("brand", "Acme")]), range(8)),
    "a form": lambda text: Parameters(_body_fields("", text.encode())).texts("a"),
    "JSON": lambda text: _body_fields("application/json", text.encode()),
}
REFUSALS = (Malformed, at.Malformed, NoAudio, Mistake, HttpError, pdu.PduError)


@pytest.mark.parametrize("filler", FILLERS, ids=ascii)
@pytest.mark.parametrize("parser", TEXT_PARSERS)
def test_a_text_that_is_twice_as_long_takes_twice_the_steps(parser: str, filler: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = filler * (size // len(filler))

        def read() -> None:
            with suppress(*REFUSALS):
                TEXT_PARSERS[parser](text)

        return read

    assert grows_linearly(work, (480, 960, 1920))


LINES = (
    *("c=IN IP4 192.0.2.1", "m=audio 5000 RTP/AVP 8", "a=rtpmap:101 telephone-event/8000", "a=sendrecv", "", " "),
    *("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40, "--cut", "Content-Type: application/sdp", "Signal="),
)
DESCRIBED = b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 5000 RTP/AVP 8\r\n"


def body(kind: str, read: Callable[[Message], object]) -> Callable[[bytes], object]:
    return lambda octets: read(Message((("content-type", kind),), octets, status=200))


BODY_PARSERS: dict[str, Callable[[bytes], object]] = {
    "an answer": lambda octets: answer(DESCRIBED + octets, SDP),
    "an offer": lambda octets: respond(octets + DESCRIBED, SDP, answer(DESCRIBED, SDP), 2),
    "parts": body("multipart/mixed;boundary=cut", description),
    "a key": body("application/dtmf-relay", key_pressed),
    "a head": lambda octets: parse(b"SIP/2.0 200 OK\r\n" + octets),
    "a modem's lines": lambda octets: at.Parser().feed(octets),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("parser", BODY_PARSERS)
def test_twice_as_many_lines_take_twice_the_steps(parser: str, line: str) -> None:
    def work(count: int) -> Callable[[], object]:
        octets = f"{line}\r\n".encode() * count

        def read() -> None:
            with suppress(*REFUSALS):
                BODY_PARSERS[parser](octets)

        return read

    assert grows_linearly(work, (40, 80, 160))


@pytest.mark.parametrize("digits", ["07", "FF", "1B", "00"])
def test_a_longer_pdu_takes_no_more_steps_than_it_is_longer(digits: str) -> None:
    def work(size: int) -> Callable[[], object]:
        whole = "0004" + "0B9144779000213F0000" + "99999999999999" + f"{min(size, 255):02X}" + digits * size

        def read() -> None:
            with suppress(*REFUSALS):
                pdu.decode(whole)

        return read

    assert grows_linearly(work, (60, 120, 240))


class Counting(bytearray):
    """Counts the octets in which something is searched, of all buffers together."""

    looked_at = 0

    def find(self, part: bytes, start: int = 0) -> int:  # type: ignore[override]
        Counting.looked_at += len(self) - start
        return super().find(part, start)


@pytest.mark.parametrize(
    ("octets", "least"),
    [(b"x" * 8000, 8000), (b"\r\n" * 4000, 0), (b"\r" * 8000, 0), (b"l: 60000\r\n\r\n" + b"x" * 8000, 12)],
)
def test_a_stream_that_comes_octet_by_octet_is_looked_at_once(
    octets: bytes, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream used to be copied and searched from its beginning for each octet that came."""
    monkeypatch.setattr("drivers.sip.message.bytearray", Counting, raising=False)
    monkeypatch.setattr(Counting, "looked_at", 0)
    framer = Framer()

    def come() -> None:
        for octet in octets:
            framer.feed(bytes([octet]))
            framer.take()

    spent = steps(come)
    assert least <= Counting.looked_at <= 5 * len(octets)
    assert spent <= 60 * len(octets)


# --- as a whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filler", [b"\n", b" ", b"\r\n ", b"Signal=\n", b"\t\n"])
@pytest.mark.parametrize("kind", ["application/dtmf-relay", "application/dtmf", "text/plain", "application/sdp", ""])
def test_an_info_of_30_kb_is_no_work(kind: str, filler: bytes) -> None:
    """There used to be an INFO that froze the daemon for 24 s; the Content-Type was looked at last."""
    ours = agent()
    call, _ = answered(ours)
    info = told(ours, call.call_id, kind, filler * (30_000 // len(filler)))
    assert steps(lambda: ours.receive(info, FIRST, 2.0)) < 40_000
    assert [message.status for message, _ in sent(ours)]


def told(ours: UserAgent, call_id: str, kind: str, octets: bytes) -> bytes:
    call = ours.calls[call_id].requests
    invite = Message(
        (("from", f"<{call.identity.uri}>;tag={call.requester.tag}"), ("to", f"<{call.uri}>"), ("call-id", call_id))
    )
    whole = with_headers(parse(asked("INFO")(invite)), ("content-type", kind))
    return Message(whole.headers, octets, method="INFO", uri=whole.uri).encode()
