"""Log lines as journald gets them: one datagram each, with priority and fields."""

import logging
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_record_is_one_entry_with_its_priority_also_with_a_traceback(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "journal"))
        journald.settimeout(5)
        handler = journal.JournalHandler(tmp_path / "journal")
        logger = logging.Logger("pinwheel.test")
        logger.addHandler(handler)
        logger.warning("modem=%s state=%s", "sim1", "waiting")
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logger.exception("request=%s lane=failed", "0f3c")
        first, second = parsed(journald.recv(65536)), parsed(journald.recv(65536))
        handler.close()
    assert first["PRIORITY"] == "4"
    assert (first["PINWHEEL_MODEM"], first["PINWHEEL_STATE"]) == ("sim1", "waiting")
    assert first["SYSLOG_IDENTIFIER"] == "pinwheeld"
    assert second["PRIORITY"] == "3"
    assert second["MESSAGE"].startswith("request=0f3c lane=failed\nTraceback")
    assert second["MESSAGE"].endswith("ValueError: two\nlines")


def test_a_journal_that_is_away_costs_lines_which_are_counted_and_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("daemon.operations.journal.time.monotonic", lambda: now)
    handler = journal.JournalHandler(tmp_path / "journal")
    logger = logging.Logger("pinwheel.test")
    logger.addHandler(handler)
    logger.info("lost")
    logger.info("lost, too")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "journal"))
        journald.settimeout(5)
        now += journal.PAUSE_S - 0.1
        logger.info("lost, too")
        now += 0.1
        logger.info("state=ready")
        message = parsed(journald.recv(65536))["MESSAGE"]
    handler.close()
    assert message == "state=ready (and before this, 3 lines were dropped: the journal did not accept them)"


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
