"""Times as the person at the terminal reads them: in the time zone of this machine."""

from datetime import datetime


def now_text() -> str:
    """HH:MM:SS."""
    return f"{datetime.now().astimezone():%H:%M:%S}"


def clock_of(at: str) -> str:
    """HH:MM:SS of a time as the daemon writes it ("2026-11-28 17:03:11Z"); that text itself, if it is another."""
    found = local(at)
    return at if found is None else f"{found:%H:%M:%S}"


def local(at: str) -> datetime | None:
    """The same moment in the time zone of this machine."""
    try:
        return datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError, OSError):  # no time; one out of range for this machine
        return None
