"""What the last batches have left of requests: nobody else writes, so it need not be read again."""

from collections.abc import Mapping

from daemon.core.batch import Needs
from daemon.core.model import Request

MOST = 1000  # requests: about 2 MB


class RequestCache:
    """The requests that were needed last, as they are saved, by row.

    `clear` it whenever they may differ from their rows: after a batch that failed, and after rows were changed past it.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._requests: dict[int, Request] = {}  # the one that was needed last is the last
        self._row_of: dict[str, int] = {}

    def known(self, needs: Needs) -> dict[int, Request]:
        """Those that commands name, as far as they are known."""
        named = needs.rows | {self._row_of[name] for name in needs.ids if name in self._row_of}
        return {row: self._requests[row] for row in named if row in self._requests}

    def rest(self, needs: Needs) -> Needs:
        """What must be read nevertheless."""
        # "- keys()" would go through all that is known.
        ids = frozenset(name for name in needs.ids if name not in self._row_of)
        rows = frozenset(row for row in needs.rows if row not in self._requests)
        return Needs(ids, rows, needs.numbers, needs.reports, needs.new, self._requests)

    def keep(self, requests: Mapping[int, Request]) -> None:
        """Take over what a batch has saved, and drop what has not been needed for longest."""
        for row, request in requests.items():
            self._requests.pop(row, None)
            self._requests[row] = request
            self._row_of[request.id] = row
        while len(self._requests) > self._most:
            oldest = next(iter(self._requests))
            del self._row_of[self._requests.pop(oldest).id]

    def clear(self) -> None:
        self._requests.clear()
        self._row_of.clear()
