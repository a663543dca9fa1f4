"""The messages that modems had when the daemon stopped: their answers may still come."""

import contextlib
from collections import defaultdict
from collections.abc import Sequence

from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import Attempt, Channel, Request
from daemon.engine import Engine, Job
from daemon.lanes.sms.lengths import Lengths
from daemon.lanes.sms.modem_slot import ModemSlot
from daemon.lanes.sms.sending import Sender
from daemon.pins import SealBroken
from drivers import LeftBehind

LONGEST = seconds(3600)  # for which a device may have had one


def left_behind(
    engine: Engine, sender: Sender, lengths: Lengths, slots: Sequence[ModemSlot]
) -> dict[str, list[LeftBehind]]:
    """By modem. The engine gets to know how many SMS of each may have gone out."""
    left: dict[str, list[LeftBehind]] = defaultdict(list)
    by_name = {slot.name: slot for slot in slots}
    for request_id, step in engine.store.reading.under_way():
        found = engine.store.reading.request(request_id)
        attempt = found[1].attempt(step) if found is not None else None
        if found is None or attempt is None or attempt.channel is not Channel.SMS or attempt.device not in by_name:
            continue
        request = found[1]
        engine.parts_left[request_id, step] = lengths.parts(request)
        age = engine.clock.now() - _begun(engine, request, attempt)
        with contextlib.suppress(SealBroken, LookupError):  # its key or its language is gone: nobody knows what it said
            sms = sender.message(request, attempt)
            sender.unsettled.add(by_name[attempt.device], sms, Job(request, step, attempt.not_after))
            left[attempt.device].append(LeftBehind(sms, max(engine.clock.real_s(age), 0.0)))
    return left


def _begun(engine: Engine, request: Request, attempt: Attempt) -> Ms:
    """When the modem got it: then it was charged."""
    now = engine.clock.now()
    charged = engine.store.reading.sent_by(attempt.device, now - LONGEST)
    return max((at for at, number in charged if number == request.number), default=now)
