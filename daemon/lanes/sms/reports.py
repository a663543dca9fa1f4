"""Delivery reports: each is credited to the message that it means."""

import asyncio

from daemon.core.commands import Decision, Report
from daemon.core.milliseconds import seconds
from daemon.core.model import AttemptState
from daemon.engine import Engine
from daemon.lanes.sms.modem_slot import ModemSlot
from drivers import NATIONAL_DIGITS, Delivery, StatusReport

REPORT_WINDOW = seconds(2 * 86_400)  # TP-MR wraps at 256, so a report is matched only with recent messages
REPORTED = {Delivery.DELIVERED: AttemptState.DELIVERED, Delivery.FAILED: AttemptState.FAILED}
"""A network that still tries is no news."""


def credit(engine: Engine, slot: ModemSlot, report: StatusReport) -> "asyncio.Future[Decision] | None":
    """Credit a delivery report to the newest message that it can mean."""
    state = REPORTED.get(report.delivery)
    if state is None:
        return None
    since = engine.clock.now() - REPORT_WINDOW
    detail = "" if report.delivery is Delivery.DELIVERED else f"delivery report 0x{report.status:02x}"
    delivered = report.delivery is Delivery.DELIVERED
    ending = report.number[-NATIONAL_DIGITS:] if len(report.number) >= NATIONAL_DIGITS else ""
    means = Report(report.number, str(report.reference), slot.name, since, delivered, detail, not report.stored, ending)
    credited = engine.do(means)
    credited.add_done_callback(lambda done: _count(slot, state, done))
    return credited


def _count(slot: ModemSlot, state: AttemptState, credited: "asyncio.Future[Decision]") -> None:
    if credited.exception() is None and credited.result().changed:
        slot.record.outcomes[state] += 1
