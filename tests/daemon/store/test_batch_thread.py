"""The thread that saves: what shares a commit, in which order futures end, and what it does in a pause."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from daemon.core.batch import Changes
from daemon.core.commands import NOTHING, AddNote, Command, Decision, Fire, Loaded, Start
from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.model import Action, Note
from daemon.core.ownership import Caller
from daemon.store.batches import HELD_S, MANY, MAX_BATCH, Batches
from daemon.store.contract import Database, StoreUnusable, nobody_waits
from tests.daemon.core.story import request
from tests.daemon.store.dictionaries import Dictionaries

NOTE = AddNote("", None, "")
NEVER_S = 60.0  # longer than a test
LONG_S = 30.0  # for which the loop would give way, if nothing let it go


class Watched(Dictionaries):
    """A database that knows what the thread asked of it, and what had been saved then."""

    in_process = True

    def __init__(self, pause_s: float = NEVER_S) -> None:
        super().__init__()
        self.pause_s = pause_s
        self.tidied: list[tuple[bool, int]] = []
        self.recovered = threading.Event()

    def tidy(self, *, busy: bool) -> None:
        self.tidied.append((busy, len(self.history)))

    def recover(self) -> None:
        self.pause_s = NEVER_S
        self.recovered.set()


def started(database: Watched, held_s: float = HELD_S) -> Batches:
    batches = Batches(cast(Database, database), held_s)
    batches.open()
    return batches


def note(kind: str) -> Any:
    return lambda *_: (EPOCH, Decision((Note(kind),)))


class Hold:
    """A command that keeps the thread busy until it may go on."""

    def __init__(self, *actions: Action) -> None:
        self.decision = Decision(actions)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _: Command, __: Loaded) -> tuple[Ms, Decision]:
        self.begun.set()
        assert self.go_on.wait(20)
        return EPOCH, self.decision


def kinds(database: Watched) -> list[str]:
    return [line.kind for line in database.history]


def nobody(_: Decision) -> None:
    """Nothing follows."""


def test_what_was_submitted_is_saved_before_the_thread_ends() -> None:
    database = Watched()
    batches = started(database)

    async def main() -> list["asyncio.Future[Decision]"]:
        submitted = [batches.submit(NOTE, note(kind), nobody) for kind in "abc"]
        batches.close()
        await asyncio.gather(*submitted)
        return submitted

    assert all(each.done() for each in asyncio.run(main()))
    assert (kinds(database), database.saves) == (["a", "b", "c"], 1)


def test_what_comes_while_it_saves_shares_the_next_commit_and_it_is_busy_meanwhile() -> None:
    database, hold = Watched(), Hold(Note("first"))
    batches = started(database)

    async def main() -> None:
        first = batches.submit(NOTE, hold, nobody)
        await asyncio.to_thread(hold.begun.wait, 20)
        rest = []
        for kind in "abc":  # a turn each
            rest.append(batches.submit(NOTE, note(kind), nobody))
            await asyncio.sleep(0)
        hold.go_on.set()
        await asyncio.gather(first, *rest)
        batches.close()

    asyncio.run(main())
    assert (kinds(database), database.saves) == (["first", "a", "b", "c"], 2)
    assert database.tidied[0] == (True, 1)
    assert database.tidied[-1][1] == 4


def test_no_commit_is_larger_than_one_may_be_however_the_turns_fall() -> None:
    """There used to be 600 commands in the first of these: turns were put together until they were enough."""
    database, hold = Watched(), Hold()
    batches = started(database)

    async def main() -> None:
        held = batches.submit(NOTE, hold, nobody)
        await asyncio.to_thread(hold.begun.wait, 20)
        rest = []
        for _ in range(3):
            rest += [batches.submit(NOTE, note("x"), nobody) for _ in range(300)]
            await asyncio.sleep(0)
        hold.go_on.set()
        await asyncio.gather(held, *rest)
        batches.close()

    asyncio.run(main())
    assert [saved for _, saved in database.tidied] == [0, MAX_BATCH, 900]


def test_what_those_submit_who_were_answered_shares_the_next_commit_with_what_waited() -> None:
    database, hold = Watched(), Hold(Note("first"))
    batches = started(database)

    async def twice() -> None:
        await batches.submit(NOTE, hold, nobody)
        await batches.submit(NOTE, note("again"), nobody)

    async def main() -> None:
        first = asyncio.create_task(twice())
        await asyncio.to_thread(hold.begun.wait, 20)
        waits = batches.submit(NOTE, note("waited"), nobody)
        await asyncio.sleep(0)
        hold.go_on.set()
        await asyncio.gather(first, waits)
        batches.close()

    asyncio.run(main())
    assert (kinds(database), database.saves) == (["first", "waited", "again"], 2)


def test_what_follows_from_a_batch_is_handed_over_once_those_who_were_answered_have_run() -> None:
    """There used to be a batch of what followed alone: the loop gave way to it before anybody had his answer."""
    database = Watched()
    batches = started(database)
    followed: list[asyncio.Future[Decision]] = []

    def follow(_: Decision) -> None:
        followed.append(batches.submit(NOTE, note("followed"), nobody))

    async def twice() -> None:
        await batches.submit(NOTE, note("first"), follow)
        await batches.submit(NOTE, note("again"), nobody)

    async def main() -> None:
        await twice()
        await asyncio.gather(*followed)
        batches.close()

    asyncio.run(main())
    assert (kinds(database), database.saves) == (["first", "followed", "again"], 2)


def test_one_turn_that_is_large_is_several_commits() -> None:
    """There used to be one commit, and one pause of the loop, for all that came again after an outage."""
    database = Watched()
    batches = started(database)

    async def main() -> None:
        await asyncio.gather(*(batches.submit(NOTE, note(str(number)), nobody) for number in range(2 * MAX_BATCH + 1)))
        batches.close()

    asyncio.run(main())
    assert (kinds(database), database.saves) == ([str(number) for number in range(2 * MAX_BATCH + 1)], 3)


def test_whoever_only_waits_is_told_after_those_before_him() -> None:
    database = Watched()
    batches = started(database)
    told: list[str] = []

    async def main() -> Decision:
        first = batches.submit(NOTE, note("a"), lambda _: told.append("then"))
        turn = batches.submit(None, note("never"), lambda _: told.append("never"))
        first.add_done_callback(lambda _: told.append("first"))
        turn.add_done_callback(lambda _: told.append("turn"))
        decision = await turn
        await asyncio.sleep(0)
        batches.close()
        return decision

    assert asyncio.run(main()) == NOTHING
    assert told == ["then", "first", "turn"]
    assert kinds(database) == ["a"]


def test_who_cannot_be_told_holds_up_neither_others_nor_the_answers(caplog: pytest.LogCaptureFixture) -> None:
    batches = started(Watched())
    told: list[Decision] = []

    def fail(_: Decision) -> None:
        raise ValueError("a defect")

    async def main() -> None:
        both = batches.submit(NOTE, note("a"), fail), batches.submit(NOTE, note("b"), told.append)
        assert {*await asyncio.gather(*both)} == {Decision((Note(kind),)) for kind in "ab"}
        batches.close()

    asyncio.run(main())
    assert told == [Decision((Note("b"),))]
    assert [record.message for record in caplog.records] == ["store=then-failed command=AddNote"]


def test_a_command_that_fails_ends_in_its_exception_and_nothing_follows_from_it() -> None:
    database = Watched()
    batches = started(database)
    told: list[Decision] = []

    def fail(_: Command, __: Loaded) -> tuple[Ms, Decision]:
        raise ValueError("a defect")

    async def main() -> None:
        failed = batches.submit(NOTE, fail, told.append)
        good = batches.submit(NOTE, note("good"), told.append)
        with pytest.raises(ValueError, match="a defect"):
            await failed
        assert (await good).actions == (Note("good"),)
        await asyncio.sleep(0)
        batches.close()

    asyncio.run(main())
    assert [decision.actions for decision in told] == [(Note("good"),)]


def test_the_database_may_recover_in_a_pause_and_work_goes_on_after_it() -> None:
    database = Watched(pause_s=0.01)
    batches = started(database)
    assert database.recovered.wait(20)

    async def main() -> None:
        await batches.submit(NOTE, note("later"), nobody)
        batches.close()

    asyncio.run(main())
    assert kinds(database) == ["later"]
    assert [saved for _, saved in database.tidied] == [1]


class Failing(Watched):
    """Whatever is done beside the batches has a defect."""

    def tidy(self, *, busy: bool) -> None:
        super().tidy(busy=busy)
        raise RuntimeError("cannot start new thread")

    def recover(self) -> None:
        super().recover()
        raise RuntimeError("cannot start new thread")


def test_what_is_done_beside_the_batches_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    """There used to be an end of the thread that saves, and of all answers."""
    database = Failing(pause_s=0.01)
    batches = started(database)

    async def main() -> None:
        await asyncio.to_thread(database.recovered.wait, 20)
        for kind in ("a", "b"):
            await batches.submit(NOTE, note(kind), nobody)
        batches.close()

    asyncio.run(main())
    assert (kinds(database), caplog.text.count("store=upkeep-failed")) == (["a", "b"], 3)


def test_a_loop_that_is_gone_does_not_end_the_thread() -> None:
    """Those that waited end with the loop; what was submitted is saved."""
    database, hold = Watched(), Hold(Note("a"))
    batches = started(database)

    async def leave() -> None:
        batches.submit(NOTE, hold, nobody)
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert hold.begun.wait(20)  # its batch has one loop only
    hold.go_on.set()

    async def main() -> None:
        await batches.submit(NOTE, note("b"), nobody)

    asyncio.run(main())
    batches.close()
    assert kinds(database) == ["a", "b"]


def test_a_loop_does_not_wait_for_one_that_is_gone_nor_does_what_that_one_left() -> None:
    """There used to be no answer for whoever shared a batch with what was submitted by a loop that has ended."""
    database, hold = Watched(), Hold(Note("a"))
    batches = started(database)

    async def leave() -> None:
        batches.submit(NOTE, hold, nobody)
        await asyncio.to_thread(hold.begun.wait, 20)
        batches.submit(NOTE, note("b"), nobody)
        await asyncio.sleep(0)

    asyncio.run(leave())

    async def main() -> None:
        last = batches.submit(NOTE, note("c"), nobody)
        await asyncio.sleep(0)
        hold.go_on.set()
        await asyncio.wait_for(last, 20)

    asyncio.run(main())
    batches.close()
    assert (kinds(database), database.saves) == (["a", "b", "c"], 2)


def test_what_waits_when_its_loop_is_gone_is_saved_before_the_thread_ends() -> None:
    database, hold = Watched(), Hold(Note("held"))
    batches = started(database)

    async def leave() -> None:
        batches.submit(NOTE, hold, nobody)
        await asyncio.to_thread(hold.begun.wait, 20)
        for number in range(MAX_BATCH + 1):
            batches.submit(NOTE, note(str(number)), nobody)

    asyncio.run(leave())
    hold.go_on.set()
    batches.close()
    assert (kinds(database), database.saves) == (["held", *map(str, range(MAX_BATCH + 1))], 3)


def test_work_between_batches_ends_in_its_result_and_what_was_known_of_rows_is_read_again() -> None:
    """A number that was forgotten would have come back with the next command on its request."""
    database = Watched()
    batches = started(database)
    new = request(1)

    def change() -> str:
        database.requests[1] = replace(database.requests[1], number="")
        return "changed"

    def fail() -> None:
        raise ValueError("a defect")

    async def main() -> str:
        await batches.submit(Start(Caller(), new), lambda *_: (EPOCH, Decision(after=new)), nobody)
        assert await batches.between(change) == "changed"
        with pytest.raises(ValueError, match="a defect"):
            await batches.between(fail)
        read = await batches.submit(Fire(1), lambda _, loaded: (EPOCH, Decision((), 1, *(loaded.request,) * 2)), nobody)
        batches.close()
        assert read.after is not None
        return read.after.number

    assert asyncio.run(main()) == ""


def test_work_between_batches_is_done_beside_a_batch_that_cannot_be_saved() -> None:
    """There used to be "Task exception was never retrieved" in the log, of the turn that wakes the thread."""

    class Full(Watched):
        def save(self, changes: Changes, _: Callable[[], None] = nobody_waits) -> None:
            raise StoreUnusable(f"the disk is full: {len(changes.history)} lines")

    batches = started(Full())

    async def main() -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        refused = batches.submit(NOTE, note("a"), nobody)
        assert await batches.between(lambda: "changed") == "changed"
        assert isinstance(refused.exception(), StoreUnusable)
        gc.collect()
        batches.close()
        return told

    assert asyncio.run(main()) == []


# --- the loop gives way ---------------------------------------------------------------------------------------


class Slow(Watched):
    """A database whose commits take until they may end."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def save(self, changes: Changes, committing: Callable[[], None] = nobody_waits) -> None:
        super().save(changes, committing)
        assert self.may_end.wait(20)


