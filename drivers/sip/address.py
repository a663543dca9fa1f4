"""Where something is reached in SIP: hosts and ports by the grammar of RFC 3261 25.1, transports, and their timers.

Whatever a far end wrote passes through here before it may become an address to send to: `HostPort.address` is the only
way from its text to a socket. Each function reads its text once.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from drivers.sip.message import Malformed

Address = tuple[str, int]
MOST_HOST, MOST_LABEL = 253, 63  # octets (RFC 1035 2.3.4)
LABEL = re.compile(rf"[A-Za-z0-9_](?:[A-Za-z0-9_-]{{0,{MOST_LABEL - 2}}}[A-Za-z0-9_])?")
"""Of a host name. The underscore is in no standard, but in the names of containers."""
BROADCAST = IPv4Address("255.255.255.255")


class TransportKind(StrEnum):
    """As [voice] transport and the Via header (RFC 3261 20.42) name it."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def reliable(self) -> bool:
        return self is not TransportKind.UDP

    @property
    def port(self) -> int:
        """The default (RFC 3261 19.1.2)."""
        return 5061 if self is TransportKind.TLS else 5060


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds; the defaults are those of RFC 3261 table 4."""

    t1: float = 0.5  # round-trip time estimate
    t2: float = 4.0  # longest interval of non-INVITE retransmissions
    t4: float = 5.0  # how long a datagram may linger in the network
    fail_over: float = 4.0  # our own: after so long without a response an INVITE goes to the next server (RFC 3263 4.3)

    @property
    def give_up(self) -> float:
        """Timers B, F, H: no answer at all."""
        return 64 * self.t1

    @property
    def linger(self) -> float:
        """Timer D: how long a final response to INVITE may come again."""
        return 64 * self.t1


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
