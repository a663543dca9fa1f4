"""gammu-smsd and smstools3 from Debian, on the same simulated modem as Pinwheel.

Quick, they do nothing but send, as fast as they can. Watchful, they do what Pinwheel does: a delivery report of every
message, within about a second, what comes in, and how the modem, its SIM and the network are.
"""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.gateway import UNLIMITED, Gateway, modem_section

GAMMU = """[gammu]
device = {port}
connection = at115200
[smsd]
logfile = {directory}/log
loopsleep = 1
commtimeout = 5
sendtimeout = 30
{work}"""
GAMMU_FILES = """service = files
inboxpath = {directory}/in/
outboxpath = {directory}/out/
sentsmspath = {directory}/sent/
errorsmspath = {directory}/failed/
"""
GAMMU_SQLITE = """service = sql
driver = sqlite3
dbdir = {directory}/
database = gammu.db
"""
GAMMU_SCHEMA = Path("/usr/share/doc/gammu-smsd/examples/sqlite.sql")
SMSTOOLS = """devices = GSM1
outgoing = {directory}/out
checked = {directory}/checked
incoming = {directory}/in
sent = {directory}/sent
failed = {directory}/failed
logfile = {directory}/log
infofile = {directory}/run/info
pidfile = {directory}/run/pid
delaytime = 1
delaytime_mainprocess = 1
blocktime = 5
receive_before_send = yes
loglevel = 4
[GSM1]
device = {port}
signal_quality_ber_ignore = yes
{work}"""


@dataclass(frozen=True, slots=True)
class Work:
    """What a peer does. reports: it asks for one of each message. gammu, smstools: lines of their configuration."""

    reports: bool
    gammu: str
    smstools: str


QUICK = Work(
    reports=False,
    gammu="""statusfrequency = 0
receivefrequency = 3600
checksecurity = 0
checkbattery = 0
checksignal = 0
checknetwork = 0
""",
    smstools="""incoming = no
report = no
check_network = 0
""",
)
WATCHFUL = Work(
    reports=True,
    gammu="""receivefrequency = 1
deliveryreport = sms
""",
    smstools="""init = AT+CNMI=2,1,0,2,0
incoming = yes
report = yes
""",
)
FOLDERS = ("in", "out", "checked", "sent", "failed", "run")


class Sender(Protocol):
    """A running sender: `send` hands a message over and returns; pid is its process."""

    @property
    def pid(self) -> int: ...

    def send(self, number: str) -> None: ...

    def arrived(self) -> int:
        """Messages of which it knows that they arrived; a quick one knows of none."""
        ...


@dataclass(frozen=True, slots=True)
class Pinwheel:
    gateway: Gateway
    pid: int

    def send(self, number: str) -> None:
        self.gateway.verify(number, workflow_id=6)

    def arrived(self) -> int:
        """By its database, since to ask it costs CPU."""
        with contextlib.closing(sqlite3.connect(self.gateway.directory / "pinwheel.db")) as database:
            (count,) = database.execute("SELECT count(*) FROM attempt WHERE state = 'delivered'").fetchone()
        return int(count)


@contextlib.contextmanager
def pinwheel(directory: Path, *ports: str) -> Iterator[Pinwheel]:
    """It has no other way than to be watchful."""
    directory.mkdir()
    sections = [modem_section(port, f"sim{i}") for i, port in enumerate(ports)]
    with Gateway(directory, "".join(sections) + UNLIMITED, log_level="info") as gateway:
        assert gateway.process is not None
        yield Pinwheel(gateway, gateway.process.pid)


@dataclass(frozen=True, slots=True)
class Spooler:
    """A sender that takes files from a folder."""

    directory: Path
    pid: int
    name: str  # of a file, with {number}
    content: str

    def send(self, number: str) -> None:
        """As a careful program does: written elsewhere, then moved in whole."""
        file = self.directory / "run" / self.name.format(number=number)
        file.write_text(self.content.format(number=number))
        os.rename(file, self.directory / "out" / file.name)

    def arrived(self) -> int:
        """Reports are incoming messages, which name the number in the file's name or in its first line."""
        texts = (f"{file.name} {file.read_text(errors='replace')}" for file in (self.directory / "in").iterdir())
        return len({found[0] for text in texts if (found := re.search(r"4477\d{8}", text))})


