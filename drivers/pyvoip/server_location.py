"""Where a SIP server is (RFC 3263): a name becomes addresses, in the order in which to try them. It may block.

With a port, or an address, the answer is that; a bare name is looked up as SRV (RFC 2782), else as a host with the
default port. NAPTR is not asked: the configuration names the transport. dnspython, which takes a tenth of the start of
the daemon, is loaded only for such a name, on the thread that looks it up.
"""

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivers.sip.address import Address, HostPort, TransportKind, host_of, host_port_of
from drivers.sip.message import Malformed

if TYPE_CHECKING:
    from dns.resolver import Resolver

LOOKUP_S = 5.0
NO_ADDRESS = "no address for the name"
SERVICES = {TransportKind.UDP: "_sip._udp", TransportKind.TCP: "_sip._tcp", TransportKind.TLS: "_sips._tcp"}


class NotFound(Exception):
    """The server's name leads nowhere; the text says why."""


def locate(server: str, kind: TransportKind, resolver: "Resolver | None" = None) -> tuple[Address, ...]:
    """The addresses of "host", "host:port" or an IP address, at least one, each once. Raises NotFound."""
    try:
        at = host_port_of(server.removeprefix("sip:"))
    except Malformed:
        raise NotFound(f"cannot use the server {server!r}: name or address, with a port or not") from None
    named = HostPort(at.host, at.port or kind.port)
    services = [named] if at.port or at.ip else list(_services(at.host, kind, resolver)) or [named]
    found = [address for service in services for address in _addresses(service)]
    if not found:
        raise NotFound(f"{NO_ADDRESS} {at.host}: check [voice] server and the DNS")
    return tuple(dict.fromkeys(found))


def _services(host: str, kind: TransportKind, resolver: "Resolver | None") -> Iterator[HostPort]:
    """Targets and ports by priority and weight; none where there is no SRV record, or no DNS."""
    import dns.exception
    import dns.resolver
    from dns.rdtypes.IN.SRV import SRV

    try:
        asked = resolver or dns.resolver.get_default_resolver()
        answer = asked.resolve(f"{SERVICES[kind]}.{host}", "SRV", lifetime=LOOKUP_S)
    except (dns.exception.DNSException, OSError):
        return
    for record in answer.rrset.processing_order() if answer.rrset is not None else ():
        if isinstance(record, SRV) and record.port:
            with contextlib.suppress(Malformed):  # also "." for a service that is not there (RFC 2782)
                yield HostPort(host_of(record.target.to_text(omit_final_dot=True)), int(record.port))


def _addresses(service: HostPort) -> Iterator[Address]:
    try:
        found = socket.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # also a label that IDNA does not have
        return
    for _, _, _, _, address in found:
        yield str(address[0]), int(address[1])


def media_host(name: str, family: socket.AddressFamily) -> str:
    """The first address of a name in a session description (RFC 4566 9), "" for none. It may block."""
    try:
        found = socket.getaddrinfo(name, None, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return ""
    addresses = (HostPort(str(address[0])) for _, _, _, _, address in found)
    return next((each.host for each in addresses if each.address(0) is not None), "")
