"""Whether a modem has a network, how good it is, and whose: asked, and as it says by itself. Pure."""

from drivers.serial import network_registration
from drivers.serial.chores import Chore
from drivers.serial.modem import Modem
from drivers.serial.modem_status import Known
from drivers.serial.network_registration import Registrations
from drivers.serial.procedure import GIVE_WAY, Procedure, Talk
from drivers.serial.timing import Timing


class NetworkWatch:
    """Of one modem in one session. chore: asks for the registrations while there is no network."""

    def __init__(self, modem: Modem, timing: Timing) -> None:
        self._modem, self._timing = modem, timing
        self.registrations = Registrations()
        self.chore = Chore(self._ask_registrations, float("inf"))

    def lost(self, now: float) -> None:
        """Some modems do not say by themselves when they are back."""
        if self.chore.due == float("inf"):
            self.chore.want(now + self._timing.watch)

    def find(self) -> Talk[None]:
        """At once, and only until one domain says that the modem is registered."""
        for command, domain in network_registration.QUERIES:
            if (yield from self._ask_registration(command, domain)) in network_registration.REGISTERED:
                break

    def look(self) -> Procedure[None]:
        """Registration, signal, operator."""
        yield from self._ask_registrations()
        operator = (yield from self._modem.operator()) if self.registrations.registered else ""
        yield GIVE_WAY
        yield Known({"signal_dbm": (yield from self._modem.signal_dbm()), "operator": operator})

    def _ask_registrations(self) -> Procedure[None]:
        for command, domain in network_registration.QUERIES:
            yield from self._ask_registration(command, domain)
            yield GIVE_WAY

    def _ask_registration(self, command: str, domain: str) -> Talk[int | None]:
        status = yield from self._modem.registration(command, domain)
        if status is not None:
            self.registrations.update(domain, status)
        return status
