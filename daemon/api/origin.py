"""Whether a browser's request comes from a page of ours: what other web sites may make a browser send is refused.

The loopback address is no border: any page that the operator has open can send requests there. Its name can lead there
as well (DNS rebinding), so the Host is compared with a list. A tunnel (`ssh -L`) brings all of that to the Unix socket,
where whoever comes out of it is the operator.
"""

import ipaddress
import re

PORT = re.compile("[0-9]{0,5}")
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
DEFAULT_PORTS = (80, 443)  # which a browser leaves out
BROWSER = "Mozilla/"  # as the User-Agent of each of them begins
OWN_SITES = frozenset({"same-origin", "none"})  # of Sec-Fetch-Site: none is an address that the person typed


def own_host(host: str, port: int | None) -> bool:
    """Whether a Host names this machine's loopback. port: of the listener; None where a tunnel may have any."""
    name, _, given = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if name not in HOSTS or not PORT.fullmatch(given):
        return False
    return port is None or (int(given) == port if given else port in DEFAULT_PORTS)


def led_here(host: str, agent: str) -> bool:
    """Whether a Host on the Unix socket is a name that somebody has led to the end of a tunnel. agent: the User-Agent.

    Programs call the socket what they like, without a port. A browser gives the port of the tunnel, unless it is 80;
    then it is known by what it calls itself.
    """
    port = ":" in host.rpartition("]")[2]
    return (port or agent.startswith(BROWSER)) and not own_host(host, None)


def is_loopback(address: str) -> bool:
    """Whether a peer's address is of this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def from_another_site(site: str, origin: str, host: str) -> bool:
    """Whether a browser says that a page of another site sends this; "" for a header that is not there.

    Programs send neither Sec-Fetch-Site (Fetch Metadata) nor Origin (RFC 6454). Browsers send the first with
    everything, older ones the second with a POST.
    """
    if site:
        return site not in OWN_SITES
    return bool(origin) and origin.partition("://")[2] != host
