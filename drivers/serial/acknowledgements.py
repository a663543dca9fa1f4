"""The acknowledgement of delivery reports, which some modems want (AT+CNMA, 3GPP 27.005 3.4.4). Pure."""

from drivers.serial import dialects
from drivers.serial.chores import Chore
from drivers.serial.modem import Modem
from drivers.serial.procedure import GIVE_WAY, Procedure, Time


class Acknowledgements:
    """Of one modem in one session. chore: sends those that are due."""

    def __init__(self, modem: Modem) -> None:
        self._modem = modem
        self._wanted = False
        self._due = 0
        self.chore = Chore(self._send, float("inf"))

    def find_out(self) -> Procedure[None]:
        """Whether the modem wants them."""
        wanted = yield from self._modem.acknowledges()
        self._wanted = not self._modem.dialect.knows(dialects.PHASE) if wanted is None else wanted
        self.chore.want((yield Time()).now)

    def reported(self, now: float) -> None:
        """A report, or a message, has come that is to be acknowledged."""
        self._due += 1
        self.chore.want(now)

    def _send(self) -> Procedure[None]:
        """One for each report, or the modem sends no more of them."""
        while self._due and self._wanted:
            self._due -= 1
            reply = yield from self._modem.dialect.use(dialects.ACKNOWLEDGE)
            if not reply.ok:  # it does not want it, or not any more
                self._due = 0
                self._wanted = self._modem.dialect.knows(dialects.ACKNOWLEDGE)
            yield GIVE_WAY
