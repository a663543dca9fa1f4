"""SIP URIs, name-addr and Via values by the grammar of RFC 3261 25.1: text in, a type or `Malformed` out.

Each function reads its text once.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from drivers.sip.address import HostPort, bare_host_of, host_port_of
from drivers.sip.message import Malformed, parameters, uri_of

UNSAFE = frozenset(' <>"')
"""Printable characters that end a URI wherever one is written."""


@dataclass(frozen=True, slots=True)
class Uri:
    """A sip: or sips: URI. text: as it was written; parameters: names in lower case (RFC 3261 19.1.1).

    reached_at: where to send to, which maddr may set apart from what the URI names.
    """

    text: str = field(repr=False)
    scheme: str
    user: str = field(repr=False)
    at: HostPort
    reached_at: HostPort
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> list[str]:
        """What stands behind the question mark, each as "name=value", with the name in lower case."""
        pairs = (header.partition("=") for header in self.text.partition("?")[2].split("&"))
        return [f"{unquote(name).lower()}={unquote(value)}" for name, _, value in pairs if name]


@dataclass(frozen=True, slots=True)
class NameAddr:
    """One value of a Contact, Route or Record-Route header (RFC 3261 25.1). text: as it was written."""

    text: str = field(repr=False)
    uri: Uri

    @property
    def loose(self) -> bool:
        """Of a route: a router by RFC 3261 16.12; another one wants to be the Request-URI."""
        return "lr" in self.uri.parameters


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of a message (RFC 3261 20.42). transport: in lower case; parameters: names in lower case."""

    transport: str
    sent_by: HostPort
    parameters: Mapping[str, str] = field(default_factory=dict)


def uri_from(text: str) -> Uri:
    """A sip: or sips: URI. Raises Malformed."""
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() not in ("sip", "sips"):
        raise Malformed("not a sip: URI")
    if not (text.isascii() and text.isprintable() and UNSAFE.isdisjoint(text)):
        raise Malformed("a URI with characters that it cannot have")
    user, at_sign, behind = rest.rpartition("@")
    if "@" in user or (at_sign and not user):
        raise Malformed("a URI with an empty user, or with more than one @")
    where, _, after = behind.partition("?")[0].partition(";")
    at, found = host_port_of(where), parameters(f";{after}")
    reached_at = HostPort(bare_host_of(found["maddr"]), at.port) if "maddr" in found else at
    return Uri(text, scheme.lower(), user, at, reached_at, found)


ALWAYS_COUNT = {"transport", "user", "ttl", "method", "maddr"}
"""Parameters that make two URIs differ when only one has them (RFC 3261 19.1.4)."""


def same(one: Uri, other: Uri) -> bool:
    """Whether two URIs name the same (RFC 3261 19.1.4); a default that is written is not one that is left out."""
    if (one.scheme, unquote(one.user), one.at) != (other.scheme, unquote(other.user), other.at):
        return False
    names = {*one.parameters, *other.parameters}
    counted = names & ALWAYS_COUNT | one.parameters.keys() & other.parameters.keys()
    equal = all(_lower(one, name) == _lower(other, name) for name in counted)
    return equal and sorted(one.headers) == sorted(other.headers)


def _lower(uri: Uri, name: str) -> str | None:
    value = uri.parameters.get(name)
    return None if value is None else unquote(value).lower()


def read_uris(values: Iterable[str]) -> Iterator[NameAddr]:
    """The values of a Contact, Route or Record-Route header that hold a sip: URI; others are dropped here."""
    for value in values:
        with contextlib.suppress(Malformed):
            yield NameAddr(value, uri_from(uri_of(value)))


def via_from(value: str) -> Via:
    """One value of a Via header. Raises Malformed."""
    protocol, _, rest = value.partition(";")
    parts = protocol.replace("/", " / ").split()
    shaped = len(parts) >= 6 and [part.upper() for part in parts[:4]] == ["SIP", "/", "2.0", "/"]
    if not shaped or not protocol.isprintable():
        raise Malformed("not a Via")
    sent_by = " ".join(parts[5:]).replace(" :", ":").replace(": ", ":")
    return Via(parts[4].lower(), host_port_of(sent_by), parameters(f";{rest}"))