def test_the_loop_waits_until_a_large_batch_is_decided_but_not_for_its_commit() -> None:
    database = Slow()
    batches = started(database, LONG_S)

    async def main() -> None:
        for turn in (1, 2):
            database.may_end.clear()
            many = [batches.submit(NOTE, note("x"), nobody) for _ in range(MANY)]
            await asyncio.sleep(0)  # it is handed over
            assert len(database.history) == turn * MANY
            assert not many[0].done()
            database.may_end.set()
            await asyncio.gather(*many)
        batches.close()

    asyncio.run(main())
    assert database.saves == 2


class Elsewhere(Watched):
    """A database that is a server."""

    in_process = False


@pytest.mark.parametrize(
    ("database", "commands", "held_s"),
    [(Watched(), MANY - 1, LONG_S), (Elsewhere(), MANY, LONG_S), (Watched(), MANY, HELD_S)],
    ids=["a small batch", "a server", "a batch that takes its time"],
)
def test_the_loop_does_not_wait_for(database: Watched, commands: int, held_s: float) -> None:
    """There used to be fewer starts with a PostgreSQL some ms away: the loop waited for its answers, too."""
    hold = Hold(Note("first"))
    batches = started(database, held_s)

    async def main() -> None:
        all_of_them = [batches.submit(NOTE, each, nobody) for each in (hold, *[note("x")] * (commands - 1))]
        await asyncio.sleep(0)
        hold.go_on.set()
        await asyncio.gather(*all_of_them)
        batches.close()

    asyncio.run(main())
    assert database.saves == 1


