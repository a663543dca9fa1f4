"""Forgetting one number: its requests stay for the statistics, without it and without what else shows whose it was.

Every statement here is for both databases.
"""

import re
import secrets

from daemon.store.pruning import OVER
from daemon.store.retention import Erased, Forms, Hash, Rows, StillRunning
from daemon.store.rows import LINES_OF

GONE = "(forgotten)"
SIGNS = " -./()"  # by which people divide numbers
BARE = "detail"
for _sign in SIGNS:
    BARE = f"replace({BARE}, '{_sign}', '')"
CANDIDATES = f"SELECT seq FROM history WHERE seq > ? AND {BARE} LIKE '%' || ? || '%' ORDER BY seq"  # noqa: S608


def pattern(forms: Forms) -> re.Pattern[str]:
    """The number in a text, however it is written; not as a part of a longer one."""
    between = f"[{re.escape(SIGNS)}]*"

    def spread(digits: str) -> str:
        return between.join(digits)

    code = forms.digits.removesuffix(forms.national)
    prefix = f"(?:{spread(forms.prefix)}{between})" if forms.prefix else "(?:)"
    before = rf"(?:(?:\+|00){between})?{spread(code)}{between}{prefix}?|{prefix}|"
    return re.compile(rf"(?<![0-9])(?:{before}){spread(forms.national)}(?![0-9])")


def candidates(db: Rows, forms: Forms, after: int = 0) -> list[int]:
    """The seq of each line of history that may have the number. It looks at every line: for a thread that reads."""
    return [seq for (seq,) in db.execute(CANDIDATES, (after, forms.national))]


def forget(db: Rows, forms: Forms, hashed: Hash, found: list[int], looked_until: int) -> Erased:
    """Inside a transaction. found: candidates among the lines up to `looked_until`. Raises StillRunning."""
    names, text = (forms.digits, hashed(forms.digits)), pattern(forms)
    running = f"SELECT public_id FROM request WHERE number = ? AND NOT ({OVER})"  # noqa: S608
    if unfinished := [name for (name,) in db.execute(running, names[:1])]:
        raise StillRunning(tuple(unfinished))
    rows = db.execute("SELECT id, public_id FROM request WHERE number IN (?, ?)", names).fetchall()
    for row, public_id in rows:
        _forget_request(db, row, public_id, text, names[1])
    lines = found + candidates(db, forms, looked_until)
    changed = sum(_forget_line(db, seq, text) for seq in lines)
    # It still counts for the quota: as somebody, and nobody can say who.
    sent = db.execute("UPDATE sent SET number = ? WHERE number IN (?, ?)", (_nobody(), *names))
    return Erased(len(rows), changed, int(sent.rowcount))


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
