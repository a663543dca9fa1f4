"""Which chores a session has, and what is set up before the first message and behind it. Pure.

To add a chore: a class that owns its `Chore` (see `drivers.serial.liveness`), here its place in the order of
importance, and who wants it first.
"""

from drivers.serial import dialects
from drivers.serial.acknowledgements import Acknowledgements
from drivers.serial.balance_check import BalanceCheck, BalanceSchedule
from drivers.serial.chores import Chore, Chores
from drivers.serial.liveness import Pulse
from drivers.serial.message_storage import Storage
from drivers.serial.modem import Identity, Modem
from drivers.serial.modem_status import Known
from drivers.serial.network_watch import NetworkWatch
from drivers.serial.procedure import GIVE_WAY, Procedure, Time
from drivers.serial.restart_signs import CLEARED


class SessionChores:
    """Of one modem in one session, which begins now. Times are monotonic seconds."""

    def __init__(self, modem: Modem, storage: Storage, pulse: Pulse, balance: BalanceSchedule, now: float) -> None:
        self._modem, self._storage, self._started = modem, storage, now
        self._identified = Identity()
        timing = modem.timing
        never, keep_s = float("inf"), timing.keep
        self.pulse = pulse
        self.network = NetworkWatch(modem, timing)
        self.balance = BalanceCheck(modem, self.network, balance)
        self.acknowledgements = Acknowledgements(modem)
        self._announced = Chore(lambda: storage.read_announced(modem), never, keep_s)
        self._setup = Chore(self._set_up, never, keep_s)
        self._retries = Chore(self._retry_settings, timing.retry_settings)
        self._health = Chore(self._look_around, timing.health, keep_s)
        self.chores = Chores(
            self.acknowledgements.chore,
            self.network.chore,
            pulse.chore,
            self._announced,
            self._setup,
            self._retries,
            self._health,
            self.balance.chore,
        )

    def identify(self) -> Procedure[Identity]:
        """Which device it is."""
        found = self._identified = yield from self._modem.identify()
        yield Known({"model": found.model, "imei": found.imei})
        return found

    def announced(self, now: float) -> None:
        """Something has been stored."""
        self._announced.want(now)

    # --- set-up ---

    def set_up(self) -> Procedure[None]:
        """What is not needed for a message, unless it takes long: then it goes on between the messages."""
        now, end = self._started, self._started + self._modem.timing.setup
        while True:
            yield from self._setup.step(now)
            now = (yield Time()).now
            if not self._setup.under_way or now >= end:
                break
        self.pulse.chore.want(now + self._modem.timing.pulse)

    def _set_up(self) -> Procedure[None]:
        modem = self._modem
        yield from self._learn_settings()
        if not self._identified.imei:
            yield from self.identify()
            yield GIVE_WAY
        for setting in dialects.SETTINGS[dialects.URGENT :]:
            yield from modem.dialect.use(setting)
            yield GIVE_WAY
        yield from self.acknowledgements.find_out()
        yield GIVE_WAY
        imsi = yield from modem.imsi()
        yield Known({"imsi": imsi})
        yield from self.network.look()
        yield from self._storage.first_look(modem)
        yield from self._publish_remarks()
        now = (yield Time()).now
        self._retries.want(now + self._modem.timing.retry_settings)
        self._health.want(now + self._modem.timing.health)
        yield from self.balance.set_due(imsi, now)

    def _learn_settings(self) -> Procedure[None]:
        """Those by which a restart shows."""
        self._modem.settings.forget()
        for command, answer in CLEARED:
            for line in (yield from self._modem.lines(command, answer))[:1]:
                self._modem.settings.learn(line)
            yield GIVE_WAY

    # --- later ---

    def _look_around(self) -> Procedure[None]:
        yield from self.pulse.notice_restart()
        yield GIVE_WAY
        yield from self.network.look()
        yield from self._storage.look(self._modem)
        yield from self._publish_remarks()

    def _retry_settings(self) -> Procedure[None]:
        """What it has refused, perhaps because it was still starting."""
        if (yield Time()).now - self._started > self._modem.timing.starting:
            self._retries.every_s = float("inf")
            return
        if not self._identified.imei:
            yield from self.identify()
            yield GIVE_WAY
        spoken = self._modem.dialect
        before = spoken.refused()
        for setting in before:
            yield from spoken.retry(setting)
            yield GIVE_WAY
        if spoken.refused() != before:
            yield from self._learn_settings()
        yield from self._publish_remarks()

    def _publish_remarks(self) -> Procedure[None]:
        """What does not work."""
        yield Known({"remarks": (*self._modem.dialect.remarks(), *self.balance.remarks)})
