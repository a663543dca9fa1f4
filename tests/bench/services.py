"""The services that answer the same requests: Pinwheel, and one-time-code services as they are usually written."""

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.gateway import UNLIMITED, Gateway, listens, modem_section, until
from tests.peers import postgres

RIVALS = Path(__file__).parents[2] / ".venv-rivals"
HERE = Path(__file__).parent
HOST = "127.0.0.1"
ABSENT = modem_section("/dev/pinwheel-absent")


class NotInstalled(Exception):
    """The text names what is missing and the remedy."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service. pids: of its processes, a database server's, too."""

    socket: Path
    pids: tuple[int, ...]


@contextlib.contextmanager
def pinwheel(directory: Path, sections: str = "", *, store: str = "") -> Iterator[Service]:
    """With a modem that is not there, unless sections say otherwise: what is measured is the door and the store."""
    directory.mkdir(parents=True, exist_ok=True)
    gateway = Gateway(directory, (sections or ABSENT) + UNLIMITED, log_level="info", store=store)
    gateway.start()
    try:
        assert gateway.process is not None
        yield Service(gateway.socket, (gateway.process.pid,))
    finally:
        gateway.stop()


@contextlib.contextmanager
def on_postgresql(directory: Path) -> Iterator[Service]:
    """The same on a PostgreSQL server of its own, whose files are on the disk."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        postgres.cluster(on_disk=True) as server,
        pinwheel(directory, store=server.store(directory)) as service,
    ):
        yield Service(service.socket, (*service.pids, server.pid))


@contextlib.contextmanager
def with_redis(directory: Path, appendfsync: str) -> Iterator[Service]:
    """Starlette and a Redis server of its own, which writes its log at each commit or once a second (redis.conf)."""
    directory.mkdir(parents=True, exist_ok=True)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    server = ["redis-server", "--bind", HOST, "--port", str(port), "--dir", str(directory), "--save", ""]
    server += ["--appendonly", "yes", "--appendfsync", appendfsync]
    with _process(server) as redis, _service(directory, "redis", str(port)) as service:
        yield Service(directory / "socket", (service, redis))


@contextlib.contextmanager
def with_sqlite(directory: Path) -> Iterator[Service]:
    directory.mkdir(parents=True, exist_ok=True)
    with _service(directory, "sqlite", str(directory / "otp.db")) as service:
        yield Service(directory / "socket", (service,))


SERVICES: Mapping[str, Callable[[Path], AbstractContextManager[Service]]] = {
    "Pinwheel": pinwheel,
    "Pinwheel on PostgreSQL": on_postgresql,
    "Redis, appendfsync always": partial(with_redis, appendfsync="always"),
    "Redis, appendfsync everysec": partial(with_redis, appendfsync="everysec"),
    "SQLite, a commit a request": with_sqlite,
}


@contextlib.contextmanager
def all_running(directory: Path) -> Iterator[dict[str, Service]]:
    """Every service at once, idle until it is asked. Raises NotInstalled."""
    if not (RIVALS / ".installed").exists():
        raise NotInstalled(f"cannot find {RIVALS}; run: make rivals")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(run(directory / name.replace(", ", "-").replace(" ", "-")))
            for name, run in SERVICES.items()
        }


def rivals_python(script: str, *arguments: str) -> list[str]:
    """The command that runs a script of this folder with the packages of the rivals."""
    return [str(RIVALS / "bin" / "python"), str(HERE / script), *arguments]


@contextlib.contextmanager
def _service(directory: Path, *arguments: str) -> Iterator[int]:
    path = directory / "socket"
    with _process(rivals_python("otp_service.py", str(path), *arguments)) as pid:
        until(lambda: listens(path), "the service answers")
        yield pid


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[int]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
