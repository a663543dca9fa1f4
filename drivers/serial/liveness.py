"""Whether a modem that has nothing to do still answers, and whether it has restarted meanwhile. Pure."""

from drivers.serial.chores import Chore
from drivers.serial.hourly import Hourly
from drivers.serial.modem import Modem
from drivers.serial.procedure import GIVE_WAY, Procedure, Talk, Time
from drivers.serial.session_ends import Restarted, Silent
from drivers.serial.timing import Timing


class Pulse:
    """Of one modem in one session. signs: of restarts that were believed; chore: feels the pulse now and then."""

    def __init__(self, modem: Modem, timing: Timing, signs: Hourly) -> None:
        self._modem, self._timing, self._signs = modem, timing, signs
        self._turn = 0
        self.chore = Chore(self._feel, timing.pulse)

    def alive(self, now: float) -> None:
        """It has sent a message."""
        self.chore.put_off(now)

    def notice_restart(self) -> Talk[None]:
        """Of a modem that has no banner. Raises Restarted."""
        if (yield from self._modem.has_changed()) and self.believes((yield Time()).now):
            raise Restarted

    def believes(self, now: float) -> bool:
        """Whether a sign of a restart is believed: only so many are in an hour."""
        believed = self._signs.allows(now)
        if believed:
            self._signs.add(now)
        return believed

    def _feel(self) -> Procedure[None]:
        """Whether it answers at all, and by the settings that a restart clears, whether it has restarted."""
        queries = [*self._modem.settings.queries] or [("AT", "")]
        command, answer = queries[self._turn % len(queries)]
        self._turn += 1
        try:
            reply = yield from self._modem.ask(command, answer, timeout_s=self._timing.probe)
        except Silent:
            yield from self._modem.dialogue.regain()
        else:
            if any(self._modem.settings.differ(line) for line in reply.answers[:1]):
                yield from self.notice_restart()
        yield GIVE_WAY
