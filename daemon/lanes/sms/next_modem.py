"""Which modem is next: the order in which free modems are offered the messages that wait.

A modem whose SIM may not send to a number now is passed over for that message, by `core.next_delivery`.
"""

from collections.abc import Iterable

from daemon.lanes.sms.modem_slot import ModemSlot


def next_first(slots: Iterable[ModemSlot], now: float) -> list[ModemSlot]:
    """Those that may get a message now, the next one first: idle longest, and not just failed."""
    free = (slot for slot in slots if slot.rested(now) and not slot.busy)
    return sorted(free, key=lambda slot: (slot.resting.last_choice(now), slot.turned_at))
