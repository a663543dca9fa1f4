"""The requests of a database for other programs: as rows of a table, or each with all that is kept of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from daemon.clock import zoned_text
from daemon.core.masking import masked, without_numbers
from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.model import Attempt, Request
from daemon.core.request_states import pin_letter
from daemon.store.contract import CheckLine, HistoryLine, Reading

PAGE = 500
REQUEST_FIELDS = (
    *("request_id", "number", "brand", "locale", "account", "workflow_id", "status", "wrong_codes"),
    *("submitted", "first_event", "last_event", "finalized"),
)
DELIVERY_FIELDS = ("event", "channel", "pin", "state", "tries", "device", "queued", "settled", "detail")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Requests since a time, of one number or of all. in_full: numbers are not masked."""

    since: Ms = EPOCH
    number: str = field(default="", repr=False)
    in_full: bool = False

    def shown(self, text: str) -> str:
        """What a network or a device said, in which a number may stand."""
        return text if self.in_full else without_numbers(text)

    def takes(self, request: Request) -> bool:
        return request.created_at >= self.since and self.number in ("", request.number)


def requests(reading: Reading, wanted: Wanted, progress: Callable[[int], None] = lambda _: None) -> Iterator[Request]:
    """In the order of their starts. progress: gets how many have been looked at. Raises StoreUnusable."""
    row, seen = 0, 0
    while page := reading.after(row, PAGE):
        yield from (request for _, request in page if wanted.takes(request))
        row, seen = page[-1][0], seen + len(page)
        progress(seen)


def lines(request: Request, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """A line for each delivery; one where there is none."""
    fields = _request(request, wanted)
    for delivery in (_delivery(attempt, wanted) for attempt in request.attempts):
        yield fields | delivery
    if not request.attempts:
        yield fields | dict.fromkeys(DELIVERY_FIELDS, "")


def document(reading: Reading, request: Request, wanted: Wanted) -> dict[str, Any]:
    """With its deliveries, checks and history. Raises StoreUnusable."""
    return _request(request, wanted) | {
        "deliveries": [_delivery(attempt, wanted) for attempt in request.attempts],
        "checks": [_check(check) for check in reading.checks(request.id)],
        "history": [_line(line, wanted) for line in _history(reading, request.id)],
    }


def _request(r: Request, wanted: Wanted) -> dict[str, Any]:
    number = r.number if wanted.in_full else masked(r.number)
    known = (r.id, number, r.brand, r.locale, r.account, r.workflow_id, str(r.status), r.wrong)
    times = map(zoned_text, (r.created_at, r.first_event_at, r.last_event_at, r.finalized_at))
    return dict(zip(REQUEST_FIELDS, (*known, *times), strict=True))


def _history(reading: Reading, request_id: str) -> Iterator[HistoryLine]:
    """All of it, in pages."""
    seq = 0
    while page := reading.history(seq, PAGE, request_id):
        yield from page
        seq = page[-1].seq


def _delivery(a: Attempt, wanted: Wanted) -> dict[str, Any]:
    known = (a.step + 1, str(a.channel), pin_letter(a.generation), str(a.state), a.tries, a.device)
    said = (zoned_text(a.queued_at), zoned_text(a.settled_at), wanted.shown(a.detail))
    return dict(zip(DELIVERY_FIELDS, (*known, *said), strict=True))


def _check(check: CheckLine) -> dict[str, Any]:
    return {"at": zoned_text(check.at), "valid": check.valid, "ip_address": check.ip_address}


def _line(line: HistoryLine, wanted: Wanted) -> dict[str, Any]:
    event = None if line.step is None else line.step + 1
    return {"at": zoned_text(line.at), "kind": line.kind, "event": event, "detail": wanted.shown(line.detail)}
