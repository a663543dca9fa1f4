"""PostgreSQL as a database: one session that writes, under a lock that holds every other gateway off.

Where PostgreSQL does not answer, whoever asks is refused at once, and a thread tries to get the session back. A commit
whose answer was lost has its number in the database, so that it is known whether it was made.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

import psycopg
from psycopg import errors

from daemon.core.batch import Changes, Found, Needs
from daemon.store import forgetting, retention
from daemon.store.condition import Misplaced
from daemon.store.contract import Damaged, StoreUnusable, nobody_waits
from daemon.store.forgetting import ForgottenRows, Forms, Mentions
from daemon.store.postgres.address import Address
from daemon.store.postgres.connection import DAMAGE, RECOVER_S, Connection, PostgresRows, away, damage
from daemon.store.postgres.loading import load
from daemon.store.postgres.reading import PostgresReading
from daemon.store.postgres.saving import saving
from daemon.store.postgres.session import Session, TakenOver, batch_of, begin, resume
from daemon.store.retention import Deleted, Hash, Horizon
from daemon.store.statements import Rows

log = logging.getLogger("pinwheel.store")

T = TypeVar("T")
REMAINS = (
    "PostgreSQL keeps deleted rows in its files until it has vacuumed and used their room again, and in its write-ahead"
    " log; copies of that, backups and standby servers keep them as long as you do"
)
IN_DOUBT_S, AGAIN_S = 3.0, 0.1
"""For which a commit whose answer was lost is asked after, and the pause between two tries: whoever waits gets the
truth. The watchdog of systemd has more patience."""
LOOK_S = 5.0  # after which PostgreSQL is asked whether it is there, although nothing else is asked
SOON_S = 1.0  # a failure that came after more is of a server that hangs: nobody waits for it a second time
OF_COMMANDS = (psycopg.DataError, psycopg.IntegrityError)
"""What one command is to blame for; everything else is the database's fault."""


