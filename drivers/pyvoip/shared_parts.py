"""What all generations of one driver's signalling share."""

from collections.abc import Callable
from dataclasses import dataclass

from drivers import StateChanged
from drivers.pyvoip.options import Options
from drivers.pyvoip.sip_port import SipPort
from drivers.sip.address import Address, Timers, TransportKind

Locator = Callable[[str, TransportKind], tuple[Address, ...]]
"""`server_location.locate`, or what a test takes for it."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """name: of the driver, for logs; listener: is called at every change of `status`.

    check_s: between two looks of the watch.
    """

    name: str
    options: Options
    timers: Timers
    locate: Locator
    port: SipPort
    listener: Callable[[StateChanged], None]
    check_s: float = 1.0

    @property
    def turn_s(self) -> float:
        """The thread takes a turn at least so often: the watch must not take one that has nothing to do for stuck."""
        return min(self.check_s, 1.0)
