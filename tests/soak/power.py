"""The power fails: what the daemon wrote is recorded, cut at each of its syncs, and opened again.

strace records each write and each sync of the database's files with its time. What was written since the last sync of
a file may be on the disk or not, in any of its sectors: of each cut one state has none of it, and one a part by chance.
A file's entry in its directory is taken to be there. Whatever a client was told before the next sync ended must be
found in both, and the database must be whole.
"""

import contextlib
import random
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from daemon.store.sqlite.library import sqlite
from drivers.simulated.modem import SimulatedModem
from tests.gateway import UNLIMITED, Gateway, modem_section

CLIENTS, EACH = 4, 180  # clients, and the requests that each starts and checks
SECTOR = 512  # octets that reach a disk together
CALLS = "write,pwrite64,lseek,fsync,fdatasync,ftruncate"
LINE = re.compile(r"(\d+\.\d+) (\w+)\(\d+<([^>]*)>(?:, (.*))?\) += (\d+) <(\d+\.\d+)>")
STARTED, VERIFIED = "IN PROGRESS", "SUCCESS"
LONGEST = 1 << 20  # octets of one write


@dataclass(frozen=True, slots=True)
class Told:
    """What a client was told, and when: from then on the request is there, with this status or a later one."""

    at: float
    request_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Call:
    """A system call on a file of the database. data: what was written; None: the file was cut at `offset`."""

    ended: float
    file: str
    offset: int = 0
    data: bytes | None = None
    sync: bool = False


@dataclass
class Result:
    """checkpoints: syncs of the file itself. lost: what a client was told and a cut did not have. damaged: what SQLite
    said of a cut."""

    told: int
    cuts: int = 0
    writes: int = 0
    checkpoints: int = 0
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return bool(self.checkpoints) and not (self.lost or self.damaged)


def campaign(directory: Path, seed: int = 1) -> Result:
    with SimulatedModem(directory / "modem", network_s=0.01, report_s=0.02) as modem:
        devices = modem_section(modem.port) + UNLIMITED
        with Gateway(directory, devices, log_level="warning") as gateway:
            assert gateway.process is not None
            files = [gateway.database, Path(f"{gateway.database}-wal")]
            with recorded(gateway.process.pid, files, directory / "strace"):
                before = {str(file): bytearray(file.read_bytes()) for file in files}
                told = traffic(gateway)
                gateway.kill()
    return judged(before, calls(directory), told, directory / "cut", random.Random(seed))


@contextlib.contextmanager
def recorded(pid: int, files: Sequence[Path], into: Path) -> Iterator[None]:
    paths = [argument for file in files for argument in ("-P", str(file))]
    command = ["strace", "-ff", "-y", "-ttt", "-T", "-xx", "-s", str(LONGEST), "-e", f"trace={CALLS}", "-o", str(into)]
    with subprocess.Popen([*command, *paths, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        time.sleep(1)  # until every thread is
        yield
        tracer.wait(30)


def traffic(gateway: Gateway) -> list[Told]:
    """Requests that are started and checked at once, by several clients."""
    told: list[Told] = []

    def client(place: int) -> None:
        for count in range(EACH):
            started = gateway.verify(f"447{place}{count:06d}00", workflow_id=6, pin_code="1234")
            told.append(Told(time.time(), started, STARTED))
            if gateway.client.verify("check", request_id=started, code="1234")["status"] == "0":
                told.append(Told(time.time(), started, VERIFIED))

    threads = [threading.Thread(target=client, args=(place,)) for place in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def calls(directory: Path) -> list[Call]:
    """What strace saw, a file for each thread, in order of time."""
    found: list[tuple[float, Call]] = []
    for log in directory.glob("strace.*"):
        places: dict[str, int] = {}
        for line in log.read_text().splitlines():
            if seen := LINE.match(line):
                began, call = _call(seen, places)
                found += [(began, call)] if call is not None else []
    return [call for _, call in sorted(found, key=lambda each: each[0])]


def _call(seen: "re.Match[str]", places: dict[str, int]) -> tuple[float, Call | None]:
    """places: where each file's descriptor of this thread stands; SQLite seeks before each write."""
    began, what, path, rest, given, took = seen.groups()
    file, ended, result = str(_octets(path).decode()), float(began) + float(took), int(given)
    if what == "lseek":
        places[file] = result
        return float(began), None
    if what in ("fsync", "fdatasync"):
        return float(began), Call(ended, file, sync=True)
    if what == "ftruncate":
        return float(began), Call(ended, file, int(rest))
    data, _, more = rest[1:].partition('"')
    offset = int(more.split(", ")[2]) if what == "pwrite64" else places[file]
    places[file] = offset + result
    return float(began), Call(ended, file, offset, _octets(data)[:result])


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


def judged(
    durable: dict[str, bytearray], recording: list[Call], told: list[Told], cut: Path, rng: random.Random
) -> Result:
    result, pending = Result(len(told)), list[Call]()
    for call in [*recording, Call(time.time(), "", sync=True)]:
        if not call.sync:
            result.writes += 1
            pending.append(call)
            continue
        promised = [each for each in told if each.at < call.ended]
        for torn in ((), tuple(_part(pending, rng))):
            _look(durable, torn, promised, cut, result)
        result.cuts += 1
        result.checkpoints += call.file.endswith(".db")
        for each in pending:
            if each.file == call.file:
                _apply(durable, each)
        pending = [each for each in pending if each.file != call.file]
    return result


def _part(pending: list[Call], rng: random.Random) -> Iterator[Call]:
    """Some of the sectors that were written, as a disk may have them."""
    for call in pending:
        if call.data is None:
            if rng.random() < 0.5:
                yield call
            continue
        for start in range(0, len(call.data), SECTOR):
            if rng.random() < 0.5:
                yield Call(call.ended, call.file, call.offset + start, call.data[start : start + SECTOR])


def _apply(files: dict[str, bytearray], call: Call) -> None:
    content = files[call.file]
    if call.data is None:
        del content[call.offset :]
        return
    content.extend(bytes(max(call.offset - len(content), 0)))
    content[call.offset : call.offset + len(call.data)] = call.data


def _look(durable: dict[str, bytearray], torn: Sequence[Call], promised: list[Told], cut: Path, result: Result) -> None:
    """Open what is on the disk, as the next start does."""
    files = {name: bytearray(content) for name, content in durable.items()} if torn else durable
    for call in torn:
        _apply(files, call)
    cut.mkdir(exist_ok=True)
    for old in cut.iterdir():
        old.unlink()
    for name, content in files.items():
        (cut / Path(name).name).write_bytes(content)
    (database,) = (path for path in cut.iterdir() if path.suffix == ".db")
    try:
        with closing(sqlite.connect(str(database))) as db:
            whole = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            status = dict(db.execute("SELECT public_id, status FROM request").fetchall())
    except sqlite.Error as exc:
        whole, status = str(exc), {}
    if whole != "ok":
        result.damaged.append(whole)
    for each in promised:
        if status.get(each.request_id) not in (each.status, VERIFIED):
            result.lost.append(f"{each.request_id} {each.status}")
