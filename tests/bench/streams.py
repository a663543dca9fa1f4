"""What sends audio in `pacing`: our pacer, sipp's rtp_stream, and the RTP client of pyVoIP as it comes."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from drivers.rtp.messages import Media
from drivers.rtp.process_handle import Pacer
from drivers.simulated.modem import SimulatedModem
from tests.bench.peers import cpu_s
from tests.gateway import Gateway, modem_section
from tests.peers.baresip import free_port
from tests.peers.sipp import ANSWERED_ELSEWHERE, calls_and_plays

Address = tuple[str, int]
HOST = "127.0.0.3"
CLIENTS, MOST_REQUESTS = 4, 20_000
RATE = 50  # calls a second, while sipp sets its calls up
STOCK = """
import sys
from pyVoIP.VoIP import VoIP
from pyVoIP.RTP import PayloadType, RTPClient, TransmitType
for number in range(int(sys.argv[1])):
    client = RTPClient({0: PayloadType.PCMU}, "127.0.0.1", 0, sys.argv[2], int(sys.argv[3]), TransmitType.SENDRECV)
    client.outSSRC = 1000 + number
    client.start()
sys.stdin.read()
import os
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Sending:
    """cpu_s: CPU seconds that the sender has used so far."""

    cpu_s: Callable[[], float]


@contextmanager
def ours(streams: int, targets: list[Address], seconds: float, _: Path) -> Iterator[Sending]:
    """Each stream to the next of the targets."""
    pacer = Pacer()
    pacer.open()
    with ExitStack() as opened:
        opened.callback(pacer.close)
        for number in range(streams):
            sock = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.connect(targets[number % len(targets)])
            pacer.play(number, sock, Media(0), bytes(round(8000 * seconds)))
            pacer.read()
            time.sleep(0.001)
        yield Sending(lambda: cpu_s(pacer.pid))


@contextmanager
def stock_pyvoip(streams: int, targets: list[Address], _: float, directory: Path) -> Iterator[Sending]:
    """Its own clients and threads, in a process of their own; they send silence for as long as they live."""
    host, port = targets[0]
    command = [sys.executable, "-W", "ignore", "-c", STOCK, str(streams), host, str(port)]
    process = subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield Sending(lambda: cpu_s(process.pid))
    finally:
        process.kill()
        process.communicate()


@contextmanager
def sipp(streams: int, targets: list[Address], seconds: float, directory: Path) -> Iterator[Sending]:
    """Calls of one sipp to another, which names the target as the place for the audio."""
    host, media = targets[0]
    port, home = free_port(HOST, socket.SOCK_DGRAM), directory / "sipp"
    home.mkdir()
    (home / "audio").write_bytes(bytes(8000 * 10))
    (home / "uas.xml").write_text(ANSWERED_ELSEWHERE.replace("[host]", host).replace("[port]", str(media)))
    (home / "uac.xml").write_text(calls_and_plays(home / "audio", round(seconds * 1000)))
    uas = ["sipp", "-sf", "uas.xml", "-i", HOST, "-p", str(port), "-nostdin"]
    uac = ["sipp", "-sf", "uac.xml", f"{HOST}:{port}", "-i", "127.0.0.4", "-nostdin"]
    uac += ["-m", str(streams), "-l", str(streams), "-r", str(RATE)]
    with ExitStack() as running:
        for command in (uas, uac):
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command, cwd=home, **quiet)  # type: ignore[call-overload]
            running.callback(process.wait)
            running.callback(process.kill)
            time.sleep(0.5)
        yield Sending(lambda: cpu_s(process.pid))


@contextmanager
def busy_gateway(directory: Path) -> Iterator[None]:
    """A daemon whose API and database work all the while."""
    with SimulatedModem(network_s=0.05) as modem:
        section = modem_section(modem.port) + "[security]\nrequests_per_second = 0\nmax_active_per_number = 0\n"
        with Gateway(directory, section, log_level="warning") as gateway, _load(gateway):
            yield


@contextmanager
def _load(gateway: Gateway) -> Iterator[None]:
    """Clients that start one request after the other, at most so many."""
    over = threading.Event()

    def client(first: int) -> None:
        for number in range(first, first + MOST_REQUESTS):
            if over.is_set():
                return
            gateway.verify(f"4477009{number:05d}", workflow_id=6)

    clients = [threading.Thread(target=client, args=(each * MOST_REQUESTS,)) for each in range(CLIENTS)]
    for each in clients:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in clients:
            each.join()


Sender = Callable[[int, list[Address], float, Path], AbstractContextManager[Sending]]
SENDERS: Mapping[str, Sender] = {"Pinwheel": ours, "sipp": sipp, "pyVoIP": stock_pyvoip}


def label(name: str) -> str:
    """With the version of a peer."""
    if name == "pyVoIP":
        return f"pyVoIP {version('pyVoIP')}"
    if name == "sipp":
        output = subprocess.run(["sipp", "-v"], capture_output=True, text=True, check=False).stdout.split()
        return " ".join(["sipp", *(word.rstrip(".") for word in output if word.startswith("v3"))])
    return name
