"""/metrics: what monitoring reads, of a real daemon with a simulated modem and phone."""

import asyncio
import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon import config as configuration
from daemon.assembly import assemble
from daemon.operations import processes
from daemon.operations.metrics import Metrics
from daemon.operations.snapshots import Snapshots
from daemon.operations.status import Health
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, until, voice_section

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
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


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


def test_eight_modems_have_fewer_than_600_series(tmp_path: Path) -> None:
    modems = "".join(
        modem_section(f"/nowhere/tty{n}", f"sim{n}", "daily_limit = 9\nhourly_limit = 9") for n in range(8)
    )
    gateway = Gateway(tmp_path, modems + voice_section("127.0.0.9:5999"))
    gateway.start()
    try:
        assert 150 < len(series(scraped(gateway))) < 600
    finally:
        gateway.stop()


def test_a_scrape_with_eight_modems_takes_less_than_10_ms_of_the_loop(tmp_path: Path) -> None:
    """In CPU time of the loop's thread, so that a busy machine does not matter; 0.6 ms is usual."""
    config = tmp_path / "pinwheel.toml"
    modems = "".join(modem_section(f"/nowhere/tty{n}", f"sim{n}", "daily_limit = 9") for n in range(8))
    config.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/pinwheel.db"\n{modems}{voice_section("127.0.0.9:5999")}')

    async def scrapes() -> list[float]:
        read = configuration.inspect(config).config
        daemon = assemble(read, config)
        try:
            health = Health(Snapshots(daemon.engine, daemon.sms, daemon.calls), read)
            metrics = Metrics(health, read.workflows, read.store.path, lambda _: "")
            await metrics.text()  # loads prometheus-client
            taken = []
            for _ in range(10):
                began = time.thread_time()
                await metrics.text()
                taken.append(time.thread_time() - began)
            return taken
        finally:
            daemon.store.close()

    assert median(asyncio.run(scrapes())) < 0.010
