"""Checks that several configuration keys share: files, directories, addresses, certificates.

Each really opens, binds or parses what the key names, as the user that it runs as, and sends nothing to a network.
"""

import contextlib
import errno
import grp
import ipaddress
import os
import re
import socket
import ssl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drivers.named_files import GROUP, Unreadable, content, load_pair, open_to_others, secret, user_name
from drivers.settings import Fault, FaultKind, Probe, Severity

RENEW = timedelta(days=14)  # before a certificate ends
HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
STATE_DIRECTORY = Path("/var/lib/pinwheel")  # StateDirectory= of the unit: systemd makes it before the first start


# --- texts -------------------------------------------------------------------------------------------------


def whole_path(value: str) -> str:
    """The value is not repeated: it may be a password that was written in the wrong place."""
    if not value or (value.startswith("/") and value.isprintable()):
        return ""
    return 'must be a whole path, from the first "/", e.g. "/etc/pinwheel/NAME"'


def printable(value: str) -> str:
    return "" if value.isprintable() else f"{value!r} must be one line without control characters"


def host(value: str) -> str:
    """A name or an address; "" is left to `required`."""
    if not value or is_address(value):
        return ""
    if re.fullmatch(r"[0-9.]+", value):
        return f"{value!r} is no IP address"
    return "" if HOST.fullmatch(value) else f'{value!r} must be a host name or an address, e.g. "pbx.example"'


def is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_loopback(value: str) -> bool:
    return value == "localhost" or (is_address(value) and ipaddress.ip_address(value).is_loopback)


def split_port(value: str) -> tuple[str, int | None]:
    """ "host:port", "[address]:port" or without a port, taken apart. Raises ValueError, which says what is wrong."""
    found = re.fullmatch(r"(\[[^][]*\]|[^][:]*)(?::([0-9]*))?", value, re.ASCII)
    if found is None:
        bare = value.count(":") > 1 and "[" not in value
        raise ValueError("an IPv6 address stands in brackets" if bare else "it is no address with a port")
    if found[2] is None:
        return found[1].strip("[]"), None
    if not found[2] or len(found[2]) > 5 or int(found[2]) > 65535:
        raise ValueError("a port is a number up to 65535")
    return found[1].strip("[]"), int(found[2])


# --- files -------------------------------------------------------------------------------------------------


def secret_file(severity: Severity = Severity.ERROR) -> Probe:
    """A file whose one line is a secret. severity: of one that cannot be used."""

    def probe(path: str, _: object) -> Iterator[Fault]:
        if not path:
            return
        try:
            secret(path)
        except Unreadable as exc:
            yield Fault(str(exc), severity)
            return
        yield from open_to_others(path, severity)

    return probe


def writable_by_others(path: Path) -> Iterator[Fault]:
    """Who may write the configuration decides what the daemon runs (power_cycle)."""
    with contextlib.suppress(OSError):
        about = os.stat(path)
        if stat.S_ISREG(about.st_mode) and about.st_mode & stat.S_IWOTH:
            text = f"every user of this machine may write {path}; run: chmod o-w {path}"
            yield Fault(text, kind=FaultKind.WRITABLE)
        elif stat.S_ISREG(about.st_mode) and about.st_mode & stat.S_IWGRP and about.st_gid == _gid(GROUP):
            text = f"every member of the group {GROUP} may write {path}, and so run commands as the daemon"
            yield Fault(f"{text}; run: chmod g-w {path}", Severity.WARNING, kind=FaultKind.WRITABLE)


def _gid(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def readable_directory(path: str, _: object) -> Iterator[Fault]:
    """One that may be absent, but that is a directory and can be read where it is there."""
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path):
        yield Fault(f"{path} is no directory")
    elif not os.access(path, os.R_OK | os.X_OK):
        yield Fault(
            f"the user {user_name()} may not read {path}; run: chmod -R g+rX {path} && chgrp -R pinwheel {path}"
        )


def writable_file(path: Path, severity: Severity) -> Iterator[Fault]:
    """One that can be read and written, or is not there; its directory is not looked at."""
    if os.path.isdir(path):
        yield Fault(f"{path} is a directory; name a file", severity)
    elif os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK):
        yield _refusal(path, f"the user {user_name()} may not write {path}; {_remedy(path)}", severity)


