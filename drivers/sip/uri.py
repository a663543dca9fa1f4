"""Hosts, ports, SIP URIs and Via values by the grammar of RFC 3261 25.1: text in, a type or `Malformed` out.

Whatever a far end wrote passes through here before it may become an address to send to: `HostPort.address` is the only
way from its text to a socket. Each function reads its text once.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote

from drivers.pyvoip.transport import Address
from drivers.sip.message import Malformed, parameters, uri_of

MOST_HOST, MOST_LABEL = 253, 63  # octets (RFC 1035 2.3.4)
LABEL = re.compile(rf"[A-Za-z0-9_](?:[A-Za-z0-9_-]{{0,{MOST_LABEL - 2}}}[A-Za-z0-9_])?")
"""Of a host name. The underscore is in no standard, but in the names of containers."""
UNSAFE = frozenset(' <>"')
"""Printable characters that end a URI wherever one is written."""
BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class HostPort:
    """host: an IP address, without brackets, or a name in lower case; port: 1 to 65535, None where none is named."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """None of a name."""
        return _ip(self.host)

    def address(self, default_port: int) -> Address | None:
        """Where to send; None of a name, as looking it up would block, and of what is not one host's address."""
        ip = self.ip
        if ip is None or ip.is_unspecified or ip.is_multicast or ip == BROADCAST:
            return None
        return self.host, default_port if self.port is None else self.port


@dataclass(frozen=True, slots=True)
class Uri:
    """A sip: or sips: URI. text: as it was written; parameters: names in lower case (RFC 3261 19.1.1)."""

    text: str = field(repr=False)
    scheme: str
    user: str = field(repr=False)
    at: HostPort
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


def host_of(text: str) -> str:
    """A host as `HostPort` has it. Raises Malformed: also for an IPv6 reference with a zone, which is nobody else's."""
    if text.startswith("["):
        if not text.endswith("]") or "%" in text:
            raise Malformed("not an IPv6 reference")
        ip = _ip(text[1:-1])
        if not isinstance(ip, IPv6Address):
            raise Malformed("not an IPv6 reference")
        return str(ip)
    return text if isinstance(_ip(text), IPv4Address) else _name(text)


def bare_host_of(text: str) -> str:
    """The same where an IPv6 address may stand without brackets: in received= and in session descriptions."""
    return host_of(f"[{text}]" if ":" in text and not text.startswith("[") else text)


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _name(text: str) -> str:
    """A host name (RFC 3261 25.1): the last label begins with a letter, so that no bad IPv4 address is one."""
    if len(text) > MOST_HOST:
        raise Malformed("too long a host name")
    labels = text.removesuffix(".").split(".")
    if not all(map(LABEL.fullmatch, labels)) or not labels[-1][0].isalpha():
        raise Malformed("not a host name")
    return text.lower()


def host_port_of(text: str) -> HostPort:
    """ "host", "host:port", "[IPv6]" or "[IPv6]:port". Raises Malformed."""
    at = text.find("]") + 1 if text.startswith("[") else text.find(":")
    host, rest = (text[:at], text[at:]) if at >= 0 else (text, "")
    if not rest:
        return HostPort(host_of(host))
    return HostPort(host_of(host), port_of(rest.removeprefix(":")) if rest.startswith(":") else port_of(""))


def port_of(text: str) -> int:
    """1 to 65535 in ASCII digits. Raises Malformed."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise Malformed("not a port")
    return int(text)


def uri_from(text: str) -> Uri:
    """A sip: or sips: URI. Raises Malformed."""
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() not in ("sip", "sips"):
        raise Malformed("not a sip: URI")
    if not (text.isascii() and text.isprintable() and UNSAFE.isdisjoint(text)):
        raise Malformed("a URI with characters that it cannot have")
    user, at, behind = rest.rpartition("@")
    if "@" in user or (at and not user):
        raise Malformed("a URI with an empty user, or with more than one @")
    where, _, after = behind.partition("?")[0].partition(";")
    return Uri(text, scheme.lower(), user, host_port_of(where), parameters(f";{after}"))


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
