"""Every fault that a modem is known for, in the middle of twelve messages: is one lost, sent twice, or stuck?"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from daemon.client.connection import Unreachable
from drivers.simulated.dialect import STANDARD, Dialect
from drivers.simulated.modem import SimulatedModem
from tests.gateway import UNLIMITED, Gateway, modem_section, until

MESSAGES = 12
NETWORK_S = 0.5
AT_A_TIME = 4
PATIENCE_S = 400.0
BACK_WITHIN_S = 5.0
UNDER_WAY = ("queued", "sending")
ANSWERING = Dialect(meanwhile=True)  # commands while the network has a message
MULTITASKING = Dialect(multitasking=True)  # and the next message, too
PLAIN = [f"4477009{i:03d}00" for i in range(MESSAGES)]


@dataclass
class Scene:
    """One daemon, one modem, and the moment of its return."""

    gateway: Gateway
    modem: SimulatedModem
    directory: Path
    back_at: float | None = None
    noticed_s: float | None = None  # from the fault until the driver did something about it

    def on_wire(self) -> None:
        """Wait until the message after the first four is with the network."""
        until(lambda: len(self.modem.accepted) >= 4, "the first messages", 60)
        count = self.modem.commands["+CMGS"]
        until(lambda: self.modem.commands["+CMGS"] > count, "the next message", 60)
        time.sleep(0.2)

    def on_slow_wire(self) -> None:
        """Wait until the network takes its time for a message."""

        def slow() -> bool:
            what, at = self.modem.moments[-1]
            return what == "AT+CMGS" and time.monotonic() > at + 4 * NETWORK_S

        until(slow, "a message that takes long", 60)

    def accepted(self, after: int = 5) -> None:
        until(lambda: len(self.modem.accepted) >= after, "the message is accepted", 60)

    def back(self) -> None:
        self.back_at = time.monotonic()

    def notices(self, condition: Callable[[], bool]) -> None:
        """Measure how long it takes from now on."""
        started = time.monotonic()
        until(condition, "it is noticed", PATIENCE_S)
        self.noticed_s = time.monotonic() - started

    def away(self, seconds: float) -> None:
        self.modem.unplug()
        time.sleep(seconds)
        self.modem.replug()
        self.back()


def unplugged(scene: Scene) -> None:
    scene.on_wire()
    scene.away(3)


def unplugged_accepted(scene: Scene) -> None:
    until(lambda: len(scene.modem.accepted) >= 4, "the first messages", 60)
    scene.modem.lose_answer(True)
    scene.accepted()
    scene.away(3)


def unplugged_at_prompt(scene: Scene) -> None:
    until(lambda: len(scene.modem.accepted) >= 4, "the first messages", 60)
    scene.modem.delay_prompt(None)
    count = scene.modem.commands["+CMGS"]
    until(lambda: scene.modem.commands["+CMGS"] > count, "the next message", 60)
    scene.away(3)


def unplugged_long(scene: Scene) -> None:
    scene.on_wire()
    scene.away(15)


def hung(scene: Scene) -> None:
    scene.on_wire()
    scene.modem.hang(True)
    time.sleep(45)
    scene.modem.hang(False)
    scene.modem.reboot()
    scene.back()


def mute(scene: Scene) -> None:
    scene.modem.hang(True)
    scene.notices((scene.directory / "cut").exists)
    scene.modem.hang(False)
    scene.modem.reboot()
    scene.back()


def mute_in_mid_send(scene: Scene) -> None:
    scene.on_wire()
    mute(scene)


def half_sent(scene: Scene) -> None:
    until(lambda: len(scene.modem.accepted) >= MESSAGES // 2, "the first half", 60)
    time.sleep(1)


def mute_idle(scene: Scene) -> None:
    half_sent(scene)
    mute(scene)


def rebooted_idle(scene: Scene) -> None:
    half_sent(scene)
    scene.modem.reboot()
    scene.back()


def quiet_reboot(scene: Scene) -> None:
    known = scene.modem.commands["+CNMI"]
    scene.modem.reboot(banner=False, echo=False)
    scene.notices(lambda: scene.modem.commands["+CNMI"] > known)
    scene.back()


def rebooted_quietly(scene: Scene) -> None:
    half_sent(scene)
    quiet_reboot(scene)


def rebooted_quietly_in_mid_send(scene: Scene) -> None:
    scene.on_wire()
    quiet_reboot(scene)


def rebooted(scene: Scene) -> None:
    scene.on_wire()
    scene.modem.reboot()
    scene.back()


def answer_lost(scene: Scene) -> None:
    scene.modem.lose_answer(True)


def prompt_missing(scene: Scene) -> None:
    scene.modem.delay_prompt(None)


def prompt_late(scene: Scene) -> None:
    scene.modem.delay_prompt(8)


def garbage(scene: Scene) -> None:
    for _ in range(40):
        scene.modem.noise(bytes(range(0x80, 0x100)) + b"\r\n\x00\xff")
        time.sleep(0.1)


def refused(code: int, times: int = 1, kind: str = "CMS") -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        scene.accepted(3)
        scene.modem.refuse(code, times, kind=kind)

    return happen


def refused_for(seconds: float, code: int, kind: str = "CMS") -> Callable[[Scene], None]:
    """Every message, for so long."""

    def happen(scene: Scene) -> None:
        scene.accepted(3)
        scene.modem.refuse(code, 1000, kind=kind)
        time.sleep(seconds)
        scene.modem.accept()
        scene.back()

    return happen


def slow_network(answer_s: float, code: int | None = None) -> Callable[[Scene], None]:
    """One message's answer takes so long; it is this error, if one is given."""

    def happen(scene: Scene) -> None:
        scene.accepted(3)
        scene.modem.network_s = answer_s
        scene.on_slow_wire()
        scene.modem.network_s = NETWORK_S
        if code is not None:
            scene.modem.refuse(code)

    return happen


