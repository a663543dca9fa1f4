"""Where log lines go: to the journal with priority and fields, or to stderr.

Under systemd each record is one datagram of the journal's native protocol (systemd.io, "Journal Native Protocol"): a
traceback stays one entry, and `journalctl -p err` or `journalctl PINWHEEL_REQUEST=...` find it. Elsewhere, plain lines.
"""

import logging
import os
import re
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from daemon.config import Config
from daemon.operations.log_lines import ROOM, LineHandler

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "pinwheeld"
MAX_MESSAGE = 48 * 1024  # characters; a datagram takes more, and no line of ours is that long

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
    return b"".join(_value(key, value) for key, value in values.items())


def _value(key: str, value: str) -> bytes:
    if "\n" not in value:
        return f"{key}={value}\n".encode(errors="replace")
    octets = value.encode(errors="replace")
    return key.encode() + b"\n" + struct.pack("<Q", len(octets)) + octets + b"\n"


class JournalHandler(LineHandler):
    """Sends each record to the journal."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        super().__init__()

    def entry(self, record: logging.LogRecord, text: str) -> bytes:
        text = text[:MAX_MESSAGE]
        return datagram(
            {
                "MESSAGE": text,
                "PRIORITY": str(PRIORITIES.get(record.levelno, 6)),
                "SYSLOG_IDENTIFIER": IDENTIFIER,
                "PINWHEEL_LOGGER": record.name,
                **fields(text),
            }
        )

    def together(self, entries: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Each is a datagram."""
        return ((entry,) for entry in entries)

    def send(self, octets: bytes, *, wait: bool) -> bytes:
        self._socket.sendto(octets, 0 if wait else socket.MSG_DONTWAIT, self._path)
        return b""  # a datagram goes whole


class StderrHandler(LineHandler):
    """Writes each record to standard error, which may be a pipe that nobody reads. fd: its file descriptor."""

    def __init__(self, fd: int = 2, room: int = ROOM) -> None:
        self._fd = fd
        self._ready = select.poll()
        self._ready.register(fd, select.POLLOUT)
        super().__init__(room)

    def entry(self, _: logging.LogRecord, text: str) -> bytes:
        return f"{text}\n".encode(errors="backslashreplace")

    def together(self, entries: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """As many as a pipe that is ready takes at once."""
        first, octets = 0, 0
        for place, entry in enumerate(entries):
            if octets and octets + len(entry) > select.PIPE_BUF:
                yield entries[first:place]
                first, octets = place, 0
            octets += len(entry)
        yield entries[first:]

    def send(self, octets: bytes, *, wait: bool) -> bytes:
        """A pipe that is ready takes PIPE_BUF octets at once (pipe(7)); a longer entry would have to wait."""
        if wait:
            self._ready.poll()  # it may be set not to block
        elif len(octets) > select.PIPE_BUF or not self._ready.poll(0):
            raise BlockingIOError
        return octets[os.write(self._fd, octets) :]


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
        handler = StderrHandler()
        handler.setFormatter(logging.Formatter(LAYOUT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # What no line shows need not be found out for each ("Optimization" in the logging HOWTO).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - the HOWTO says so
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = _thread_ended


def set_level(config: Config) -> Callable[[], None]:
    """For a reload: what takes the level of a configuration up."""
    return partial(logging.getLogger().setLevel, config.log.level.upper())


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
