"""Log lines as journald gets them: one datagram each, with priority and fields."""

import logging
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.engine import EACH_LINE
from daemon.operations import journal


def parsed(entry: bytes) -> dict[str, str]:
    """A reader of the native protocol, written from its description."""
    found = {}
    while entry:
        line, _, entry = entry.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", entry[:8])
            value, entry = entry[8 : 8 + length], entry[9 + length :]
        found[key.decode()] = value.decode()
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("modem=sim1 state=ready detail=''", {"PINWHEEL_MODEM": "sim1", "PINWHEEL_STATE": "ready"}),
        ("request=0f3c lane=failed", {"PINWHEEL_REQUEST": "0f3c"}),
        ("voice=pyvoip state=failed", {"PINWHEEL_VOICE": "pyvoip", "PINWHEEL_STATE": "failed"}),
        ("cannot use /etc/pinwheel/pinwheel.toml: [sms] origin", {}),
        ("", {}),
        # What a modem or a far end wrote is quoted, and must not become a field.
        ("modem=sim1 detail='x state=ready request=forged'", {"PINWHEEL_MODEM": "sim1"}),
        ("modem=sim1 error=x modem=other", {"PINWHEEL_MODEM": "sim1"}),
    ],
)
def test_the_leading_pairs_of_a_line_become_fields(line: str, expected: dict[str, str]) -> None:
    assert journal.fields(line) == expected