def recipient_unreachable(scene: Scene) -> None:
    scene.modem.refuse(38, 3, number=PLAIN[0])


def registration_lost(scene: Scene) -> None:
    scene.on_wire()
    scene.modem.register(2)
    time.sleep(20)
    scene.modem.register(1)
    scene.back()


def registration_back_without_a_word(scene: Scene) -> None:
    scene.on_wire()
    scene.modem.register(2, announced=False)
    time.sleep(20)
    scene.modem.register(1, announced=False)
    scene.back()


def storage_full(scene: Scene) -> None:
    scene.on_wire()
    scene.modem.fill()


def ring_storm(scene: Scene) -> None:
    for _ in range(200):
        scene.modem.say("RING")
        scene.modem.say('+CLIP: "+447700900999",145,,,,0')
        time.sleep(0.03)


def daemon_killed(scene: Scene) -> None:
    scene.on_wire()
    scene.gateway.kill()
    scene.gateway.start()
    scene.back()


@dataclass(frozen=True, slots=True)
class Fault:
    """name: as the table says it; happen: what makes it; late: so many messages wait until it has happened.

    doubtful: an answer is lost, so that one message may go out twice (`on_uncertain = "resend"`). dialect: the
    modem's habits. noticed_s: at the latest. back_s: from the modem's return to the next message, at the latest.
    """

    name: str
    happen: Callable[[Scene], None]
    doubtful: bool = False
    late: int = 0
    dialect: Dialect = STANDARD
    noticed_s: float = float("inf")
    back_s: float = BACK_WITHIN_S
    numbers: list[str] = field(default_factory=lambda: PLAIN)


