"""Forgetting one number: its requests stay for the statistics, without it and without what else shows whose it was.

Every statement here is for both databases.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from daemon.store.retention import Hash
from daemon.store.statements import LINES_OF, OVER, Rows

GONE = "(forgotten)"
SIGNS = " -./()"  # by which people divide numbers
BARE = "detail"
for _sign in SIGNS:
    BARE = f"replace({BARE}, '{_sign}', '')"
Ask = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]
CANDIDATES = f"SELECT seq FROM history WHERE seq > ? AND {BARE} LIKE '%' || ? || '%' ORDER BY seq"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Forms:
    """A number as it may stand in a text.

    digits: international; national: its significant digits; prefix: before them inside its country, such as "0", or "".
    """

    digits: str = field(repr=False)
    national: str = field(repr=False)
    prefix: str


class StillRunning(Exception):
    """The number cannot be forgotten: requests of it run, or a device has a message or a call for it."""

    def __init__(self, request_ids: tuple[str, ...]) -> None:
        super().__init__(
            f"still in progress: {', '.join(request_ids)}; wait for the end, or cancel: pinwheel cancel ID"
        )


class Mentions(NamedTuple):
    """Where a number may stand, up to the last rows that were looked at. requests: by row id; lines: of history."""

    requests: tuple[int, ...] = ()
    lines: tuple[int, ...] = ()
    last_request: int = 0
    last_line: int = 0


NOWHERE = Mentions()


@dataclass(frozen=True, slots=True)
class ForgottenRows:
    """How many rows had the number."""

    requests: int
    history: int
    sent: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done. log_emptied: no file has the number any more; False: somebody was reading, so ask again.

    remains: where it may still be, which the gateway can neither see nor empty; "" where that is nowhere.
    """

    requests: int
    history: int
    sent: int
    log_emptied: bool
    remains: str = ""


def pattern(forms: Forms) -> re.Pattern[str]:
    """The number in a text, however it is written; not as a part of a longer one."""
    between = f"[{re.escape(SIGNS)}]*"

    def spread(digits: str) -> str:
        return between.join(digits)

    code = forms.digits.removesuffix(forms.national)
    prefix = f"(?:{spread(forms.prefix)}{between})" if forms.prefix else "(?:)"
    before = rf"(?:(?:\+|00){between})?{spread(code)}{between}{prefix}?|{prefix}|"
    return re.compile(rf"(?<![0-9])(?:{before}){spread(forms.national)}(?![0-9])")


def look(ask: Ask, forms: Forms, hashed: Hash, since: Mentions = NOWHERE) -> Mentions:
    """Where the number may stand behind what was looked at before. It looks at every row: for a thread that reads.

    ask: gives the rows of a query with "?" for each value.
    """
    ((row,),) = ask("SELECT coalesce(max(id), 0) FROM request", ())
    ((line,),) = ask("SELECT coalesce(max(seq), 0) FROM history", ())
    named = "SELECT id FROM request WHERE id > ? AND number IN (?, ?) ORDER BY id"
    requests = ask(named, (since.last_request, forms.digits, hashed(forms.digits)))
    lines = ask(CANDIDATES, (since.last_line, forms.national))
    return Mentions(tuple(id_ for (id_,) in requests), tuple(seq for (seq,) in lines), row, line)


def forget(db: Rows, forms: Forms, hashed: Hash, found: Mentions) -> ForgottenRows:
    """Inside a transaction. found: by `look`, before it. Raises StillRunning."""
    text, mark, more = pattern(forms), hashed(forms.digits), look(db.execute, forms, hashed, found)
    query = f"SELECT id, public_id, {OVER} FROM request WHERE id = ?"  # noqa: S608
    rows = [row for id_ in found.requests + more.requests for row in db.execute(query, (id_,)).fetchall()]
    if unfinished := [name for _, name, over in rows if not over]:
        raise StillRunning(tuple(unfinished))
    for row, public_id, _ in rows:
        _forget_request(db, row, public_id, text, mark)
    changed = sum(_forget_line(db, seq, text) for seq in found.lines + more.lines)
    # It still counts for the quota: as somebody, and nobody can say who.
    sent = db.execute("UPDATE sent SET number = ? WHERE number IN (?, ?)", (_nobody(), forms.digits, mark))
    return ForgottenRows(len(rows), changed, int(sent.rowcount))


def _nobody() -> str:
    return f"nobody:{secrets.token_hex(8)}"


def _forget_request(db: Rows, row: int, public_id: str, text: re.Pattern[str], mark: str) -> None:
    """mark: the hash of the number."""
    db.execute("UPDATE request SET number = '', sealed_pin = '' WHERE id = ?", (row,))
    db.execute("UPDATE \"check\" SET ip_address = '' WHERE request = ?", (row,))
    for step, detail in db.execute("SELECT step, detail FROM attempt WHERE request = ?", (row,)).fetchall():
        values = (text.sub(GONE, detail).replace(mark, GONE), row, step)
        db.execute("UPDATE attempt SET detail = ? WHERE request = ? AND step = ?", values)
    unmarked = f"UPDATE history SET detail = replace(detail, ?, ?) WHERE {LINES_OF}"  # noqa: S608
    db.execute(unmarked, (mark, GONE, public_id, public_id))


def _forget_line(db: Rows, seq: int, text: re.Pattern[str]) -> bool:
    """An incoming message from the number goes; elsewhere only the number does."""
    line = db.execute("SELECT kind, detail FROM history WHERE seq = ?", (seq,)).fetchone()
    if line is None or not (there := text.search(line[1])):
        return False
    if line[0] == "incoming" and line[1][: there.start()].endswith(" from "):
        db.execute("DELETE FROM history WHERE seq = ?", (seq,))
    else:
        db.execute("UPDATE history SET detail = ? WHERE seq = ?", (text.sub(GONE, line[1]), seq))
    return True
