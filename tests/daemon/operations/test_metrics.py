"""/metrics: what monitoring reads, of a real daemon with a simulated modem and phone."""

import asyncio
import http.client
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon import config as configuration
from daemon.api.app import VERIFY_ROUTES
from daemon.assembly import assemble
from daemon.core.canary import Standing
from daemon.core.commands import Decision
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Attempt, Channel, Status
from daemon.lanes.snapshots import VOICE
from daemon.operations import processes
from daemon.operations.host.values import Backups, Certificate
from daemon.operations.metric_figures import Figures
from daemon.operations.metrics import Metrics, written
from daemon.operations.snapshots import Snapshots
from daemon.operations.status import Health
from daemon.serving import Daemon
from drivers import Balance, DeviceState, ModemStatus
from drivers.serial.troubles import Troubles
from drivers.simulated.modem import SimulatedModem
from tests.daemon.core.story import request
from tests.gateway import Gateway, modem_section, pin_in, until, voice_section

T = TypeVar("T")
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(gateway: Gateway) -> str:
    connection = http.client.HTTPConnection("pinwheel")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(gateway.socket))
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    text = answer.read().decode()
    connection.close()
    return text


def series(text: str) -> Series:
    families = text_string_to_metric_families(text)
    found = [sample for family in families for sample in family.samples]
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for each in found}


def value(gateway: Gateway, name: str, **labels: str) -> float | None:
    return series(scraped(gateway)).get((f"pinwheel_{name}", tuple(sorted(labels.items()))))


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path / "port") as modem:
        yield modem


def test_a_verification_is_counted_from_its_start_to_its_right_code(tmp_path: Path, modem: SimulatedModem) -> None:
    with Gateway(tmp_path, modem_section(modem.port)) as gateway:
        request = gateway.verify("447700900123")
        until(lambda: modem.accepted, "the SMS")
        gateway.wait_for(request, "sent")
        pin = pin_in(modem.accepted[0][1])
        assert gateway.client.verify("check", request_id=request, code=pin)["status"] == "0"
        found = series(scraped(gateway))
        assert found["pinwheel_timers_pending", ()] == 0
        assert found["pinwheel_requests_started_total", (("api", "v1"), ("workflow", "1"))] == 1
        assert found["pinwheel_requests_finished_total", (("outcome", "success"), ("workflow", "1"))] == 1
        assert found["pinwheel_conversions_total", (("channel", "sms"), ("country", "GB"))] == 1
        assert found["pinwheel_conversions_total", (("channel", "sms"), ("country", "other"))] == 0
        assert found["pinwheel_attempts_total", (("channel", "sms"), ("outcome", "sent"))] == 1
        assert found["pinwheel_verify_duration_seconds_count", (("channel", "sms"),)] == 1
        assert found["pinwheel_sms_parts_total", (("modem", "sim1"),)] == 1
        assert found["pinwheel_modem_send_duration_seconds_count", (("modem", "sim1"),)] == 1
        restarts = {labels: n for (name, labels), n in found.items() if name == "pinwheel_modem_restarts_total"}
        assert restarts == {(("cause", cause), ("modem", "sim1")): 0 for cause in ("silent", "stuck", "itself")}
        assert found["pinwheel_commit_duration_seconds_count", ()] >= 4
        answers = "pinwheel_http_request_duration_seconds_count"
        assert found[answers, (("route", "/verify/json"), ("status", "2xx"))] == 1
        assert found[answers, (("route", "/verify/search/json"), ("status", "2xx"))] == 0
        assert found[answers, (("route", "other"), ("status", "2xx"))] > 1
        assert "447700900123" not in scraped(gateway)
        assert pin not in [str(each) for labels in found for each in labels]


def test_the_processes_are_there_the_audio_process_too(tmp_path: Path) -> None:
    # It registers: without that, the trunk used to be ready here, or not yet, as the audio process was quick or slow.
    gateway = Gateway(tmp_path, voice_section("127.0.0.9:5999", "register = true"))
    gateway.start()
    try:
        found = until(
            lambda: (seen := series(scraped(gateway))).get(("pinwheel_audio_process_open_fds", ())) and seen, "audio"
        )
        assert found["process_resident_memory_bytes", ()] > 10e6
        assert found["pinwheel_audio_process_resident_memory_bytes", ()] > 5e6
        assert found["process_cpu_seconds_total", ()] > 0
        assert found["pinwheel_trunk_ready", (("trunk", "pyvoip"),)] == 0
    finally:
        gateway.stop()