class PostgresDatabase:
    """A `Database` on a PostgreSQL server. It is broken while it does not answer, or refuses."""

    in_process = False

    def __init__(self, address: Address) -> None:
        self.address = address
        self._session: Session | None = None
        self._batch = 0  # the number of the last one that was sent
        self._made = 0  # that of the last one that was durable
        self._in_doubt = 0  # that of one that was sent, and of which it is not known whether it is durable; 0: none
        self._why = ""
        self._asked_at = 0.0  # when it was last asked anything, on CLOCK_MONOTONIC
        self._looks = _Looks()
        self.broken = self.damaged = False
        self.misplaced: Misplaced | None = None  # a server keeps its files itself
        self.stale = ""

    def open(self) -> None:
        """Take the lock, and bring the schema up to date. Raises StoreUnusable."""
        self._session = begin(self.address)

    def close(self) -> None:
        self._looks.close()
        if self._session is not None:
            self._session.connection.close()

    def reader(self) -> PostgresReading:
        return PostgresReading(self.address, self._met)

    @property
    def pause_s(self) -> float:
        return RECOVER_S if self.broken else LOOK_S

    def load(self, needs: Needs) -> Found:
        """What there is; it asks for nothing where nothing is needed."""
        if needs.nothing:
            return Found()
        return self._asked(lambda connection: load(connection, needs))

    def save(self, changes: Changes, committing: Callable[[], None] = nobody_waits) -> None:
        """One transaction, durable once it returns."""
        self._usable()  # from here on it is known what became of the one before
        self._batch += 1
        statement, rows = saving(changes, self._batch)
        self._in_doubt = self._batch
        committing()

        def send(connection: Connection) -> None:
            connection.execute(statement, rows)

        def send_again(connection: Connection) -> None:
            if batch_of(connection) != self._batch:  # else only the answer was lost
                send(connection)

        self._asked(send, send_again)
        self._made, self._in_doubt = self._batch, 0

    @property
    def _last(self) -> tuple[int, ...]:
        """What can be the number of the last batch in the database."""
        return (self._made, self._in_doubt) if self._in_doubt else (self._made,)

    def _asked(self, work: Callable[[Connection], T], again: Callable[[Connection], T] | None = None) -> T:
        """Again with another session, where one was lost; again: what is done in that one, if it is not the same.

        Raises StoreUnusable.
        """
        session = self._usable()
        began = self._asked_at = time.monotonic()
        try:
            return self._done(work, session)
        except OF_COMMANDS:
            raise
        except psycopg.Error as exc:
            session.connection.close()
            if time.monotonic() - began > SOON_S:
                raise self._fail(exc) from exc
            stopped = isinstance(exc, errors.AdminShutdown)  # in order: what was under way was not made
        return self._again(again or work, until=began + IN_DOUBT_S if self._in_doubt and not stopped else began)

    def _again(self, work: Callable[[Connection], T], until: float) -> T:
        """As `_asked`. until: when it is tried for the last time, on CLOCK_MONOTONIC."""
        while True:
            session = self._session
            assert session is not None, "the database is open"
            try:
                self._session = session = resume(self.address, session, self._last)
                return self._done(work, session)
            except (*OF_COMMANDS, Damaged):
                raise
            except (psycopg.Error, StoreUnusable, TakenOver) as exc:
                session.connection.close()
                if isinstance(exc, TakenOver) or time.monotonic() >= until:
                    raise self._fail(exc) from exc
            time.sleep(AGAIN_S)

    def _done(self, work: Callable[[Connection], T], session: Session) -> T:
        """What the server refuses because of the work itself was certainly not made."""
        try:
            return work(session.connection)
        except OF_COMMANDS:
            self._in_doubt = 0
            raise
        except DAMAGE as exc:
            self._in_doubt = 0
            raise self._met(exc) from exc

    def _met(self, exc: Exception) -> Damaged:
        """Damage, on whatever thread: it stays, and only what needs that part is refused."""
        refused = damage(self.address, exc)
        if not self.damaged:
            log.critical("store=damaged %s", refused)
        self.damaged = True
        return refused

    # --- while it is away ---

    def _fail(self, exc: Exception) -> StoreUnusable:
        refused = exc if isinstance(exc, StoreUnusable) else away(self.address, exc)
        self._why = str(refused)
        self.broken = True
        if isinstance(exc, TakenOver):
            self.stale = str(exc)
        log.error("store=failed %s", self._why)
        return refused

    def recover(self) -> None:
        """See whether PostgreSQL is still there; where it was not, whether a session has come, and try to get one."""
        with contextlib.suppress(StoreUnusable):
            self._asked(_is_there)

    def delete_old(self, horizon: Horizon, hashed: Hash, limit: int) -> Deleted:
        """One step, in one transaction."""
        return self._changed(lambda rows: retention.delete_old(rows, horizon, hashed, limit))

    def forget(self, forms: Forms, hashed: Hash, found: Mentions) -> ForgottenRows:
        """All rows in one transaction."""
        return self._changed(lambda rows: forgetting.forget(rows, forms, hashed, found))

    def _changed(self, work: Callable[[Rows], T]) -> T:
        def change(connection: Connection) -> T:
            with connection.transaction():
                return work(PostgresRows(connection))

        return self._asked(change)

    @property
    def remains(self) -> str:
        return REMAINS

    def rewrite(self) -> None:
        """PostgreSQL's files are not ours."""

    def empty_log(self) -> bool:
        """Nothing shows whether PostgreSQL has."""
        return False

    def tidy(self, *, busy: bool) -> None:
        """PostgreSQL does that by itself. Batches that need nothing, as of the watchdog, are no sign of it."""
        if not busy and not self.broken and time.monotonic() > self._asked_at + LOOK_S:
            self.recover()

    def _usable(self) -> Session:
        """The session. Raises StoreUnusable at once, while there is none."""
        assert self._session is not None, "the database is open"
        if not self.broken:
            return self._session
        came = None if self.stale else self._looks.came(partial(_resumed, self.address, self._session, self._last))
        if isinstance(came, Exception):
            self.stale = str(came)
            log.critical("store=stale %s", came)
        if came is None or isinstance(came, Exception):
            raise StoreUnusable(self._why)
        self._session, last = came
        if self._in_doubt and last == self._in_doubt:
            self.stale = f"the database {self.address} has a commit that was answered as failed"
            log.critical("store=stale %s", self.stale)
            raise StoreUnusable(self._why)
        self._in_doubt = 0
        self.broken = False
        log.info("store=recovered %s", self.address)
        return self._session


def _is_there(connection: Connection) -> None:
    connection.execute("SELECT 1")


Came = tuple[Session, int] | TakenOver | None
"""A session with the number of the last batch that is durable."""


def _resumed(address: Address, before: Session, last: Collection[int]) -> Came:
    try:
        session = resume(address, before, last)
        return session, batch_of(session.connection)
    except TakenOver as exc:
        return exc
    except (psycopg.Error, StoreUnusable):
        return None


class _Looks:
    """Tries on a thread of their own, one at a time, with a pause between them."""

    def __init__(self) -> None:
        self._found: queue.SimpleQueue[Came] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._next = 0.0

    def came(self, look: Callable[[], Came]) -> Came:
        """What a look has found; where none is under way, one begins."""
        with contextlib.suppress(queue.Empty):
            found = self._found.get_nowait()
            self._thread, self._next = None, time.monotonic() + RECOVER_S
            return found
        if self._thread is None and time.monotonic() >= self._next:
            self._thread = threading.Thread(target=self._put, args=(look,), name="store-look", daemon=True)
            self._thread.start()
        return None

    def _put(self, look: Callable[[], Came]) -> None:
        """Whatever the look ends in, the next one can begin."""
        found = None
        try:
            found = look()
        except Exception:  # the end of one look: the thread ends with an answer
            log.exception("store=look-failed")
        finally:
            self._found.put(found)

    def close(self) -> None:
        """Wait for a look that is under way, which is bounded, and close the session that it found."""
        if self._thread is not None:
            self._thread.join()
            found = self._found.get()
            if isinstance(found, tuple):
                found[0].connection.close()