@dataclass(frozen=True, slots=True)
class Outbox:
    """A sender that takes rows from a table (gammu-smsd-sql(7))."""

    database: sqlite3.Connection
    log: Path
    pid: int
    reports: bool

    def send(self, number: str) -> None:
        self.database.execute(
            "INSERT INTO outbox (DestinationNumber, TextDecoded, CreatorID, Coding, DeliveryReport)"
            " VALUES (?, 'Acme code: 1234.', 'bench', 'Default_No_Compression', ?)",
            (f"+{number}", "yes" if self.reports else "no"),
        )

    def arrived(self) -> int:
        """By its log: Debian's build reads the reports, but does not find the messages ("DBI error -6")."""
        return len(set(re.findall(r"Delivered to \+(\d+)", self.log.read_text())))


@contextlib.contextmanager
def gammu(directory: Path, port: str, work: Work) -> Iterator[Spooler]:
    config = _prepare(directory, GAMMU + GAMMU_FILES, port, work.gammu)
    name = "OUTC20261124_000000_00_+{number}_sms0.txt" + "d" * work.reports
    with _running("gammu-smsd", "--config", str(config)) as pid:
        yield Spooler(directory, pid, name, "Acme code: 1234.")


@contextlib.contextmanager
def gammu_sqlite(directory: Path, port: str, work: Work) -> Iterator[Outbox]:
    config = _prepare(directory, GAMMU + GAMMU_SQLITE, port, work.gammu)
    with contextlib.closing(sqlite3.connect(directory / "gammu.db", timeout=30, isolation_level=None)) as database:
        database.executescript(GAMMU_SCHEMA.read_text())
        with _running("gammu-smsd", "--config", str(config)) as pid:
            yield Outbox(database, directory / "log", pid, work.reports)


@contextlib.contextmanager
def smstools(directory: Path, port: str, work: Work) -> Iterator[Spooler]:
    config = _prepare(directory, SMSTOOLS, port, work.smstools)
    with _running("smsd", "-t", "-c", str(config)) as pid:
        yield Spooler(directory, pid, "{number}", "To: {number}\n\nAcme code: 1234.")


@dataclass(frozen=True, slots=True)
class Peer:
    """packages: of Debian; the first one's version is the peer's."""

    run: Callable[[Path, str, Work], AbstractContextManager[Sender]]
    packages: tuple[str, ...]

    @property
    def version(self) -> str:
        """ "" where a package is not installed."""
        versions = [_version(package) for package in self.packages]
        return versions[0] if all(versions) else ""


PEERS = {
    "gammu-smsd, files": Peer(gammu, ("gammu-smsd",)),
    "gammu-smsd, SQLite": Peer(gammu_sqlite, ("gammu-smsd", "libdbd-sqlite3")),
    "smstools3": Peer(smstools, ("smstools",)),
}


def _version(package: str) -> str:
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return found.stdout.strip()


def _prepare(directory: Path, template: str, port: str, work: str) -> Path:
    for folder in FOLDERS:
        (directory / folder).mkdir(parents=True)
    config = directory / "config"
    config.write_text(template.format(directory=directory, port=port, work=work))
    return config


@contextlib.contextmanager
def _running(program: str, *arguments: str) -> Iterator[int]:
    command = [shutil.which(program) or program, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def cpu_s(pid: int) -> float:
    """User and system time of a process and all below it, in seconds (proc(5))."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(_own_ticks(member) for member in family(pid)) / ticks


def family(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                members += [int(child) for child in task.read_text().split()]
    return members


def _own_ticks(pid: int) -> int:
    """utime, stime, and those of children that have ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15])
    return 0
