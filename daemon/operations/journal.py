"""Where log lines go: to the journal with priority and fields, or to stderr.

Under systemd each record is one datagram of the journal's native protocol (systemd.io, "Journal Native Protocol"): a
traceback stays one entry, and `journalctl -p err` or `journalctl PINWHEEL_REQUEST=...` find it. Elsewhere, plain lines.
"""

import logging
import os
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "pinwheeld"
MAX_MESSAGE = 48 * 1024  # octets; a datagram takes more, and no line of ours is that long
HANGS_S = 0.5  # how long one line may wait for the journal
PAUSE_S = 5.0  # how long lines are dropped, and counted, after one that waited so long

LAYOUT = "%(asctime)s %(levelname)s %(name)s %(message)s"
NOISY = ("uvicorn.error", "asyncio")

PRIORITIES = {  # syslog(3)
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
FIELDS = {
    "request": "PINWHEEL_REQUEST",
    "modem": "PINWHEEL_MODEM",
    "voice": "PINWHEEL_VOICE",
    "state": "PINWHEEL_STATE",
}
PAIR = re.compile(r"([a-z]+)=([^\s'\"]+)(?: |$)")


def fields(message: str) -> dict[str, str]:
    """The journal fields of a line such as `modem=sim1 state=ready detail='...'`.

    Only its leading key=value pairs count, up to the first quoted value: what a far end wrote is quoted.
    """
    found: dict[str, str] = {}
    position = 0
    while (pair := PAIR.match(message, position)) is not None:
        position = pair.end()
        if pair[1] in FIELDS:
            found.setdefault(FIELDS[pair[1]], pair[2])
    return found


def datagram(values: Mapping[str, str]) -> bytes:
    """One entry: KEY=value lines; a value with a newline goes with its length as 64-bit little-endian."""
    entry = b""
    for key, value in values.items():
        octets = value.encode(errors="replace")
        if b"\n" in octets:
            entry += key.encode() + b"\n" + struct.pack("<Q", len(octets)) + octets + b"\n"
        else:
            entry += key.encode() + b"=" + octets + b"\n"
    return entry


class JournalHandler(logging.Handler):
    """Sends each record to the journal. A journal that hangs costs HANGS_S once in PAUSE_S, and lines; never more."""

    def __init__(self, path: Path = SOCKET) -> None:
        super().__init__()
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(HANGS_S)
        self._dropped = 0
        self._silent_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a lost log line must not end a call."""
        now = time.monotonic()
        if now < self._silent_until:
            self._dropped += 1
            return
        text = self.format(record)
        if self._dropped:
            text += f" (and before this, {self._dropped} lines were dropped: the journal did not accept them)"
        entry = datagram(
            {
                "MESSAGE": text[:MAX_MESSAGE],
                "PRIORITY": str(PRIORITIES.get(record.levelno, 6)),
                "SYSLOG_IDENTIFIER": IDENTIFIER,
                "PINWHEEL_LOGGER": record.name,
                **fields(text),
            }
        )
        try:
            self._socket.sendto(entry, self._path)
            self._dropped = 0
        except OSError:  # it hangs, or it is being restarted
            self._dropped += 1
            self._silent_until = time.monotonic() + PAUSE_S

    def close(self) -> None:
        self._socket.close()
        super().close()


def stderr_is_the_journal(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether systemd connected our stderr to the journal: JOURNAL_STREAM of systemd.exec(5) names this file."""
    stream = environment.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def log_to(level: str) -> None:
    """Set logging up: the journal where there is one, else stderr. What ends a thread or the process is logged, too."""
    handler: logging.Handler
    if stderr_is_the_journal() and SOCKET.exists():
        handler = JournalHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(LAYOUT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # What no line shows need not be found out for each ("Optimization" in the logging HOWTO).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = _thread_ended


def _uncaught(kind: type[BaseException], exc: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, exc, trace)
        return
    logging.getLogger("pinwheel").critical("daemon=ended", exc_info=(kind, exc, trace))


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread is not None else "unknown"
    if args.exc_value is not None:
        logging.getLogger("pinwheel").critical(
            "thread=%s ended", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )
