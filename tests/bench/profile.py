"""Where the time of one start, one check and one SMS goes, by part: py-spy looks at the running daemon."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.simulated.modem import SimulatedModem
from tests.bench.load import load
from tests.bench.peers import cpu_s
from tests.bench.services import RIVALS, pinwheel
from tests.bench.speed import numbers as ordinary
from tests.bench.starts import CHECK, CHECKS, CONNECTIONS, START, Numbers, bodies
from tests.gateway import modem_section, until

SECONDS, SAMPLES_A_SECOND = 5.0, 250
MESSAGES, NETWORK_S = 150, 0.02
# The first line that fits the innermost frame that any fits: (in the file's path, part).
PARTS = (
    ("phonenumbers/", "number checks"),
    ("daemon/api/premium", "number checks"),
    ("daemon/api/numbering", "number checks"),
    ("daemon/api/connection", "HTTP"),
    ("daemon/api/params", "parameters"),
    ("daemon/api/verify", "answers"),
    ("daemon/api/v1", "answers"),
    ("daemon/api/json_response", "answers"),
    ("daemon/api/access", "access"),
    ("daemon/api/", "door"),
    ("starlette/", "Starlette"),
    ("uvicorn/", "HTTP"),
    ("logging/", "logging"),
    ("daemon/operations/journal", "logging"),
    ("daemon/operations/log_lines", "logging"),
    ("daemon/core/", "rules"),
    ("daemon/store/", "store"),
    ("daemon/engine", "engine"),
    ("daemon/pins", "PINs"),
    ("daemon/lanes/", "lanes"),
    ("drivers/serial/", "modem driver"),
    ("serial/", "pyserial"),
    ("gsmmodem/", "PDUs"),
    ("asyncio/", "event loop"),
    ("concurrent/", "event loop"),
)


def parts(folded: str) -> Counter[str]:
    """Samples by part, of py-spy's lines `frame;frame;... samples`, the innermost frame last.

    py-spy does not halt the daemon, so it may read a name while that changes: such a line is left out.
    """
    found: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, samples = line.rpartition(" ")
        if samples.isdecimal():
            found[_part(stack.split(";"))] += int(samples)
    return found


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for place, part in PARTS:
            if place in frame:
                return part
    return "else"


@contextmanager
def profiled(pid: int, directory: Path, name: str, found: dict[str, Counter[str]]) -> Iterator[None]:
    """Sample the threads that run, until the block ends."""
    raw = directory / f"{name.replace(' ', '-')}.folded"
    command = [str(RIVALS / "bin" / "py-spy"), "record", "--pid", str(pid), "--rate", str(SAMPLES_A_SECOND)]
    command += [
        "--duration",
        "3600",
        "--gil",
        "--nonblocking",
        "--full-filenames",
        "--format",
        "raw",
        "--output",
        str(raw),
    ]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as spy:  # type: ignore[call-overload]
        time.sleep(1)
        try:
            yield
        finally:
            spy.send_signal(2)  # SIGINT: it writes what it has
            spy.wait(30)
    found[name] = parts(raw.read_text())


def show(directory: Path) -> None:
    """Print the profiles."""
    numbers, found, costs = Numbers(), dict[str, Counter[str]](), dict[str, float]()
    with pinwheel(directory / "absent") as service:
        (pid,) = service.pids
        most = round(SECONDS * 20_000)
        with profiled(pid, directory, "one start", found):
            before = cpu_s(pid)
            started = load(service.socket, bodies(numbers.take(most), most), START, CONNECTIONS, SECONDS)
            costs["one start"] = (cpu_s(pid) - before) / started.good * 1000
        own_code = bodies(numbers.take(CHECKS), CHECKS, "&pin_code=1234")
        ids = load(service.socket, own_code, START, CONNECTIONS, 60).ids
        with profiled(pid, directory, "one check", found):
            before = cpu_s(pid)
            checked = load(
                service.socket, (f"request_id={each}&code=1234" for each in ids), CHECK, CONNECTIONS, SECONDS
            )
            costs["one check"] = (cpu_s(pid) - before) / checked.good * 1000
    costs["one SMS"] = _messages(directory, found)
    print("CPU ms by part, of the time in which the interpreter worked")
    for name, samples in found.items():
        total = samples.total() or 1
        shares = (
            f"{part} {costs[name] * count / total:.3f} ({count / total:.0%})" for part, count in samples.most_common()
        )
        print(
            f"{name} (with its start, {costs[name]:.2f} ms)" if name == "one SMS" else f"{name} ({costs[name]:.2f} ms)"
        )
        print("    " + ", ".join(shares), flush=True)


def _messages(directory: Path, found: dict[str, Counter[str]]) -> float:
    """CPU ms of a message, its start included."""
    modem = SimulatedModem(directory / "modem", network_s=NETWORK_S, report_s=0.02)
    with modem, pinwheel(directory / "sms", modem_section(modem.port)) as service:
        (pid,) = service.pids
        with profiled(pid, directory, "one SMS", found):
            before = cpu_s(pid)
            forms = (f"number={number}&brand=Acme&workflow_id=6" for number in ordinary(MESSAGES))
            assert load(service.socket, forms, START, 1, 60).good == MESSAGES
            until(lambda: len(modem.accepted) >= MESSAGES, "all messages", 120)
            return (cpu_s(pid) - before) / MESSAGES * 1000
