"""A stop waits for what is being decided, and for nobody who waits."""

import asyncio
import gc
import http.client
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from daemon.api.server import Listener, tcp_socket
from daemon.api.under_way import UnderWay
from daemon.client.connection import Unreachable, _UnixConnection
from daemon.operations.standby import FailedStarts
from daemon.start import EX_CONFIG, serve
from drivers.serial.timing import Timing
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import PhoneEvent, SimulatedPhone
from tests.gateway import Gateway, modem_section, until, voice_section

RINGS_FOR_EVER = "447700900191"  # drivers/simulated/phone/handsets.py
HALF = b"POST /v1/modems/sim1/at HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\ncomm"


def asked(gateway: Gateway, method: str, path: str) -> tuple[int, bytes]:
    """What a client gets in the end; http.client raises if an answer is cut off."""
    connection = _UnixConnection(gateway.socket, 30)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def half_asked(gateway: Gateway) -> Iterator[Callable[[], int]]:
    """A request whose body does not come is there; gives what waits for the status of its answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(gateway.socket))
        client.sendall(HALF)
        assert gateway.health()  # a later connection was served, so this one was accepted

        def answered() -> int:
            response = http.client.HTTPResponse(client)
            response.begin()
            return response.status

        yield answered


def test_whoever_waits_gets_an_answer_as_the_daemon_stops_and_no_traceback_is_left(tmp_path: Path) -> None:
    """It used to take 18 s: 15 for the answers, then cut off with a traceback each, and 3 for the message."""
    phone_says: list[PhoneEvent] = []
    phone = SimulatedPhone(listener=phone_says.append)
    well = SimulatedModem(tmp_path / "b", report_s=3600)
    with SimulatedModem(tmp_path / "a") as stuck, well, phone:
        stuck.stall(True)
        devices = modem_section(stuck.port) + modem_section(well.port, "sim2") + voice_section(phone.address)
        with Gateway(tmp_path, devices) as gateway, ThreadPoolExecutor() as clients:
            gateway.client.post("/v1/modems/sim2/pause")
            gateway.verify("447700900101", workflow_id=6)
            until(lambda: stuck.sending, "a message is on the wire, so that the modem cannot be drained")
            paths = {
                "drain": "/v1/modems/sim1/drain",
                "report": "/v1/modems/sim2/test?to=447700900102&wait=60",
                "call": f"/v1/voice/test?number={RINGS_FOR_EVER}",
            }
            waiting = {name: clients.submit(asked, gateway, "POST", path) for name, path in paths.items()}
            events = gateway.client.events(follow=True, last=1)
            next(events)
            until(lambda: phone_says and well.accepted and "duty=drained" in gateway.log(), "all of them wait")
            with half_asked(gateway) as half:
                began = time.monotonic()
                assert gateway.stop() == 0
                took_s = time.monotonic() - began
                assert half() == 503
            answers = {name: each.result() for name, each in waiting.items()}
            with pytest.raises(Unreachable, match="has stopped"):
                list(events)
    assert took_s < Timing().close + 5  # a message on the wire gets its time
    statuses = {name: status for name, (status, _) in answers.items()}
    assert statuses == {"drain": 503, "report": 503, "call": 200}
    assert json.loads(answers["drain"][1])["title"] == "Stopping"
    assert "Traceback" not in gateway.log()
    assert "CancelledError" not in gateway.log()


def test_a_start_that_finds_its_socket_taken_touches_no_modem(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It used to open the modems first, and to leave a traceback of what these had begun."""
    taken = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as other, SimulatedModem(tmp_path / "port") as modem:
        other.bind(str(taken))
        other.listen()
        config = Gateway(tmp_path, modem_section(modem.port)).config
        assert serve(config, [], FailedStarts(None)) == EX_CONFIG
        gc.collect()  # a task whose exception nobody has asked for says so at its end
        assert modem.commands.total() == 0
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [f"cannot listen on {taken}: another daemon answers there"]


# --- on a listener in this process ---------------------------------------------------------------------------


async def endless(_: HttpRequest) -> Response:
    async def flood() -> AsyncIterator[bytes]:
        while True:
            yield b"." * 65_536

    return StreamingResponse(flood())


async def waits(_: HttpRequest) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def ends(_: HttpRequest) -> Response:
    raise asyncio.CancelledError


ROUTES = [Route("/endless", endless), Route("/waits", waits), Route("/decides", waits), Route("/ends", ends)]


async def stopped(*paths: str) -> list[bytes]:
    """What came for each path until a stop was over. Who asks for "/endless" does not read it."""
    app = UnderWay(Starlette(routes=ROUTES), {"/decides"}, lambda path: PlainTextResponse(f"no more {path}", 503))
    listening = tcp_socket("127.0.0.1:0")
    listener = Listener(app, listening)
    serving = asyncio.create_task(listener.serve())
    clients = [await asyncio.open_connection(*listening.getsockname(), limit=1024) for _ in paths]
    for (_, writer), path in zip(clients, paths, strict=True):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await clients[0][0].readuntil(b"\r\n\r\n")
    app.stop()
    listener.stop()
    await asyncio.wait_for(serving, 5)
    return [await reader.read(200) for reader, _ in clients[1:]]


def test_a_client_that_does_not_read_and_a_commit_that_does_not_come_hold_no_stop_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There used to be 15 s for them, and a traceback for each."""
    monkeypatch.setattr("daemon.api.under_way.COMMIT_S", 1.0)
    answers = asyncio.run(stopped("/endless", "/waits", "/decides"))
    assert [(each.partition(b"\r\n")[0], each.rpartition(b"\n")[2]) for each in answers] == [
        (b"HTTP/1.1 503 Service Unavailable", b"no more /waits"),
        (b"HTTP/1.1 503 Service Unavailable", b"no more /decides"),
    ]
    assert "Exception in ASGI application" not in caplog.text


def test_what_ends_by_itself_is_no_stop(caplog: pytest.LogCaptureFixture) -> None:
    assert b"500" in asyncio.run(stopped("/endless", "/ends"))[0]
    assert "Exception in ASGI application" in caplog.text
