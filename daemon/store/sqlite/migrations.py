"""The tables, and every migration that led to them."""

import logging
from collections.abc import Sequence

from daemon.store.sqlite.library import Connection, sqlite

log = logging.getLogger("pinwheel.store")

LARGE = 5000  # pages

MIGRATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "0001 requests, attempts, checks, history",
        (
            """CREATE TABLE request (
                id INTEGER PRIMARY KEY,
                public_id TEXT NOT NULL UNIQUE,
                number TEXT NOT NULL, brand TEXT NOT NULL, locale TEXT NOT NULL, code_length INTEGER NOT NULL,
                workflow_id INTEGER NOT NULL, steps TEXT NOT NULL,
                pin_expiry_s INTEGER NOT NULL, expiry_given INTEGER NOT NULL, created_at REAL NOT NULL,
                sealed_pin TEXT NOT NULL, sender_id TEXT NOT NULL, account TEXT NOT NULL,
                status TEXT NOT NULL, step INTEGER NOT NULL, generation INTEGER NOT NULL,
                pin_until REAL NOT NULL, wrong INTEGER NOT NULL, due_ms INTEGER,
                first_event_at REAL, last_event_at REAL, finalized_at REAL
            ) STRICT""",
            "CREATE INDEX request_due ON request (due_ms) WHERE due_ms IS NOT NULL",
            "CREATE INDEX request_active ON request (number) WHERE status = 'IN PROGRESS'",
            """CREATE TABLE attempt (
                request INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
                step INTEGER NOT NULL, channel TEXT NOT NULL, generation INTEGER NOT NULL,
                not_after REAL NOT NULL, queued_at REAL NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,
                device TEXT NOT NULL, reference TEXT NOT NULL, detail TEXT NOT NULL, settled_at REAL,
                PRIMARY KEY (request, step)
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX attempt_unsettled ON attempt (request) WHERE state IN ('queued', 'sending')",
            "CREATE INDEX attempt_device ON attempt (device, queued_at) WHERE device != ''",
            """CREATE TABLE "check" (
                id INTEGER PRIMARY KEY,
                request INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
                at REAL NOT NULL, valid INTEGER NOT NULL, ip_address TEXT NOT NULL
            ) STRICT""",
            'CREATE INDEX check_request ON "check" (request)',
            """CREATE TABLE history (
                seq INTEGER PRIMARY KEY AUTOINCREMENT,
                at REAL NOT NULL, request_id TEXT NOT NULL, kind TEXT NOT NULL, step INTEGER, detail TEXT NOT NULL
            ) STRICT""",
            "CREATE INDEX history_request ON history (request_id)",
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
        ),
    ),
    ("0002 requests by number", ("CREATE INDEX request_number ON request (number)",)),
    (
        "0003 what each modem has sent, for its quota",
        (
            "CREATE TABLE sent (device TEXT NOT NULL, at REAL NOT NULL, number TEXT NOT NULL) STRICT",
            "CREATE INDEX sent_device ON sent (device, at)",
            """INSERT INTO sent
                SELECT a.device, coalesce(a.settled_at, a.queued_at), r.number
                FROM attempt a JOIN request r ON r.id = a.request
                WHERE a.channel = 'sms' AND a.device != '' AND a.tries > 0""",
        ),
    ),
    (
        "0004 every time in whole milliseconds",
        (
            """CREATE TABLE request_in_ms (
                id INTEGER PRIMARY KEY,
                public_id TEXT NOT NULL UNIQUE,
                number TEXT NOT NULL, brand TEXT NOT NULL, locale TEXT NOT NULL, code_length INTEGER NOT NULL,
                workflow_id INTEGER NOT NULL, steps TEXT NOT NULL,
                pin_expiry_ms INTEGER NOT NULL, expiry_given INTEGER NOT NULL, created_ms INTEGER NOT NULL,
                sealed_pin TEXT NOT NULL, sender_id TEXT NOT NULL, account TEXT NOT NULL,
                status TEXT NOT NULL, step INTEGER NOT NULL, generation INTEGER NOT NULL,
                pin_until_ms INTEGER NOT NULL, wrong INTEGER NOT NULL, due_ms INTEGER,
                first_event_ms INTEGER, last_event_ms INTEGER, finalized_ms INTEGER
            ) STRICT""",
            # Waits were whole seconds ("sms:125,tts:300"); times are rounded as due_ms always was.
            """INSERT INTO request_in_ms SELECT
                id, public_id, number, brand, locale, code_length, workflow_id, replace(steps, ',', '000,') || '000',
                pin_expiry_s * 1000, expiry_given, CAST(round(created_at * 1000) AS INTEGER), sealed_pin,
                sender_id, account, status, step, generation, CAST(round(pin_until * 1000) AS INTEGER), wrong, due_ms,
                CAST(round(first_event_at * 1000) AS INTEGER), CAST(round(last_event_at * 1000) AS INTEGER),
                CAST(round(finalized_at * 1000) AS INTEGER)
                FROM request""",
            "DROP TABLE request",
            "ALTER TABLE request_in_ms RENAME TO request",
            "CREATE INDEX request_due ON request (due_ms) WHERE due_ms IS NOT NULL",
            "CREATE INDEX request_active ON request (number) WHERE status = 'IN PROGRESS'",
            "CREATE INDEX request_number ON request (number)",
            """CREATE TABLE attempt_in_ms (
                request INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
                step INTEGER NOT NULL, channel TEXT NOT NULL, generation INTEGER NOT NULL,
                not_after_ms INTEGER NOT NULL, queued_ms INTEGER NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,
                device TEXT NOT NULL, reference TEXT NOT NULL, detail TEXT NOT NULL, settled_ms INTEGER,
                PRIMARY KEY (request, step)
            ) STRICT, WITHOUT ROWID""",
            """INSERT INTO attempt_in_ms SELECT
                request, step, channel, generation, CAST(round(not_after * 1000) AS INTEGER),
                CAST(round(queued_at * 1000) AS INTEGER), state, tries, device, reference, detail,
                CAST(round(settled_at * 1000) AS INTEGER) FROM attempt""",
            "DROP TABLE attempt",
            "ALTER TABLE attempt_in_ms RENAME TO attempt",
            "CREATE INDEX attempt_unsettled ON attempt (request) WHERE state IN ('queued', 'sending')",
            "CREATE INDEX attempt_device ON attempt (device, queued_ms) WHERE device != ''",
            """CREATE TABLE check_in_ms (
                id INTEGER PRIMARY KEY,
                request INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
                at_ms INTEGER NOT NULL, valid INTEGER NOT NULL, ip_address TEXT NOT NULL
            ) STRICT""",
            """INSERT INTO check_in_ms
                SELECT id, request, CAST(round(at * 1000) AS INTEGER), valid, ip_address FROM "check" """,
            'DROP TABLE "check"',
            'ALTER TABLE check_in_ms RENAME TO "check"',
            'CREATE INDEX check_request ON "check" (request)',
            """CREATE TABLE history_in_ms (
                seq INTEGER PRIMARY KEY AUTOINCREMENT,
                at_ms INTEGER NOT NULL, request_id TEXT NOT NULL, kind TEXT NOT NULL, step INTEGER, detail TEXT NOT NULL
            ) STRICT""",
            """INSERT INTO history_in_ms
                SELECT seq, CAST(round(at * 1000) AS INTEGER), request_id, kind, step, detail FROM history""",
            "DROP TABLE history",
            "ALTER TABLE history_in_ms RENAME TO history",
            "CREATE INDEX history_request ON history (request_id)",
            "CREATE TABLE sent_in_ms (device TEXT NOT NULL, at_ms INTEGER NOT NULL, number TEXT NOT NULL) STRICT",
            """INSERT INTO sent_in_ms
                SELECT device, CAST(round(at * 1000) AS INTEGER), number FROM sent ORDER BY rowid""",
            "DROP TABLE sent",
            "ALTER TABLE sent_in_ms RENAME TO sent",
            "CREATE INDEX sent_device ON sent (device, at_ms)",
        ),
    ),
    (
        "0005 a state for what waits again",
        (
            "UPDATE attempt SET state = 'requeued' WHERE state = 'queued' AND tries > 0",
            "DROP INDEX attempt_unsettled",
            """CREATE INDEX attempt_unsettled ON attempt (request)
                WHERE state IN ('queued', 'requeued', 'sending')""",
        ),
    ),
    (
        "0006 which gateway has a timer and a delivery, until when, in which of its lives",
        tuple(
            f"ALTER TABLE {table} ADD COLUMN {column}"
            for table in ("request", "attempt")
            for column in (
                "owner TEXT NOT NULL DEFAULT ''",
                "lease_until_ms INTEGER",
                "epoch INTEGER NOT NULL DEFAULT 0",
            )
        ),
    ),
    (
        "0007 what waits for a device by the end of its PIN, what one has, and messages by their reference",
        (
            "DROP INDEX attempt_unsettled",
            """CREATE INDEX attempt_waiting ON attempt (channel, not_after_ms, request, step)
                WHERE state IN ('queued', 'requeued')""",
            "CREATE INDEX attempt_sending ON attempt (request) WHERE state = 'sending'",
            "DROP INDEX attempt_device",
            "CREATE INDEX attempt_reference ON attempt (device, reference) WHERE device != '' AND reference != ''",
        ),
    ),
    (
        "0008 under which master key a request began",
        ("ALTER TABLE request ADD COLUMN key_number INTEGER NOT NULL DEFAULT 1",),
    ),
    (
        "0009 history by the time with which the id of its request begins",
        (
            "DROP INDEX history_request",
            "CREATE INDEX history_request ON history (substr(request_id, 1, 12))",
        ),
    ),
    (
        "0010 incoming messages by themselves, which retention looks for",
        ("CREATE INDEX history_incoming ON history (seq) WHERE kind = 'incoming'",),
    ),
    (
        "0011 messages by their time, too: a report needs no index of all numbers, which cost a page a request",
        (
            "DROP INDEX attempt_reference",
            """CREATE INDEX attempt_reference ON attempt (device, reference, queued_ms)
                WHERE device != '' AND reference != ''""",
            "DROP INDEX attempt_sending",
            """CREATE INDEX attempt_unanswered ON attempt (state, device, queued_ms)
                WHERE state IN ('requeued', 'sending', 'uncertain')""",
            "DROP INDEX request_number",
        ),
    ),
)
"""Every migration there is, in order: a name that never changes, and its statements. Add, never edit."""


def migrate(connection: Connection) -> None:
    """Bring the schema up to date. Raises sqlite.Error, for one where the database is a newer Pinwheel's."""
    applied = _applied(connection)
    unknown = applied - {name for name, _ in MIGRATIONS}
    if unknown:
        raise sqlite.DatabaseError(f"it was made by a newer Pinwheel ({', '.join(sorted(unknown))}); upgrade this one")
    missing = [migration for migration in MIGRATIONS if migration[0] not in applied]
    if missing:
        _apply(missing, connection)


def _applied(connection: Connection) -> set[str]:
    there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migration'"
    if not connection.execute(there).fetchone()[0]:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM migration")}


def _apply(missing: Sequence[tuple[str, tuple[str, ...]]], connection: Connection) -> None:
    """Each migration with its record in one transaction, and folded into the file before the next one.

    Foreign keys are off meanwhile, so that a table can be made again without its rows' dependants being deleted
    ("Making Other Kinds Of Table Schema Changes" in SQLite's ALTER TABLE page).
    """
    import sqlite_utils  # late: it loads numpy where that is installed, and most starts have nothing to migrate

    connection.execute("PRAGMA foreign_keys=OFF")
    db = sqlite_utils.Database(connection)
    db.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT")
    for name, statements in missing:
        log.info("store=migrates name=%r", name)
        db.execute("BEGIN IMMEDIATE")
        for statement in statements:
            db.execute(statement)
        db.execute("INSERT INTO migration VALUES (?, datetime('now'))", (name,))
        db.execute("COMMIT")
        _fold(connection)
    connection.execute("PRAGMA foreign_keys=ON")


def _fold(connection: Connection) -> None:
    """Fold what a large database has put into its log back into the file, before anybody waits for it.

    The first checkpoint of a daemon would hold up everything else for as long. A small database costs no sync more.
    """
    if connection.execute("PRAGMA page_count").fetchone()[0] > LARGE:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