FAULTS = (
    Fault("unplugged 3 s in mid-send, not accepted", unplugged, doubtful=True),
    Fault("unplugged 3 s in mid-send, accepted", unplugged_accepted, doubtful=True),
    Fault("unplugged 3 s at the prompt", unplugged_at_prompt),
    Fault("unplugged 15 s in mid-send", unplugged_long, doubtful=True),
    Fault("hung in mid-send, power cycle after 45 s", hung, doubtful=True),
    Fault("mute in mid-send, only power_cycle helps", mute_in_mid_send, True, dialect=ANSWERING, noticed_s=60),
    Fault("the same, and it never answers meanwhile", mute_in_mid_send, doubtful=True),
    Fault("mute while idle, only power_cycle helps", mute_idle, late=MESSAGES // 2, noticed_s=60),
    Fault("restarted by itself, idle", rebooted_idle, late=MESSAGES // 2),
    Fault("restarted by itself, idle, without a banner", rebooted_quietly, late=MESSAGES // 2, noticed_s=10),
    Fault("the same, in mid-send", rebooted_quietly_in_mid_send, True, dialect=ANSWERING, noticed_s=10),
    Fault("restarted by itself, in mid-send", rebooted, doubtful=True),
    Fault("OK lost, accepted", answer_lost, doubtful=True),
    Fault("OK 45 s late", lambda _: None, doubtful=True, numbers=["447700900183", *PLAIN[1:]]),
    Fault("network slow once, OK after 120 s", slow_network(120), doubtful=True),
    Fault("the same, of a modem that answers meanwhile", slow_network(120), doubtful=True, dialect=ANSWERING),
    Fault("network slow once, OK after 170 s", slow_network(170), doubtful=True),
    Fault("network slow once, CMS 350 after 135 s", slow_network(135, 350), doubtful=True),
    Fault("the same, and it takes the next meanwhile", slow_network(45, 350), doubtful=True, dialect=MULTITASKING),
    Fault("OK 45 s late, and it takes the next meanwhile", slow_network(45), doubtful=True, dialect=MULTITASKING),
    Fault("no prompt", prompt_missing),
    Fault("prompt 8 s late", prompt_late),
    Fault("garbage on the line", garbage, numbers=["447700900188", *PLAIN[1:]]),
    Fault("CMS 500 once", refused(500)),
    Fault("CMS 500 five times", refused(500, 5)),
    Fault("CMS 515", refused(515)),
    Fault("CME 14", refused(14, kind="CME")),
    Fault("CMS 515 for 40 s", refused_for(40, 515)),
    Fault("CME 14 for 40 s", refused_for(40, 14, "CME")),
    Fault("CMS 38 for 40 s", refused_for(40, 38)),
    Fault("one recipient out of reach, CMS 38 thrice", recipient_unreachable),
    Fault("registration lost for 20 s", registration_lost),
    Fault("the same, and it does not tell when it is back", registration_back_without_a_word, back_s=3),
    Fault("1.5 s for the answer to each command", lambda _: None, dialect=Dialect(command_s=1.5)),
    Fault("storage full", storage_full),
    Fault("ring storm", ring_storm),
    Fault("kill -9 of the daemon in mid-send", daemon_killed, doubtful=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the twelve. lied: reported otherwise than it was; back_s: from the modem's return to AT+CMGS.

    noticed_s: of the Scene.
    """

    delivered: int
    uncertain: int
    twice: int
    lied: int
    stuck: int
    stall_s: float
    back_s: float | None
    noticed_s: float | None
    took_s: float

    def clean(self, fault: Fault) -> bool:
        honest = self.delivered + self.uncertain == MESSAGES and not (self.stuck or self.lied)
        in_time = (self.back_s or 0.0) <= fault.back_s and (self.noticed_s or 0.0) <= fault.noticed_s
        return honest and in_time and self.twice <= (1 if fault.doubtful else 0)


def run(fault: Fault, directory: Path) -> Outcome:
    """Twelve messages with one fault among them."""
    directory.mkdir()
    port, cut = directory / "modem", directory / "cut"
    with SimulatedModem(port, network_s=NETWORK_S, report_s=0.2, dialect=fault.dialect) as modem:
        section = modem_section(str(port), more=f'power_cycle = "touch {cut}"\n') + UNLIMITED
        with Gateway(directory, section, log_level="info") as gateway:
            scene = Scene(gateway, modem, directory)
            started = time.monotonic()
            happening = threading.Thread(target=fault.happen, args=(scene,))
            early = fault.numbers[: MESSAGES - fault.late]
            ids = {_start(gateway, number): number for number in early[: len(early) // 4]}
            happening.start()
            ids |= {_start(gateway, number): number for number in early[len(early) // 4 :]}
            if fault.late:
                happening.join()
                ids |= {_start(gateway, number): number for number in fault.numbers[len(early) :]}
            states = _settled(gateway, ids)
            happening.join()
            return _judged(scene, ids, states, started)


def _start(gateway: Gateway, number: str) -> str:
    """A request, also while the daemon is down for a moment."""
    end = time.monotonic() + 30
    while True:
        try:
            return gateway.verify(number, workflow_id=6, pin_expiry=3600)
        except Unreachable:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _settled(gateway: Gateway, ids: dict[str, str]) -> dict[str, str]:
    """The state of each request's delivery, once none is under way, or the patience is over."""
    states = dict.fromkeys(ids, "queued")

    def done() -> bool:
        with suppress(Unreachable):
            for request in ids:
                if states[request] not in ("delivered", "failed"):
                    states[request] = gateway.request(request)["attempts"][0]["state"]
        return not any(state in (*UNDER_WAY, "sent") for state in states.values())

    with suppress(AssertionError):
        until(done, "every delivery is settled", PATIENCE_S)
    return states


def _judged(scene: Scene, ids: dict[str, str], states: dict[str, str], started: float) -> Outcome:
    times = Counter(number for number, _ in scene.modem.accepted)
    arrived = [request for request, state in states.items() if state in ("sent", "delivered")]
    accepted_at = [at for what, at in scene.modem.moments if what == "accepted"]
    tried_at = [at for what, at in scene.modem.moments if what == "AT+CMGS" and at >= (scene.back_at or 0)]
    return Outcome(
        delivered=len(arrived),
        uncertain=sum(state == "uncertain" for state in states.values()),
        twice=sum(count - 1 for count in times.values()),
        lied=sum(times[ids[request]] == 0 for request in arrived)
        + sum(times[ids[r]] > 0 for r, state in states.items() if state in ("failed", "refused", "dropped")),
        stuck=sum(state in UNDER_WAY for state in states.values()),
        stall_s=max((b - a for a, b in pairwise(accepted_at)), default=0.0),
        back_s=min(tried_at) - scene.back_at if scene.back_at and tried_at else None,
        noticed_s=scene.noticed_s,
        took_s=time.monotonic() - started,
    )


HEAD = f"{'fault':46}{'arrived':>8}{'uncertain':>10}{'twice':>6}{'lied':>5}{'stuck':>6}{'stall s':>8}"
HEAD += f"{'noticed s':>10}{'back s':>7}"


def campaign(directory: Path, names: Callable[[str], bool] = lambda _: True) -> bool:
    """Every fault, several at a time; prints the table. Whether all rows are clean."""
    print(HEAD, flush=True)
    clean = True
    faults = [fault for fault in FAULTS if names(fault.name)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        rows = pool.map(lambda pair: run(pair[1], directory / str(pair[0])), enumerate(faults))
        for fault, outcome in zip(faults, rows, strict=True):
            clean &= outcome.clean(fault)
            print(_row(fault, outcome), flush=True)
    return clean


def _row(fault: Fault, o: Outcome) -> str:
    back, noticed = ("" if seconds is None else f"{seconds:.1f}" for seconds in (o.back_s, o.noticed_s))
    counts = (
        f"{o.delivered:>8}{o.uncertain:>10}{o.twice:>6}{o.lied:>5}{o.stuck:>6}{o.stall_s:>8.1f}{noticed:>10}{back:>7}"
    )
    return f"{fault.name:46}{counts}{'' if o.clean(fault) else '  NOT CLEAN'}"