def test_a_process_starts_once() -> None:
    """Its start used to differ by less than a microsecond at each look, so that the alert Restarting always fired."""
    assert len({processes.own().started for _ in range(100)}) == 1


EIGHT = "".join(modem_section(f"/nowhere/tty{n}", f"sim{n}", "daily_limit = 9\nhourly_limit = 9") for n in range(8))


UNUSUAL = {
    **{(outcome, f"{n}xx"): 1 for outcome in ("failed", "cancelled") for n in range(2, 7)},
    **{("answered", each): 1 for each in ("none", "4xx")},
}
"""Responses that do not usually go with how a call ended: an answer that crosses our CANCEL, say."""


async def of_eight_modems(directory: Path, look: Callable[[Metrics, Daemon], Awaitable[T]]) -> T:
    """What is seen of a daemon with eight modems and a trunk."""
    config = directory / "pinwheel.toml"
    config.write_text(f'[store]\nurl = "sqlite:///{directory}/pinwheel.db"\n{EIGHT}{voice_section("127.0.0.9:5999")}')
    read = configuration.inspect(config).config
    daemon = assemble(read, config)
    try:
        health = Health(Snapshots(daemon.engine, daemon.sms, daemon.calls), read)
        return await look(Metrics(health, read.workflows, read.store.path, str, VERIFY_ROUTES), daemon)
    finally:
        daemon.store.close()


def test_eight_modems_have_fewer_than_600_series_whatever_happens(tmp_path: Path) -> None:
    """Every modem tells all that one can, every route gave every answer, people of 200 countries were verified."""

    async def everything(metrics: Metrics, daemon: Daemon) -> Figures:
        for route in (*VERIFY_ROUTES, "/other"):
            for status in (200, 404, 503):
                metrics.observe(route, status, 0.1)
        for number in range(200):
            for step, channel in enumerate(Channel):
                attempt = Attempt(step, channel, 1, s(300), s(0))
                before = replace(request(), number=str(number), attempts=(attempt,))
                after = replace(before, status=Status.SUCCESS, finalized_at=s(9))
                for watcher in daemon.engine.watchers:
                    watcher(Decision((), 1, before, after), s(9))
        return await metrics.figures()

    figures = asyncio.run(of_eight_modems(tmp_path, everything))
    lane, voice = figures.now.sms, figures.now.voice
    assert lane is not None
    assert voice is not None
    counts = Troubles(power=True).counts
    status = ModemStatus(DeviceState.READY, signal_dbm=-71, balance=Balance(Decimal(9), "EUR", 0.0), counts=counts)
    modems = tuple(replace(modem, status=status, balance_low=5.0, counts=counts) for modem in lane.modems)
    now = replace(
        figures.now,
        sms=replace(lane, modems=modems),
        voice=replace(voice, status=replace(voice.status, registered=True), results={**voice.results, **UNUSUAL}),
        canary={name: Standing(succeeded_at=s(1)) for name in (VOICE, *(modem.name for modem in modems))},
    )
    around = replace(figures.around, certificate=Certificate("", 9.0), backups=Backups(9.0))
    most = series(written(replace(figures, now=now, around=around)).decode())
    of_the_audio_process = 5
    assert 500 < len(most) + of_the_audio_process < 600


def test_a_scrape_with_eight_modems_takes_less_than_10_ms_of_the_loop(tmp_path: Path) -> None:
    """In CPU time of the loop's thread, so that a busy machine does not matter; 0.6 ms is usual."""

    async def scrapes(metrics: Metrics, _: Daemon) -> list[float]:
        await metrics.text()  # loads prometheus-client
        taken: list[float] = []
        while len(taken) < 10:
            began = time.thread_time()
            await metrics.text()
            taken.append(time.thread_time() - began)
        return taken

    assert median(asyncio.run(of_eight_modems(tmp_path, scrapes))) < 0.010