@given(st.dictionaries(st.from_regex(r"\A[A-Z][A-Z_]{0,8}\Z"), st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_survives_the_journals_protocol(values: dict[str, str]) -> None:
    assert parsed(journal.datagram(values)) == values


def logger_to(handler: logging.Handler) -> logging.Logger:
    logger = logging.Logger("pinwheel.test")
    logger.addHandler(handler)
    return logger


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    """At tmp_path / "journal"."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "journal"))
        journald.settimeout(5)
        yield journald


def messages(journald: socket.socket, count: int) -> list[str]:
    return [parsed(journald.recv(65536))["MESSAGE"] for _ in range(count)]


def test_a_record_is_one_entry_with_its_priority_also_with_a_traceback(tmp_path: Path, journald: socket.socket) -> None:
    logger = logger_to(journal.JournalHandler(tmp_path / "journal"))
    logger.warning("modem=%s state=%s", "sim1", "waiting")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger.exception("request=%s lane=failed", "0f3c")
    first, second = parsed(journald.recv(65536)), parsed(journald.recv(65536))
    assert first["PRIORITY"] == "4"
    assert (first["PINWHEEL_MODEM"], first["PINWHEEL_STATE"]) == ("sim1", "waiting")
    assert first["SYSLOG_IDENTIFIER"] == "pinwheeld"
    assert second["PRIORITY"] == "3"
    assert second["MESSAGE"].startswith("request=0f3c lane=failed\nTraceback")
    assert second["MESSAGE"].endswith("ValueError: two\nlines")


def test_lines_wait_for_a_journal_that_is_being_restarted(tmp_path: Path) -> None:
    """There used to be five seconds without a line whenever the journal had been away."""
    handler = journal.JournalHandler(tmp_path / "journal")
    logger = logger_to(handler)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        for number in range(3):
            logger.info("line=%s", number)
        journald.bind(str(tmp_path / "journal"))
        journald.settimeout(5)
        logger.info("line=3")
        assert messages(journald, 4) == [f"line={number}" for number in range(4)]
        handler.flush()


def test_a_journal_that_hangs_delays_nobody_and_gets_all_lines_in_order_later(
    tmp_path: Path, journald: socket.socket
) -> None:
    """There used to be half a second in which the event loop waited for it."""
    handler = journal.JournalHandler(tmp_path / "journal")
    logger = logger_to(handler)
    for number in range(2000):  # the kernel keeps 10 to 512 of them
        logger.info("line=%s", number)
    assert messages(journald, 2000) == [f"line={number}" for number in range(2000)]
    handler.flush()


def test_a_line_that_no_datagram_takes_holds_up_no_other(tmp_path: Path, journald: socket.socket) -> None:
    handler = journal.JournalHandler(tmp_path / "journal")
    logger = logger_to(handler)
    logger.info("modem=%s", "\U0001f600" * 60_000)
    logger.info("state=ready")
    handler.flush()
    logger.info("more")
    assert messages(journald, 2) == [
        "state=ready",
        "more (and before this, 1 lines were dropped: they could not be written)",
    ]


def test_a_line_that_is_not_written_as_it_should_be_ends_no_call(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        logger = logger_to(journal.StderrHandler(file.fileno()))
        logger.info("%d", "no number")
        logger.info("next")
        assert (tmp_path / "log").read_text() == "next\n"


def test_a_pipe_that_does_not_block_gets_long_lines_once() -> None:
    there, here = os.pipe()
    os.set_blocking(here, False)
    with os.fdopen(there) as pipe, ThreadPoolExecutor(1) as pool:
        logger = logger_to(journal.StderrHandler(here))
        for number in range(5):
            logger.info("%d%s", number, "x" * 100_000)
        logger.info("end")
        lines = pool.submit(lambda: list(iter(pipe.readline, "end\n"))).result(20)
        os.close(here)
    assert [(line[0], len(line)) for line in lines] == [(str(number), 100_002) for number in range(5)]


def test_a_line_that_is_written_stands_there_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        logger = logger_to(journal.StderrHandler(file.fileno()))
        logger.info("state=%s \udc80", "ready")
        assert (tmp_path / "log").read_text() == "state=ready \\udc80\n"


@pytest.mark.parametrize("length", [50, 5000])
def test_lines_that_find_no_room_are_dropped_and_counted(length: int) -> None:
    """Where nobody read the pipe of standard error the daemon used to stand still."""
    there, here = os.pipe()
    with os.fdopen(there) as pipe, ThreadPoolExecutor(1) as pool:
        handler = journal.StderrHandler(here, room=100)
        logger = logger_to(handler)
        for number in range(5000):
            logger.info("%d %s", number, "x" * length)
        reading = pool.submit(lambda: list(iter(pipe.readline, "end\n")))
        handler.flush()
        logger.info("5000 more")
        logger.info("end")
        lines = reading.result()
        os.close(here)
    number = 0
    for line in lines:
        said = re.search(r" \(and before this, (\d+) lines were dropped: they could not be written\)\n", line)
        number += int(said[1]) if said else 0
        assert int(line.split()[0]) == number
        number += 1
    assert number == 5001
    assert len(lines) < 3000


def test_what_waits_as_the_process_ends_is_written_first() -> None:
    code = (
        "from daemon.operations import journal; journal.log_to('info'); import logging\n"
        "for number in range(3000): logging.info('%d %s', number, 'x' * 100)\n"
        "raise RuntimeError('main')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = process.stderr.read().splitlines()
    numbers = [int(line.split()[4]) for line in lines if line.endswith("x")]
    assert numbers == list(range(3000))
    assert lines[-1] == "RuntimeError: main"


def test_stderr_counts_as_the_journal_only_if_it_is_the_file_that_systemd_named() -> None:
    def told(stream: str) -> bytes:
        code = "from daemon.operations.journal import stderr_is_the_journal as s; print(s())"
        environment = {**os.environ, "JOURNAL_STREAM": stream}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=err, check=True
        ).stdout

    with open(os.devnull, "w") as err:
        here = os.fstat(err.fileno())
        assert told(f"{here.st_dev}:{here.st_ino}") == b"True\n"
        assert told("1:1") == b"False\n"


def test_an_exception_that_ends_a_thread_is_logged_as_critical() -> None:
    code = (
        "import threading; from daemon.operations import journal; journal.log_to('info')\n"
        "t = threading.Thread(target=lambda: 1 / 0, name='voice'); t.start(); t.join()\n"
        "raise RuntimeError('main')"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "CRITICAL pinwheel thread=voice ended\nTraceback" in done.stderr
    assert "CRITICAL pinwheel daemon=ended\nTraceback" in done.stderr


@pytest.mark.parametrize("entries", [1, 50])
def test_lines_on_a_disk_that_was_full_for_a_while_stand_there_once(entries: int) -> None:
    """What had been written of them used to be written again: of one line a part, of many up to fifty lines."""
    code = (
        "import logging, resource, signal, sys; from daemon.operations import journal\n"
        f"lines = [f'line={{number}}' for number in range(1000)]; handler = journal.StderrHandler()\n"
        "def limit(octets): resource.setrlimit(resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); limit(2001)\n"
        "logger = logging.Logger('test'); logger.addHandler(handler)\n"
        f"for at in range(0, 1000, {entries}):\n"
        f"    logger.info('%s', '\\n'.join(lines[at:at + {entries}]), extra={{{EACH_LINE!r}: True}})\n"
        "limit(resource.RLIM_INFINITY); handler.flush()"
    )
    with tempfile.TemporaryFile() as file:
        subprocess.run([sys.executable, "-c", code], stderr=file, check=True)
        file.seek(0)
        assert file.read().decode().splitlines() == [f"line={number}" for number in range(1000)]


LINES = [f"request={number} detail={'x' * (number % 1500)!r}" for number in range(0, 9000, 30)]


def test_each_line_of_a_record_that_says_so_is_an_entry_with_its_own_fields(
    tmp_path: Path, journald: socket.socket
) -> None:
    logger = logger_to(journal.JournalHandler(tmp_path / "journal"))
    logger.info("%s", "\n".join(LINES[:9]), extra={EACH_LINE: True})
    logger.info("two\nlines")
    entries = [parsed(journald.recv(65536)) for _ in range(10)]
    assert [(each.get("PINWHEEL_REQUEST"), each["MESSAGE"]) for each in entries] == [
        *((str(number * 30), line) for number, line in enumerate(LINES[:9])),
        (None, "two\nlines"),
    ]


@pytest.mark.parametrize("room", [10_000, 100])
def test_the_lines_of_a_record_are_written_whole_in_order_or_counted(room: int) -> None:
    """Into a pipe that takes 64 kB, and is read afterwards: with a time in front of each."""
    there, here = os.pipe()
    with os.fdopen(there) as pipe, ThreadPoolExecutor(1) as pool:
        handler = journal.StderrHandler(here, room)
        handler.setFormatter(logging.Formatter(journal.LAYOUT))
        logger = logger_to(handler)
        for first in range(0, len(LINES), 50):
            logger.info("%s", "\n".join(LINES[first : first + 50]), extra={EACH_LINE: True})
        reading = pool.submit(lambda: list(iter(pipe.readline, "")))
        handler.flush()
        logger.info("%s", "a\nb", extra={EACH_LINE: True})
        os.close(here)
        *lines, last, _ = reading.result()
    assert all(re.match(r"[-0-9]{10} [:,0-9]{12} INFO pinwheel.test ", line) for line in lines)
    told = [line.split(" ", 4)[4].rstrip("\n") for line in lines]
    assert told == LINES[: len(told)]
    lost = re.search(r" a \(and before this, (\d+) lines were dropped", last)
    assert len(told) + int(lost[1] if lost else 0) == len(LINES)
    assert (lost is None) == (room > len(LINES))
