"""What statements for both databases share: who carries them out, and conditions."""

from collections.abc import Sequence
from typing import Any, Protocol

UNSETTLED = "SELECT 1 FROM attempt WHERE attempt.request = request.id AND state IN ('queued', 'requeued', 'sending')"
OVER = f"status <> 'IN PROGRESS' AND NOT EXISTS ({UNSETTLED})"  # nothing will happen to it any more

LINES_OF = "substr(request_id, 1, 12) = substr(?, 1, 12) AND request_id = ?"
"""The lines of history of a request, whose id is given twice.

SQLite's index has only the time with which an id begins (48 bits): that saves 120 octets of each request.
"""


class Rows(Protocol):
    """A connection that changes rows. row_of_sent: what numbers the rows of the table `sent`."""

    row_of_sent: str

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """A cursor of the DB-API (PEP 249), after a statement with "?" for each value."""
