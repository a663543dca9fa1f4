"""What is in the files that the configuration names: secrets, certificates. One that cannot be used says what to do."""

import contextlib
import errno
import grp
import os
import pwd
import ssl
import stat
from collections.abc import Iterator
from typing import BinaryIO

from drivers.settings import Fault, FaultKind, Severity

MAX_FILE, MAX_SECRET = 4 << 20, 4096  # octets; a longer file is no collection of certificates, or no password
OTHERS = stat.S_IROTH | stat.S_IWOTH
GROUP = "pinwheel"  # of the service and of who may use it


class Unreadable(OSError):
    """A file cannot be used; the text says why and what to do."""


def user_name() -> str:
    """Of the user that this process is."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A regular file. Raises OSError, and Unreadable for anything else."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a FIFO does not hold us up
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unreadable(f"{path} is no regular file")
        yield file


def content(path: str, at_most: int = MAX_FILE) -> bytes:
    """Of a regular file of modest size. Raises Unreadable."""
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > at_most:
                raise Unreadable(f"{path} has {size} octets: that is another file")
            return file.read(at_most)
    except Unreadable:
        raise
    except OSError as exc:
        raise Unreadable(why_unreadable(path, exc)) from exc


def why_unreadable(path: str, exc: OSError) -> str:
    """What to do about a file that cannot be opened."""
    remedies = {
        errno.ENOENT: f"there is no file {path}; make it, or correct the path",
        errno.EISDIR: f"{path} is a directory; name a file",
        errno.ENOTDIR: f"there is no file {path}; correct the path",
        errno.EACCES: f"the user {user_name()} may not read {path}; {_way_in(path)}",
    }
    return remedies.get(exc.errno or 0, f"cannot read {path}: {exc.strerror}")


def _way_in(path: str) -> str:
    """How the user gets to read a file."""
    with contextlib.suppress(OSError, KeyError):
        about = os.stat(path)
        if about.st_mode & stat.S_IRGRP and grp.getgrgid(about.st_gid).gr_name == GROUP:
            return f"its group may: run: adduser {user_name()} {GROUP}, and log in again; or be root"
    return f"run: chgrp {GROUP} {path} && chmod 640 {path}, and see that its directories may be entered"


def secret(path: str) -> str:
    """The one line of a file with a secret. Raises Unreadable, which never repeats what is in it."""
    try:
        text = content(path, MAX_SECRET).decode().strip()
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is not text in UTF-8") from None
    if not text:
        raise Unreadable(f"{path} is empty; write the secret into it")
    if text.startswith("\ufeff"):
        raise Unreadable(f"{path} begins with a byte-order mark; save it without")
    if len(text.splitlines()) > 1:
        raise Unreadable(f"{path} has {len(text.splitlines())} lines; only the secret may stand in it")
    return text


def own_secret(path: str) -> str:
    """As `secret`, of a file that other users may not read. Raises Unreadable."""
    text = secret(path)
    for fault in open_to_others(path):
        raise Unreadable(fault.text)
    return text


def open_to_others(path: str, severity: Severity = Severity.ERROR) -> Iterator[Fault]:
    if os.stat(path).st_mode & OTHERS:
        text = f"every user of this machine may read {path}; run: chmod o= {path}"
        yield Fault(text, severity, kind=FaultKind.READABLE)


# --- certificates ------------------------------------------------------------------------------------------


class EncryptedKey(ValueError):
    """Nobody is there to type a passphrase."""


def load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Into the context. key: "" where it stands in the certificate's file. Raises Unreadable."""
    for path in filter(None, (certificate, key)):
        content(path)  # ssl's own errors do not name the file
    try:
        context.load_cert_chain(certificate, key or None, password=_no_passphrase)
    except EncryptedKey:
        encrypted = key or certificate
        raise Unreadable(f"{encrypted} wants a passphrase; run: openssl pkey -in {encrypted} -out NEW") from None
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            raise Unreadable(f"the key {key} does not belong to the certificate {certificate}") from exc
        files = certificate if not key else f"{certificate} and {key}"
        raise Unreadable(f"{files}: no PEM certificate with its private key ({exc.reason or 'no PEM'})") from exc


def _no_passphrase() -> str:
    raise EncryptedKey
