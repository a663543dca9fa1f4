"""The driver's own queries: settings, network, signs of life. Each is a chore, done between messages."""

import time

from drivers.serial import dialects, network_registration
from drivers.serial.acknowledgements import Acknowledgements
from drivers.serial.between_sessions import Place
from drivers.serial.chores import Chore, Chores, Steps
from drivers.serial.ends import Restarted, Silent
from drivers.serial.modem import Identity, Modem
from drivers.serial.network_registration import Registrations
from drivers.serial.restart_signs import CLEARED


class Care:
    """Of one modem in one session. Steps, and what is asked at once, may raise what ends the session."""

    def __init__(self, place: Place, modem: Modem) -> None:
        self._place, self._modem = place, modem
        self.network = Registrations()
        self._identified = Identity()
        self._acknowledgements = Acknowledgements(modem)
        self._started = time.monotonic()
        self._pulses = 0
        never, keep_s = float("inf"), place.timing.keep
        self._watch = Chore(self._ask_registrations, never)
        self._pulse = Chore(self._feel_pulse, place.timing.pulse)
        self._announced = Chore(lambda: place.storage.read_announced(modem), never, keep_s)
        self._setup = Chore(self._set_up, never, keep_s)
        self._retries = Chore(self._retry_settings, place.timing.retry_settings)
        self._health = Chore(self._look_around, place.timing.health, keep_s)
        acknowledging = self._acknowledgements.chore
        self.chores = Chores(
            acknowledging, self._watch, self._pulse, self._announced, self._setup, self._retries, self._health
        )

    # --- at first ---

    def identify(self) -> Identity:
        """Which device it is."""
        self._identified = self._modem.identify()
        self._place.condition.know(model=self._identified.model, imei=self._identified.imei)
        return self._identified

    def find_network(self) -> None:
        """At once, and only until one domain says that the modem is registered."""
        for command, domain in network_registration.QUERIES:
            if self._ask_registration(command, domain) in network_registration.REGISTERED:
                break

    def set_up(self) -> None:
        """What is not needed for a message, unless it takes long: then it goes on between the messages."""
        end, steps = self._started + self._place.timing.setup, self._set_up()
        for waits_for in steps:
            if waits_for is not None or time.monotonic() >= end:
                break
        self._setup.work = lambda: steps
        self._setup.want(time.monotonic())
        self._pulse.want(time.monotonic() + self._place.timing.pulse)

    def _set_up(self) -> Steps:
        modem, condition = self._modem, self._place.condition
        yield from self._learn_settings()
        if not self._identified.imei:
            self.identify()
            yield None
        for setting in dialects.SETTINGS[dialects.URGENT :]:
            modem.dialect.use(setting)
            yield None
        self._acknowledgements.learn()
        yield None
        condition.know(imsi=modem.imsi())
        yield from self._look_at_network()
        yield from self._place.storage.begin(modem)
        self._publish_remarks()
        now = time.monotonic()
        self._retries.want(now + self._place.timing.retry_settings)
        self._health.want(now + self._place.timing.health)

    def _learn_settings(self) -> Steps:
        """Those by which a restart shows."""
        self._modem.settings.forget()
        for command, answer in CLEARED:
            for line in self._modem.lines(command, answer)[:1]:
                self._modem.settings.learn(line)
            yield None

    # --- what the modem has said by itself ---

    def reported(self) -> None:
        """A report, or a message, that wants an acknowledgement of some modems."""
        self._acknowledgements.reported()

    def announced(self) -> None:
        """Something has been stored."""
        self._announced.want(time.monotonic())

    def lost_network(self) -> None:
        """Some modems do not say by themselves when they are back."""
        if self._watch.due == float("inf"):
            self._watch.want(time.monotonic() + self._place.timing.watch)

    def alive(self) -> None:
        """It has sent a message."""
        self._pulse.put_off(time.monotonic())

    def must_acknowledge(self, now: float) -> bool:
        """Whether that comes before any message."""
        return self._acknowledgements.chore.ready_at(now) <= now

    def notice_restart(self) -> None:
        """Of a modem that has no banner. Raises Restarted."""
        if self._modem.has_changed() and self.believes():
            raise Restarted

    def believes(self) -> bool:
        """Whether a sign of a restart is believed: only so many are in an hour."""
        now, signs = time.monotonic(), self._place.signs
        believed = signs.allows(now)
        if believed:
            signs.add(now)
        return believed

    # --- chores ---

    def _feel_pulse(self) -> Steps:
        """Whether it answers at all, and by the settings that a restart clears, whether it has restarted."""
        queries = [*self._modem.settings.queries] or [("AT", "")]
        command, answer = queries[self._pulses % len(queries)]
        self._pulses += 1
        try:
            lines = self._modem.ask(command, answer, timeout_s=self._place.timing.probe).answers
        except Silent:
            self._modem.dialogue.regain()
        else:
            if any(self._modem.settings.differ(line) for line in lines[:1]):
                self.notice_restart()
        yield None

    def _look_around(self) -> Steps:
        self.notice_restart()
        yield None
        yield from self._look_at_network()
        yield from self._place.storage.look(self._modem)
        self._publish_remarks()

    def _look_at_network(self) -> Steps:
        """Registration, signal, operator."""
        yield from self._ask_registrations()
        operator = self._modem.operator() if self.network.registered else ""
        yield None
        self._place.condition.know(signal_dbm=self._modem.signal_dbm(), operator=operator)

    def _ask_registrations(self) -> Steps:
        for command, domain in network_registration.QUERIES:
            self._ask_registration(command, domain)
            yield None

    def _ask_registration(self, command: str, domain: str) -> int | None:
        status = self._modem.registration(command, domain)
        if status is not None:
            self.network.update(domain, status)
        return status

    def _retry_settings(self) -> Steps:
        """What it has refused, perhaps because it was still starting."""
        if time.monotonic() - self._started > self._place.timing.starting:
            self._retries.every_s = float("inf")
            return
        if not self._identified.imei:
            self.identify()
            yield None
        spoken = self._modem.dialect
        before = spoken.refused()
        for setting in before:
            spoken.retry(setting)
            yield None
        if spoken.refused() != before:
            yield from self._learn_settings()
        self._publish_remarks()

    def _publish_remarks(self) -> None:
        place = self._place
        place.condition.know(remarks=(*self._modem.dialect.remarks(), *place.exchange.remarks(time.monotonic())))