def test_the_loop_does_not_wait_for_a_chore_that_goes_first() -> None:
    database, hold = Watched(), Hold()
    batches = started(database, LONG_S)

    async def main() -> None:
        chore = asyncio.create_task(batches.between(lambda: hold(NOTE, Loaded())))
        await asyncio.to_thread(hold.begun.wait, 20)
        many = [batches.submit(NOTE, note("x"), nobody) for _ in range(MANY)]
        await asyncio.sleep(0)
        hold.go_on.set()
        await asyncio.gather(chore, *many)
        batches.close()

    asyncio.run(main())
    assert len(database.history) == MANY


def defect(*_: Any) -> tuple[Ms, Decision]:
    raise ValueError("a defect")


class Refusing(Watched):
    """A database that saves nothing."""

    def __init__(self, why: Exception) -> None:
        super().__init__()
        self.why = why

    def save(self, _: Changes, __: Callable[[], None] = nobody_waits) -> None:
        raise self.why


@pytest.mark.parametrize(
    ("database", "decide"),
    [
        (Watched(), defect),
        (Watched(), lambda *_: (EPOCH, NOTHING)),
        (Refusing(StoreUnusable("the disk is full")), note("x")),
        (Refusing(ValueError("one by one")), note("x")),
    ],
)
def test_the_loop_goes_on_from_a_batch_of_which_nothing_is_saved(database: Watched, decide: Any) -> None:
    batches, began = started(database, LONG_S), time.monotonic()

    async def main() -> None:
        await asyncio.gather(*(batches.submit(NOTE, decide, nobody) for _ in range(MANY)), return_exceptions=True)
        batches.close()

    asyncio.run(main())
    assert not database.saves
    assert time.monotonic() - began < LONG_S / 2
