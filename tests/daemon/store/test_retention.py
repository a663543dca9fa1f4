"""What is too old is deleted, in small steps, beside the traffic; what is in progress or still counts never is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from daemon.config import Retention
from daemon.core.milliseconds import DAY, Ms
from daemon.core.model import (
    Action,
    AttemptStarted,
    CancelRequested,
    Charge,
    CodeSubmitted,
    Note,
    RecordCheck,
    Request,
    Requested,
)
from daemon.core.request_states import advance
from daemon.operations.number_hash import number_hash
from daemon.operations.retention import Retaining
from daemon.store.contract import StoreUnusable
from daemon.store.retention import horizon
from daemon.store.store import Store
from daemon.store.upkeep import Upkeep
from tests.daemon.core.story import request
from tests.daemon.store.writes import act, connection, insert, locked, update
from tests.daemon.store.writes import run as write

T = TypeVar("T")
HASH = number_hash(b"k" * 32)
NUMBER = "447700900123"


def day(count: float) -> Ms:
    return Ms(int(count * int(DAY)))


def run(work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await work()

    return asyncio.run(main())


def turn(store: Store, ages: Retention, at: Ms) -> dict[str, int]:
    """What is deleted at this time."""
    return run(lambda: Retaining(Upkeep(store), ages, HASH).turn(at))._asdict()


def named(number: int, at: Ms, *, to: str = NUMBER, own_pin: bool = False) -> Request:
    new = replace(request(1, own_pin=own_pin), id=f"{number:032x}", created_at=at, number=to)
    return advance(new, Requested(at))[0]


def add(store: Store, new: Request) -> None:
    """With a check, two lines of history, and what its modem sent."""
    (row,) = write(store, insert(new))
    failed = Note("failed", 0, f"sip:{new.number}@pbx.example: 404")
    more = (RecordCheck(True, "192.0.2.7"), Note("started", None), failed, Charge(new.created_at, "sim1", new.number))
    write(store, act(*more, at=new.created_at, row=row, request_id=new.id))


def incoming(store: Store, at: Ms, text: str) -> None:
    write(store, act(Note("incoming", None, text), at=at))


def verified(new: Request) -> Request:
    return advance(new, CodeSubmitted(True, new.created_at + Ms(1000)))[0]


def count(store: Store, table: str, where: str = "1") -> int:
    return int(connection(store).execute(f'SELECT count(*) FROM "{table}" WHERE {where}').fetchone()[0])  # noqa: S608


def tables(store: Store) -> dict[str, int]:
    return {table: count(store, table) for table in ("request", "attempt", "check", "history", "sent")}


def test_everything_stays_unless_it_is_asked_for(store: Store) -> None:
    assert Retention() == Retention(0, 0, 0, 0)
    add(store, verified(named(1, day(0))))
    before = tables(store)
    assert not any(turn(store, Retention(), day(10)).values())
    assert tables(store) == before


def test_a_finished_request_goes_with_all_its_rows(store: Store) -> None:
    for number in range(5):
        add(store, verified(named(number, day(number))))
    found = turn(store, Retention(requests=3), day(5.5))
    assert found == {"numbers": 0, "requests": 3, "history": 0, "sent": 0}
    assert tables(store) == {"request": 2, "attempt": 2, "check": 2, "history": 4, "sent": 5}
    assert not any(turn(store, Retention(requests=3), day(5.5)).values())


def test_what_is_in_progress_is_never_touched(store: Store) -> None:
    """Nor what a device still has: its answer is to be recorded."""
    under_way = advance(named(2, day(0)), AttemptStarted(0, day(0), "sim1"))[0]
    cancelled = advance(under_way, CancelRequested(day(0) + Ms(60_000), Ms(0), 9))[0]
    for each in (named(1, day(0)), cancelled):
        add(store, each)
    before = tables(store)
    turn(store, Retention(1, 1, 1, 1), day(20))
    assert store.reading.request(named(1, day(0)).id) == (1, named(1, day(0)))
    assert count(store, "history", f"request_id = '{named(1, day(0)).id}'") == 2
    found = store.reading.request(cancelled.id)
    assert found is not None
    assert found[1].number == NUMBER
    assert {**before, "history": 2} == tables(store)


def test_numbers_become_hashes_that_only_the_master_key_can_make(store: Store) -> None:
    add(store, verified(named(1, day(0), own_pin=True)))
    add(store, verified(named(2, day(1))))
    add(store, verified(named(3, day(9))))
    add(store, verified(named(4, day(0), to="33612345678")))
    assert turn(store, Retention(numbers=2), day(4))["numbers"] == 3
    numbers = [row[0] for row in connection(store).execute("SELECT number FROM request ORDER BY id")]
    assert numbers == [HASH(NUMBER), HASH(NUMBER), NUMBER, HASH("33612345678")]
    assert HASH(NUMBER) != number_hash(b"K" * 32)(NUMBER)
    assert count(store, "history", f"detail LIKE '%{NUMBER}%'") == 1
    assert count(store, "request", "sealed_pin <> ''") == 0
    assert store.reading.counts() == {"SUCCESS": 4}
    assert turn(store, Retention(numbers=2), day(4))["numbers"] == 0
    assert turn(store, Retention(numbers=2), day(12))["numbers"] == 1


def test_one_that_ended_late_is_hashed_later(store: Store) -> None:
    """There is a cursor behind which nothing is looked at again; it must not pass what is still to do."""
    add(store, named(1, day(0)))
    add(store, verified(named(2, day(0))))
    assert turn(store, Retention(numbers=1), day(3))["numbers"] == 1
    before = named(1, day(0))
    ended = advance(before, CancelRequested(day(3), Ms(0), 9))[0]
    write(store, update(1, ended))
    assert turn(store, Retention(numbers=1), day(3.5))["numbers"] == 0
    assert turn(store, Retention(numbers=1), day(5))["numbers"] == 1


def test_history_and_incoming_messages_have_ages_of_their_own(store: Store) -> None:
    for number in range(4):
        add(store, verified(named(number, day(number))))
        incoming(store, day(number), "sim1 from +447700900999: STOP")
    assert turn(store, Retention(history=2), day(4.5))["history"] == 6
    assert count(store, "history", "kind = 'incoming'") == 4
    assert turn(store, Retention(incoming=2), day(4.5))["history"] == 3
    assert tables(store)["request"] == 4


def test_only_what_no_quota_counts_any_more_goes(store: Store) -> None:
    for number in range(40):
        add(store, verified(named(number, day(number), to=f"4477009{number:05}")))
    assert turn(store, Retention(), day(50)) == {"numbers": 0, "requests": 0, "history": 0, "sent": 20}
    assert store.reading.sent_by("sim1", Ms(0))[0][0] == day(20)


def test_steps_are_small(store: Store) -> None:
    for number in range(7):
        add(store, verified(named(number, day(0))))
    beyond = horizon(day(9), numbers=0, requests=1, history=0, incoming=0)
    steps = [run(lambda: Upkeep(store).delete_old(beyond, HASH, 3)).requests for _ in range(4)]
    assert steps == [3, 3, 1, 0]


def test_a_disk_that_takes_nothing_is_survived(store: Store, tmp_path: Path) -> None:
    add(store, verified(named(1, day(0))))
    with locked(tmp_path, store):
        (refused,) = write(store, act(Note("incoming", None), at=day(1)))
        assert isinstance(refused, StoreUnusable)
        assert not any(turn(store, Retention(requests=1), day(9)).values())
    assert turn(store, Retention(requests=1), day(9))["requests"] == 1


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("pinwheel.db*"))


def test_under_steady_load_the_database_stays_as_large_as_it_is(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve days with 100 requests each, of which three days are kept."""
    monkeypatch.setattr("daemon.operations.retention.PAUSE_S", 0.0)  # of its steps, with no traffic to give way to
    ages = Retention(numbers=1, requests=3)
    sizes = []

    for today in range(12):
        times = [day(today + i / 100) for i in range(100)]
        new = [verified(named(today * 1000 + i, at, to=f"4477{today * 100 + i:08}")) for i, at in enumerate(times)]
        rows = write(store, *map(insert, new))
        notes = [Note(kind, 0, "sim1") for kind in ("started", "event", "delivered", "success")]
        more: tuple[Action, ...] = (*notes, RecordCheck(True, "192.0.2.7"))
        write(
            store,
            *(act(*more, at=r.created_at, row=row, request_id=r.id) for r, row in zip(new, rows, strict=True)),
        )
        turn(store, ages, day(today + 1))
        sizes.append(size(tmp_path))
    assert count(store, "request") == 3 * 100
    assert max(sizes[6:]) <= 1.05 * max(sizes[3:6]), sizes
