"""The keys of [voice] with the pyvoip driver, and what can be wrong with them."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.checks import (
    authorities,
    bindable,
    host,
    is_address,
    is_loopback,
    pair,
    printable,
    secret_file,
    split_port,
    whole_path,
    writable_directory,
    writable_file,
)
from drivers.settings import Fault, Severity, setting
from drivers.sip.address import TransportKind

PLACEHOLDERS = ("{e164}", "{digits}", "{national}", "{00}")
SIP_USER = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/%#-]*", re.ASCII)  # RFC 3261 25.1, and # as in *31#
LEARN = "auto"  # of external_address
FIRST_FREE_PORT = 1024
MAX_KEEPALIVE_S = 3600


# --- where the server is, and our address ------------------------------------------------------------------


def _server(value: str) -> str:
    if not value:
        return ""
    try:
        name, port = split_port(value)
    except ValueError as exc:
        return f'{value!r} must be a name or an address, with a port or without, e.g. "pbx.example:5060": {exc}'
    return (host(name) or "" if name else f"{value!r} has no name") if port != 0 else f"{value!r}: port 0 is none"


def _bind(value: str) -> str:
    try:
        name, port = split_port(value)
    except ValueError as exc:
        return f'{value!r} must be "address:port", e.g. "0.0.0.0:5060": {exc}'
    if not is_address(name):
        return f'{value!r} must be an IP address of ours, or "0.0.0.0" for any, with a port, e.g. "0.0.0.0:5060"'
    return "" if port is not None else f'{value!r} has no port; write "{value}:0" for any, or e.g. "{value}:5060"'


def _our_address(bind: str, options: "Options") -> Iterator[Fault]:
    ours, port = split_port(bind)
    yield from bindable(ours, port or 0, socket.SOCK_DGRAM, Severity.ERROR)
    try:
        server, _ = split_port(options.server)
    except ValueError:
        return
    if is_loopback(ours) and server and not is_loopback(server):
        yield Fault(f'{bind} is loopback, which {server} cannot be reached from; take "0.0.0.0:{port}"')
    if is_address(server) and (":" in server) != (":" in ours):
        other = "[::]" if ":" in server else "0.0.0.0"
        yield Fault(f'{bind} and the server {server} are of two IP versions; take "{other}:{port}"')


def _external(value: str) -> str:
    return "" if value == LEARN else host(value)


def _learnt(value: str, options: "Options") -> Iterator[Fault]:
    if value == LEARN and options.transport != TransportKind.UDP:
        yield Fault(f'"auto" works by UDP only, and transport is "{options.transport}"; write the address itself')


# --- the account -------------------------------------------------------------------------------------------


def _sip_user(value: str) -> str:
    if "@" in value:
        return f'{value!r} takes no "@": what follows that is domain; the whole can be auth_username'
    return "" if SIP_USER.fullmatch(value) else f'{value!r} has characters that a SIP user cannot have; e.g. "gateway"'


def _state(path: str, _: object) -> Iterator[Fault]:
    if path:
        yield from writable_directory(Path(path).parent, Severity.ERROR)
        yield from writable_file(Path(path), Severity.ERROR)


def _password_is_used(path: str, options: "Options") -> Iterator[Fault]:
    yield from secret_file()(path, options)
    if path and not (options.username or options.auth_username):
        yield Fault("a password without a username is not used; set username")


# --- certificates ------------------------------------------------------------------------------------------


def _authorities(path: str, options: "Options") -> Iterator[Fault]:
    if path:
        yield from _only_tls(options)
        yield from authorities(path)


def _certificate(path: str, options: "Options") -> Iterator[Fault]:
    if path:
        yield from _only_tls(options)
        yield from pair(path, options.tls_key, Severity.ERROR)


def _key(path: str, options: "Options") -> Iterator[Fault]:
    if path and not options.tls_cert:
        yield Fault("a key without tls_cert is not used; set tls_cert")


def _only_tls(options: "Options") -> Iterator[Fault]:
    if options.transport != TransportKind.TLS:
        yield Fault(f'it is used only with transport = "tls", and transport is "{options.transport}"')


def _keys_in_clear(value: str, options: "Options") -> Iterator[Fault]:
    if value == "sdes" and options.transport != TransportKind.TLS:
        yield Fault('the keys of "sdes" go in clear without transport = "tls"', Severity.WARNING)


# --- audio and numbers -------------------------------------------------------------------------------------


def rtp_range(value: str) -> range:
    """The even ports of "LOW-HIGH": each call takes one for RTP, and the next for RTCP (RFC 3550 11).

    Raises ValueError, which says what is wrong.
    """
    found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", value, re.ASCII)
    if found is None:
        raise ValueError('must be "LOW-HIGH", e.g. "40000-49999"')
    low, high = int(found[1]), int(found[2])
    if low > high:
        raise ValueError(f'is backwards; write "{high}-{low}"')
    if low < FIRST_FREE_PORT or high > 65535:
        raise ValueError(f"must lie between {FIRST_FREE_PORT} and 65535")
    if low % 2:
        raise ValueError(f'must begin with an even port (RFC 3550 11), e.g. "{low + 1}-{max(high, low + 2)}"')
    if low == high:
        raise ValueError(f'has no room for RTP and RTCP; e.g. "{low}-{low + 999}"')
    return range(low, high, 2)


def _rtp_ports(value: str) -> str:
    try:
        rtp_range(value)
    except ValueError as exc:
        return f"{value!r} {exc}"
    return ""


def _apart_from_sip(value: str, options: "Options") -> Iterator[Fault]:
    ports = rtp_range(value)
    _, port = split_port(options.bind)
    if port and ports[0] <= port <= ports[-1] + 1:
        yield Fault(f"the port of bind, {port}, lies among them; move one of the two", Severity.WARNING)


def _dial(value: str) -> str:
    """A rule whose placeholders we know, and that makes a SIP user."""
    rest = value
    for placeholder in PLACEHOLDERS:
        rest = rest.replace(placeholder, "")
    if unknown := re.search(r"\{[^{}]*\}|[{}]", rest):
        return f"{value!r}: there is no {unknown[0]!r}; there are {' '.join(PLACEHOLDERS)}"
    if rest == value:
        return f"{value!r} would call the same number for everybody; it needs one of {' '.join(PLACEHOLDERS)}"
    return _sip_user(rest) and f"{value!r} has characters that a SIP user cannot have"


def _caller_id(value: str) -> str:
    return printable(value) or ("double quotes cannot stand in it" if '"' in value else "")


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of [voice] that are the trunk's; how calls are made is the gateway's to say (`drivers.Call`)."""

    server: str = setting(
        "", "Registrar and proxy; a name without a port is looked up as SRV, too.", required=True, check=_server
    )
    transport: str = setting("udp", '"udp", "tcp" or "tls".', choices=tuple(TransportKind))
    tls_ca: str = setting(
        "",
        "Certificate authorities (PEM) for the server's certificate; empty: the system's.",
        check=whole_path,
        probe=_authorities,
    )
    tls_cert: str = setting(
        "", "Our own certificate chain (PEM), if the trunk asks for one.", check=whole_path, probe=_certificate
    )
    tls_key: str = setting("", "Private key (PEM) of that certificate.", check=whole_path, probe=_key, quoted=False)
    username: str = setting("", "The account's user name.", check=_sip_user)
    password_file: str = setting(
        "", "A file with its password.", check=whole_path, probe=_password_is_used, quoted=False
    )
    register: bool = setting(True, "Register with the server; false: the trunk knows our address.")
    bind: str = setting("0.0.0.0:0", "Our address and SIP port; port 0: any.", check=_bind, probe=_our_address)
    state_file: str = setting(
        "",
        "Keeps our SIP port and contacts over a restart; empty: voice.json beside the database.",
        check=whole_path,
        probe=_state,
    )
    rtp_ports: str = setting("40000-49999", "UDP ports for audio.", check=_rtp_ports, probe=_apart_from_sip)
    symmetric_rtp: bool = setting(
        True, "Send audio to where the callee's audio comes from, as NATs need; false: to the address in SDP."
    )
    srtp: str = setting(
        "none",
        'Encrypt audio with keys in SDP ("sdes", RFC 4568), and never speak unencrypted; or "none".',
        choices=("none", "sdes"),
        probe=_keys_in_clear,
    )
    dial: str = setting("{e164}", "How a number becomes the SIP user:", check=_dial)
    user_phone: bool = setting(False, "Add ;user=phone to the callee's address (RFC 3261 19.1.1).")
    caller_id: str = setting("", "The number or name that callees see.", check=_caller_id)
    assert_identity: bool = setting(False, "Send our number as P-Asserted-Identity, too (RFC 3325).")
    hide_number: bool = setting(False, "Call anonymously; the trunk still learns the number (RFC 3323).")
    domain: str = setting("", "Domain of our address and of callees, if the server is only a proxy to it.", check=host)
    auth_username: str = setting("", "Name for the password, if it is not username.", check=_caller_id)
    external_address: str = setting(
        "",
        'Our address as the trunk sees it, behind a NAT; "auto": from its answers (UDP).',
        check=_external,
        probe=_learnt,
    )
    keepalive_seconds: int = setting(
        0,
        "Pause between OPTIONS that keep a NAT open and check that the server answers; 0: none.",
        unit="s",
        low=0,
        high=MAX_KEEPALIVE_S,
    )

    def room_for(self, calls: int) -> Iterator[Fault]:
        """Whether there are ports for so many calls at a time."""
        ports = rtp_range(self.rtp_ports)
        if len(ports) < calls:
            wide = f"{ports[0]}-{ports[0] + 2 * calls - 1}"
            text = f'{self.rtp_ports} is enough for {len(ports)} calls, and max_calls is {calls}; e.g. "{wide}"'
            yield Fault(text, key="rtp_ports")
