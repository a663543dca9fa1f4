"""Where a SIP server is (RFC 3263): a name becomes addresses, in the order in which to try them. It may block.

With a port, or an address, the answer is that; a bare name is looked up as SRV (RFC 2782), else as a host with the
default port. NAPTR is not asked: the configuration names the transport.
"""

import ipaddress
import socket
from collections.abc import Iterator

import dns.exception
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from drivers.sip.message import Malformed, host_port
from drivers.sip.transport import Address, Kind

LOOKUP_S = 5.0
SERVICES = {Kind.UDP: "_sip._udp", Kind.TCP: "_sip._tcp", Kind.TLS: "_sips._tcp"}


class NotFound(Exception):
    """The server's name leads nowhere; the text says why."""


def locate(server: str, kind: Kind, resolver: dns.resolver.Resolver | None = None) -> tuple[Address, ...]:
    """The addresses of "host", "host:port" or an IP address, at least one, each once. Raises NotFound."""
    try:
        host, port = host_port(server, 0)
    except Malformed:
        raise NotFound(f"cannot use the server {server!r}: name or address, with a port or not") from None
    services = [(host, port or kind.port)] if port or _is_address(host) else list(_services(host, kind, resolver))
    found = [address for name, at in services or [(host, kind.port)] for address in _addresses(name, at)]
    if not found:
        raise NotFound(f"no address for the name {host}: check [voice] server and the DNS")
    return tuple(dict.fromkeys(found))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _services(host: str, kind: Kind, resolver: dns.resolver.Resolver | None) -> Iterator[tuple[str, int]]:
    """Targets and ports by priority and weight; none where there is no SRV record, or no DNS."""
    try:
        asked = resolver or dns.resolver.get_default_resolver()
        answer = asked.resolve(f"{SERVICES[kind]}.{host}", "SRV", lifetime=LOOKUP_S)
    except (dns.exception.DNSException, OSError):
        return
    for record in answer.rrset.processing_order() if answer.rrset is not None else ():
        if isinstance(record, SRV) and str(record.target) != ".":  # "." says that the service is not there (RFC 2782)
            yield record.target.to_text(omit_final_dot=True), int(record.port)


def _addresses(name: str, port: int) -> Iterator[Address]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError:
        return
    for _, _, _, _, address in found:
        yield str(address[0]), int(address[1])