def writable_directory(path: Path, severity: Severity) -> Iterator[Fault]:
    """One that is there and can be written, or that can be made."""
    if path == STATE_DIRECTORY and not os.path.lexists(path):
        return
    there = next((each for each in (path, *path.parents) if os.path.lexists(each)), Path("/"))
    if not os.path.isdir(there):
        yield Fault(f"{there} is no directory", severity)
    elif not os.access(there, os.W_OK | os.X_OK):
        yield _refusal(there, f"the user {user_name()} may not {_refused(path, there)}", severity)


def _refusal(path: Path, text: str, severity: Severity) -> Fault:
    """Why a path cannot be written. text: what is said unless its disk is read-only, where no owner or mode helps."""
    with contextlib.suppress(OSError):
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            text = f"{path} is read-only here: its disk, or by ProtectSystem= and StateDirectory= of the unit"
            return Fault(text, severity, kind=FaultKind.HIDDEN)
    return Fault(text, severity)


def _remedy(path: Path) -> str:
    """For one that is there. Where the user owns it already, only its mode is wrong."""
    if os.stat(path).st_uid == os.geteuid():
        return f"run: chmod u+rw{'x' * os.path.isdir(path)} {path}"
    return f"run: chown {user_name()} {path}"


def _refused(path: Path, there: Path) -> str:
    """What the user may not do, with the remedy. there: the innermost directory of the path that can be seen.

    A directory that exists may be the system's, such as /etc or /run: the remedy must not take it away from root.
    """
    own = f"install -d -o {user_name()} -m 750"
    if not os.access(there, os.X_OK):
        return f"enter {there}; name a path elsewhere, e.g. in {STATE_DIRECTORY}"
    if there != path:
        return f"make {path}; run: {own} {path}"
    if path == STATE_DIRECTORY:
        return f"write in {path}; {_remedy(path)}"
    return f"write in {path}; name a path in a directory of its own, made by: {own} {path / 'pinwheel'}"


# --- addresses ---------------------------------------------------------------------------------------------


def bindable(address: str, port: int, kind: socket.SocketKind, severity: Severity) -> Iterator[Fault]:
    """Whether a socket can have this address (numeric) and port (0: any). severity: of a lasting fault."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for number, tried in enumerate([0, port] if port else [0]):
        try:
            with socket.socket(family, kind) as sock:
                if kind is socket.SOCK_STREAM:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address, tried))
        except OSError as exc:
            yield _not_bound(address, port, exc, severity)
            if number == 0:
                return


def _not_bound(address: str, port: int, exc: OSError, severity: Severity) -> Fault:
    match exc.errno:
        case errno.EADDRINUSE:
            text = f"port {port} of {address} is in use now, by pinwheeld if it runs; else look who has it: ss -lnptu"
            return Fault(text, Severity.WARNING, kind=FaultKind.ADDRESS_IN_USE)
        case errno.EADDRNOTAVAIL:
            return Fault(f"{address} is no address of this machine; `ip addr` lists them", severity)
        case errno.EACCES:
            return Fault(f"port {port} is kept for root; take one from 1024 on", severity)
        case _:
            return Fault(f"cannot use the address {address}: {exc.strerror}", severity)


# --- certificates ------------------------------------------------------------------------------------------


def pair(certificate: str, key: str, severity: Severity) -> Iterator[Fault]:
    """A certificate and its private key, as they are used; and how long they can be."""
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except Unreadable as exc:
        yield Fault(str(exc), severity)
        return
    yield from _in_force(certificate, datetime.now(UTC))
    if key:
        yield from open_to_others(key)


def _in_force(path: str, now: datetime) -> Iterator[Fault]:
    from cryptography import x509  # late: few daemons need it

    ours = x509.load_pem_x509_certificates(content(path))[0]
    ends = ours.not_valid_after_utc
    if now < ours.not_valid_before_utc:
        yield Fault(
            f"the certificate {path} is not valid before {ours.not_valid_before_utc:%Y-%m-%d}; is the clock right?"
        )
    elif now >= ends:
        yield Fault(f"the certificate {path} ended on {ends:%Y-%m-%d}; renew it")
    elif now >= ends - RENEW:
        yield Fault(f"the certificate {path} ends on {ends:%Y-%m-%d}; renew it", Severity.WARNING)


def authorities(path: str) -> Iterator[Fault]:
    """Certificates that others' are checked with."""
    try:
        content(path)
        ssl.create_default_context(cafile=path)
    except Unreadable as exc:
        yield Fault(str(exc))
    except (ssl.SSLError, OSError):
        yield Fault(f"{path} holds no PEM certificate")
