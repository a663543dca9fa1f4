"""A PostgreSQL of our own: Debian's server on a directory of its own, never the machine's."""

import contextlib
import glob
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from daemon.store.postgres.address import Address
from tests.gateway import until

PORT = 5432  # in the name of the Unix socket only: nothing listens on TCP
OWNER, PASSWORD = "pinwheel", "horse staple/@"
ROOM = 1 << 30  # octets
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "log_min_messages": "warning",
}


def binaries() -> Path | None:
    """The newest that Debian has installed."""
    versions = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4]))
    return Path(versions[-1]).parent if versions else None


class Cluster:
    """A server and its databases. It runs as an unprivileged user: PostgreSQL refuses root."""

    def __init__(self, directory: Path) -> None:
        found = binaries()
        assert found is not None, "PostgreSQL is not installed: make packages"
        self.directory = directory
        self._bin = found
        self._data = directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"pinwheel{i}" for i in itertools.count(1))
        password = directory / "password"
        password.write_text(PASSWORD)
        who = _unprivileged()
        if who is not None:
            os.chown(directory, *who)
            os.chown(password, *who)
        self._as = _as(who)
        local = ["--auth-local=scram-sha-256", f"--username={OWNER}", f"--pwfile={password}", "--locale=C"]
        command = [*self._as, str(found / "initdb"), "--no-sync", "--encoding=UTF8", *local, "-D", str(self._data)]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd="/")

    def start(self) -> None:
        """Until it takes connections."""
        where = ["-D", str(self._data), "-k", str(self.directory), "-p", str(PORT)]
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = [*self._as, str(self._bin / "postgres"), *where, *settings]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        until(self._takes_connections, "PostgreSQL takes connections")

    def _takes_connections(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        asked = [str(self._bin / "pg_isready"), "-q", "-h", str(self.directory), "-p", str(PORT)]
        return subprocess.run(asked, check=False).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: every connection is cut, in order. SIGQUIT: as a crash is."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """It is there and does nothing: as a machine that hangs."""
        children = self._children()
        for process in children:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Of the process above all others."""
        assert self._process is not None
        return self._process.pid

    def _children(self) -> list[int]:
        server = self.pid
        return [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def url(self, database: str, user: str = OWNER) -> str:
        """Without the password, which is in `password_file`."""
        return f"postgresql://{user}@/{database}?host={self.directory}"

    def password_file(self, folder: Path) -> Path:
        """One that only its owner may read."""
        path = folder / "database-password"
        path.write_text(f"{PASSWORD}\n")
        path.chmod(0o600)
        return path

    def store(self, folder: Path) -> str:
        """Keys of [store]: a database that is empty, and a file in the folder with its password."""
        return f'url = "{self.url(self.new_database())}"\npassword_file = "{self.password_file(folder)}"'

    def new_database(self) -> str:
        """The name of one that is empty."""
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name}")
        return name

    def new_address(self) -> Address:
        """That of one that is empty, with the password."""
        return Address.of(self.url(self.new_database()), PASSWORD)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """The rows that it gives, if it is one that gives some."""
        with psycopg.connect(self.url(database), password=PASSWORD, autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []


def _unprivileged() -> tuple[int, int] | None:
    """User and group of the server, where we are root."""
    for name in ("postgres", "nobody") if os.geteuid() == 0 else ():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid
    return None


def _as(who: tuple[int, int] | None) -> list[str]:
    """The start of a command that is run as somebody else."""
    return ["setpriv", f"--reuid={who[0]}", f"--regid={who[1]}", "--clear-groups"] if who else []


@contextlib.contextmanager
def cluster(*, on_disk: bool = False) -> Iterator[Cluster]:
    """One that runs, in a directory that is deleted afterwards: in memory where there is room, which is faster."""
    memory = Path("/dev/shm")
    roomy = not on_disk and memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    place = memory if roomy else Path("/var/tmp")
    with tempfile.TemporaryDirectory(prefix="pinwheel-pg-", dir=place) as name:
        os.chmod(name, 0o755)
        server = Cluster(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # what it has is not needed any more
