"""What outlives a session with a modem."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from drivers import IncomingSms, SmsEvent, StatusReport
from drivers.serial.balance_check import BalanceSchedule
from drivers.serial.hourly import Hourly
from drivers.serial.message_storage import Storage
from drivers.serial.modem_status import Condition
from drivers.serial.options import Options
from drivers.serial.requests import Requests
from drivers.serial.sending import Exchange
from drivers.serial.timing import Timing


@dataclass(frozen=True, slots=True)
class Lasting:
    """What outlives a session. searched: the port is one of a pattern.

    publish: hands news of the modem to the listener; keep: what the SIM has stored, and when it is safe with the
    listener; None: there is nothing to keep. works: is called when a message was sent.
    signs: of a restart without a banner that were believed; warnings: of the modem that are in the log.
    """

    name: str
    options: Options
    timing: Timing
    searched: bool
    condition: Condition
    requests: Requests
    storage: Storage
    exchange: Exchange
    signs: Hourly
    warnings: Hourly
    balance: BalanceSchedule
    publish: Callable[[SmsEvent], Future[bool]]
    keep: Callable[[StatusReport | IncomingSms], Future[bool] | None]
    closing: Callable[[], bool]
    works: Callable[[], object]
