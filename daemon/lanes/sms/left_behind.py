"""What the modems had not answered when the daemon stopped, or a driver was replaced: they may still answer for it."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import Attempt, Channel, Request
from daemon.engine import Engine, Job
from daemon.lanes.sms.lengths import Lengths
from daemon.lanes.sms.modem_slot import ModemSlot
from daemon.lanes.sms.sending import Sender
from daemon.pins import SealBroken
from daemon.store.contract import Reading
from drivers import LeftBehind

LONGEST = seconds(3600)  # for which a device may have had one


Unanswered = tuple[Ms, bool, Request, Attempt]
"""A message; when its modem got it, and whether that has sent no other to this number for as long."""


def count_parts(engine: Engine, lengths: Lengths) -> None:
    """The engine gets to know how many SMS of each message may have gone out that was under way."""
    for request, attempt in _found(engine.store.reading, engine.store.reading.under_way()):
        engine.parts_left[request.id, attempt.step] = lengths.parts(request)


def unanswered(reading: Reading, device: str, now: Ms) -> list[Unanswered]:
    """In the order of sending."""
    charged = reading.sent_by(device, now - LONGEST)  # when the modem got it
    found = []
    for request, attempt in _found(reading, reading.unanswered(device, now - LONGEST)):
        until = now if attempt.settled_at is None else attempt.settled_at
        times = (at for at, number in charged if number == request.number and attempt.queued_at <= at <= until)
        alone = sum(number == request.number for _, number in charged) == 1
        found.append((max(times, default=now), alone, request, attempt))
    return sorted(found, key=itemgetter(0))


def _found(reading: Reading, attempts: Iterable[tuple[str, int]]) -> Iterator[tuple[Request, Attempt]]:
    for request_id, step in attempts:
        found = reading.request(request_id)
        attempt = found[1].attempt(step) if found is not None else None
        if found is not None and attempt is not None and attempt.channel is Channel.SMS:
            yield found[1], attempt


def left_behind(engine: Engine, sender: Sender, slot: ModemSlot, messages: Sequence[Unanswered]) -> list[LeftBehind]:
    """What a driver gets of them; an answer to one is then known to be that message's."""
    left = []
    for begun, alone, request, attempt in messages:
        age = engine.clock.real_s(engine.clock.now() - begun)
        with contextlib.suppress(SealBroken, LookupError):  # its key or its language is gone: it cannot be written
            sms = sender.message(request, attempt)
            sender.unsettled.add(slot, sms, Job(request, attempt.step, attempt.not_after))
            left.append(LeftBehind(sms, max(age, 0.0), alone))
    return left
