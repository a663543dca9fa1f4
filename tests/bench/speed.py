"""How much of a modem's time is used, and how soon an idle one begins: Pinwheel beside its peers, in the same run."""

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.bench.peers import PEERS, QUICK, WATCHFUL, Sender, Work, cpu_s, pinwheel
from tests.gateway import until

BURSTS = ((0.5, 50), (3.0, 10))  # the network's seconds for a message, messages
IDLE = {"Pinwheel": 50}  # single messages; the others are slow
IDLE_OF_OTHERS = 10
START_S = 60.0
REPORTS_S = 60.0
INIT_S = 5.0  # for senders that do not say when they are ready
REPORTS = 200
POOL = 4
POOL_MESSAGES = 48

SENDERS = ("Pinwheel", *PEERS)


@dataclass(frozen=True, slots=True)
class Speed:
    """utilisation: by the network's seconds; idle_ms: request to AT+CMGS; cpu_ms: of a message in the first burst."""

    name: str
    utilisation: dict[float, float]
    idle_ms: list[float]
    cpu_ms: float


def numbers(count: int, first: int = 0) -> list[str]:
    """Ordinary handsets, each once."""
    return [f"4477{first + i:06d}00" for i in range(count)]


def measure(name: str, directory: Path) -> Speed:
    """One sender: a burst at each latency, then one message at a time."""
    utilisation: dict[float, float] = {}
    cpu_ms = 0.0
    for network_s, count in BURSTS:
        with _running(name, directory / f"burst{network_s:g}", network_s) as (modem, sender):
            before = cpu_s(sender.pid)
            utilisation[network_s] = _burst(modem, sender, network_s, count)
            cpu_ms = cpu_ms or (cpu_s(sender.pid) - before) / count * 1000
    with _running(name, directory / "idle", 0.05) as (modem, sender):
        idle_ms = [_idle_ms(modem, sender, number) for number in numbers(IDLE.get(name, IDLE_OF_OTHERS), 5000)]
    return Speed(name, utilisation, idle_ms, cpu_ms)


def watchful_cpu_ms(name: str, directory: Path) -> float:
    """CPU of a message of a burst, until the sender knows of each that it arrived."""
    network_s, count = BURSTS[0]
    with _running(name, directory, network_s, WATCHFUL) as (modem, sender):
        until(lambda: sender.arrived() == 1, "the first report", REPORTS_S)
        before = cpu_s(sender.pid)
        _burst(modem, sender, network_s, count)
        until(lambda: sender.arrived() == 1 + count, f"{count} reports", REPORTS_S)
        return (cpu_s(sender.pid) - before) / count * 1000


@contextmanager
def _running(
    name: str, directory: Path, network_s: float, work: Work = QUICK
) -> Iterator[tuple[SimulatedModem, Sender]]:
    """A modem and a sender on it that has sent its first message."""
    directory.mkdir(parents=True)
    keeps_reports = "SM" if name in PEERS and work.reports else ""  # they read no +CDS
    with (
        SimulatedModem(
            directory / "modem", network_s=0.05, report_s=0.05, dialect=Dialect(keeps_reports=keeps_reports)
        ) as modem,
        _sender(name, directory / "sender", modem.port, work) as sender,
    ):
        sender.send("447700900100")
        until(lambda: modem.accepted, "the first message", START_S)
        time.sleep(INIT_S)
        modem.network_s = network_s
        yield modem, sender


def _sender(name: str, directory: Path, port: str, work: Work) -> AbstractContextManager[Sender]:
    return PEERS[name].run(directory, port, work) if name in PEERS else pinwheel(directory, port)


def _burst(modem: SimulatedModem, sender: Sender, network_s: float, count: int) -> float:
    """Messages handed over at once: the part of the time in which the network had one."""
    modem.moments.clear()
    already = len(modem.accepted)
    for number in numbers(count):
        sender.send(number)
    until(lambda: len(modem.accepted) >= already + count, f"{count} messages", 20 + count * (network_s + 3))
    commands = [at for what, at in modem.moments if what == "AT+CMGS"]
    accepted = [at for what, at in modem.moments if what == "accepted"]
    return count * network_s / (accepted[-1] - commands[0])


def _idle_ms(modem: SimulatedModem, sender: Sender, number: str) -> float:
    """From the request to the modem's command, after a pause of no particular length."""
    time.sleep(random.uniform(0.2, 0.5))
    modem.moments.clear()
    already = len(modem.accepted)
    asked = time.monotonic()
    sender.send(number)
    until(lambda: len(modem.accepted) > already, "the message", START_S)
    return (modem.moments[0][1] - asked) * 1000


def pool(directory: Path) -> float:
    """How much faster four modems are than one could be."""
    network_s = 0.5
    with ExitStack() as stack:
        directory.mkdir(parents=True)
        modems = [SimulatedModem(directory / f"modem{i}", network_s=network_s, report_s=0.05) for i in range(POOL)]
        for modem in modems:
            stack.enter_context(modem)
        sender = stack.enter_context(pinwheel(directory / "sender", *(modem.port for modem in modems)))
        for number in numbers(POOL_MESSAGES):
            sender.send(number)
        until(lambda: sum(len(modem.accepted) for modem in modems) >= POOL_MESSAGES, "all messages", 120)
    moments = [moment for modem in modems for moment in modem.moments]
    began = min(at for what, at in moments if what == "AT+CMGS")
    ended = max(at for what, at in moments if what == "accepted")
    return POOL_MESSAGES * network_s / (ended - began)


def reports(directory: Path) -> int:
    """Of so many messages back to back, with their reports among them: how many requests know that theirs arrived."""
    directory.mkdir(parents=True)
    modem = SimulatedModem(directory / "modem", network_s=0.05, report_s=0.08)
    with modem, pinwheel(directory / "sender", modem.port) as sender:
        ids = [sender.gateway.verify(number, workflow_id=6) for number in numbers(REPORTS)]

        def counted() -> int:
            return sum(sender.gateway.request(each)["attempts"][0]["state"] == "delivered" for each in ids)

        until(lambda: len(modem.accepted) >= REPORTS, "all messages", 120)
        end = time.monotonic() + 10
        while counted() < REPORTS and time.monotonic() < end:
            time.sleep(0.2)
        return counted()


def row(speed: Speed) -> str:
    by_latency = "".join(f"{speed.utilisation[network_s]:>12.3f}" for network_s, _ in BURSTS)
    idle = f"{statistics.median(speed.idle_ms):>14.1f}{max(speed.idle_ms):>14.1f}"
    return f"{label(speed.name):34}{by_latency}{idle}{speed.cpu_ms:>16.1f}"


def label(name: str) -> str:
    return f"{name} {PEERS[name].version}" if name in PEERS else name


HEAD = f"{'':34}{'use @0.5 s':>12}{'use @3 s':>12}{'idle ms, med':>14}{'idle ms, max':>14}{'CPU ms/message':>16}"
