"""Delivery reports: each belongs to the message that it means."""

import asyncio

from daemon.core.commands import Decision, Report
from daemon.core.milliseconds import seconds
from daemon.core.model import AttemptState
from daemon.engine import Engine
from daemon.lanes.sms.modem_slot import ModemSlot
from drivers import NATIONAL_DIGITS, Delivery, StatusReport

REPORT_WINDOW = seconds(2 * 86_400)  # TP-MR wraps at 256, so a report is matched only with recent messages


def assign(engine: Engine, slot: ModemSlot, report: StatusReport) -> "asyncio.Future[Decision] | None":
    """Give a delivery report to the newest message it can mean. None: the network still tries, which is no news."""
    if report.delivery is Delivery.TRYING:
        return None
    delivered = report.delivery is Delivery.DELIVERED
    assigned = engine.do(
        Report(
            report.number,
            reference=str(report.reference),
            device=slot.name,
            since=engine.clock.now() - REPORT_WINDOW,
            delivered=delivered,
            detail="" if delivered else f"delivery report 0x{report.status:02x}",
            insist=not report.stored,
            ending=report.number[-NATIONAL_DIGITS:] if len(report.number) >= NATIONAL_DIGITS else "",
        )
    )
    state = AttemptState.DELIVERED if delivered else AttemptState.FAILED
    assigned.add_done_callback(lambda done: _count(slot, state, done))
    return assigned


def _count(slot: ModemSlot, state: AttemptState, assigned: "asyncio.Future[Decision]") -> None:
    if assigned.exception() is None and assigned.result().changed:
        slot.record.outcomes[state] += 1
