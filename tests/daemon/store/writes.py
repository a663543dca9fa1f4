"""What tests write, past the rules of the core, and how they ask what a command would find."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from daemon.core.batch import Changes, Charged, CheckedCode, Line, Refunded, needs
from daemon.core.commands import NOTHING, AddNote, Command, Decision, Fire, Loaded, Report, Start
from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Action, Attempt, AttemptState, Channel, Request, Status
from daemon.core.ownership import Caller
from daemon.core.working_set import WorkingSet
from daemon.store.batches import Decide
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import Connection, sqlite
from daemon.store.store import Store
from drivers import NATIONAL_DIGITS
from tests.daemon.core.story import request, started

Write = tuple[Command, Decide]


def named(number: int) -> Request:
    return replace(started(request(1)), id=f"{number:032x}")


def run(store: Store, *writes: Write) -> list[Any]:
    """The row ids of writes that are submitted together; exceptions are results."""

    async def main() -> list[Any]:
        done = await asyncio.gather(*(store.submit(*write) for write in writes), return_exceptions=True)
        return [each.row if isinstance(each, Decision) else each for each in done]

    return asyncio.run(main())


def insert(new: Request) -> Write:
    return Start(Caller(), new), lambda _, __: (EPOCH, Decision(after=new))


def update(row: int, after: Request) -> Write:
    return Fire(row), lambda _, loaded: (EPOCH, Decision((), row, loaded.request, after))


def act(*actions: Action, at: Ms = EPOCH, row: int = 0, request_id: str = "") -> Write:
    def decide(_: Command, loaded: Loaded) -> tuple[Ms, Decision]:
        return at, Decision(actions, row, loaded.request, loaded.request, request_id)

    return Fire(row), decide


def hold(store: Store, until: threading.Event, held: threading.Event | None = None) -> "asyncio.Future[Decision]":
    """Keep the thread that saves busy. held: set once it is, before anything of this commit is durable."""

    def decide(_: Command, __: Loaded) -> tuple[Ms, Decision]:
        if held is not None:
            held.set()
        until.wait(20)
        return EPOCH, NOTHING

    return store.submit(AddNote("", None, ""), decide)


def rows_of_each_kind(numbers: Sequence[int]) -> list[Changes]:
    """What makes and changes so many rows of each kind, no two of them alike."""
    new = [(row, replace(named(row), brand=f"brand {row}")) for row in numbers]
    first = [(row, Attempt(0, Channel.SMS, 1, s(row), s(row), AttemptState.QUEUED, 0)) for row in numbers]
    second = [(row, replace(attempt, step=1, reference=str(row))) for row, attempt in first]
    begun = [(row, replace(attempt, state=AttemptState.SENT, device=f"sim{row}")) for row, attempt in first]
    later = [(row, replace(each, status=Status.FAILED, wrong=row, due_at=None)) for row, each in new]
    charges = [Charged("sim1", s(row), str(row % 5)) for row in numbers]
    changes = Changes(
        updated=later,
        attempts=second,
        changed_attempts=begun,
        checks=[CheckedCode(row, s(row), bool(row % 2), str(row)) for row in numbers],
        history=[Line(s(row), each.id, "event", row, str(row)) for row, each in new],
        refunds=[Refunded("sim1", str(number % 5), 1) for number in numbers],
        charges=charges,
        meta={f"name {row}": str(row) for row in numbers},
    )
    return [Changes(inserted=new, attempts=first, charges=[*charges, *charges]), changes]


@contextmanager
def locked(directory: Path, store: Store) -> Iterator[None]:
    """Nothing can be written."""
    connection(store).execute("PRAGMA busy_timeout=0")
    with closing(sqlite.connect(str(directory / "pinwheel.db"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def connection(store: Store) -> Connection:
    """The one that writes."""
    assert isinstance(store.database, SqliteDatabase)
    return store.database.connection


def found(store: Store, command: Command) -> Loaded:
    """What a command needs, as it stands."""
    wanted = needs(command)
    return WorkingSet(wanted, store.database.load(wanted)).loaded(command)


def running_for(store: Store, request: Request) -> list[Request]:
    """Those that run for the number of a request."""
    return list(found(store, Start(Caller(), request)).active)


def meant(store: Store, number: str, reference: str, device: str, since: Ms) -> tuple[int, int] | None:
    """(row id, step) of the message that a status report means."""
    ending = number[-NATIONAL_DIGITS:] if len(number) >= NATIONAL_DIGITS else ""
    loaded = found(store, Report(number, reference, device, since, True, "", ending=ending))
    return (loaded.row, loaded.step) if loaded.request is not None else None
