"""What operators list is written by SQLite, as Python would write it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import zoned_text
from daemon.core.masking import masked
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.store.sqlite.library import Connection, connect
from daemon.store.sqlite.listing import MASKED, SqliteListing, _time
from daemon.store.sqlite.migrations import migrate

YEAR_9999 = 253_402_300_799_999
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    database = connect(Path(tmp_path_factory.mktemp("listing")) / "pinwheel.db")
    migrate(database)
    yield database
    database.close()


@given(st.text("0123456789", max_size=20) | st.text("0123456789abcdef", max_size=32).map("h:".__add__))
def test_sqlite_masks_a_number_as_the_log_does(database: Connection, number: str) -> None:
    query = f"SELECT {MASKED} FROM (SELECT ? AS number)"  # noqa: S608
    assert database.execute(query, (number,)).fetchone()[0] == masked(number)


@given(st.none() | st.integers(0, YEAR_9999))
def test_sqlite_writes_a_time_as_python_does(database: Connection, at: Ms | None) -> None:
    query = f"SELECT {_time('at')} FROM (SELECT ? AS at)"  # noqa: S608
    assert database.execute(query, (at,)).fetchone()[0] == zoned_text(at)


@given(st.lists(st.tuples(TEXTS, st.none() | st.integers(0, 9), TEXTS), min_size=1, max_size=5), st.integers(0, 9))
def test_the_history_of_a_request_and_the_event_stream_carry_every_text(
    database: Connection, lines: list[tuple[str, int | None, str]], after: int
) -> None:
    """A client cannot be misled about where an event ends: a line break in a text is written as \\n."""
    database.execute("BEGIN")
    insert = "INSERT INTO history (seq, at_ms, request_id, kind, step, detail) VALUES (?, ?, ?, 'event', ?, ?)"
    for seq, line in enumerate(lines, 1):
        database.execute(insert, (seq, s(seq), *line))
    listing = SqliteListing(database)
    of_first = json.loads(listing.history_of(lines[0][0], 100))
    last, text = listing.events(after, 100)
    database.execute("ROLLBACK")
    every = [
        {
            "seq": seq,
            "at": zoned_text(s(seq)),
            "request_id": line[0],
            "kind": "event",
            "step": line[1],
            "detail": line[2],
        }
        for seq, line in enumerate(lines, 1)
    ]
    assert of_first == [line for line in every if line["request_id"] == lines[0][0]]
    events = [event.split("\n") for event in text.split("\n\n")[:-1]]
    assert [json.loads(data.removeprefix("data: ")) for _, _, data in events] == every[after:]
    assert [event[:2] for event in events] == [[f"id: {line['seq']}", "event: event"] for line in every[after:]]
    assert last == max(after, len(lines))


def test_lists_of_nothing_are_empty(database: Connection) -> None:
    listing = SqliteListing(database)
    assert (
        listing.requests(active_only=False, limit=9) == listing.history_of("none", 9) == listing.checks_of(1, 9) == "[]"
    )
    assert listing.events(7, 9) == (7, "")
