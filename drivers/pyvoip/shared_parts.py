"""What all generations of one driver's signalling share."""

from collections.abc import Callable
from dataclasses import dataclass

from drivers import StateChanged
from drivers.pyvoip.options import Options
from drivers.pyvoip.sip_port import SipPort
from drivers.sip.address import Address, Kind, Timers

Locator = Callable[[str, Kind], tuple[Address, ...]]
"""`locate.locate`, or what a test takes for it."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """name: of the driver, for logs; listener: hears of every change of `status`."""

    name: str
    options: Options
    timers: Timers
    locate: Locator
    port: SipPort
    listener: Callable[[StateChanged], None]
