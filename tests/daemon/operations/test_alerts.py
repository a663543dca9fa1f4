"""The alerts and the dashboard of config/monitoring, with Prometheus' own promtool.

A fault is made on a real daemon: what /metrics says before and during it goes through the rules, minute by minute. The
alerts on rates, which need hours of traffic, get figures that are written here.
"""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.operations.test_metrics import Series, scraped, series
from tests.gateway import Gateway, modem_section, until, voice_section
from tests.peers.tls import certificate
from tests.test_docs import anchors

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "config" / "monitoring" / "pinwheel.rules.yml"
DASHBOARD = ROOT / "config" / "monitoring" / "pinwheel-dashboard.json"
ALERTS = re.findall(r"alert: (\w+)", RULES.read_text())
NUMBER = "447700900123"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is of Debian's prometheus")


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def written(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{', '.join(f'{key}={json.dumps(value)}' for key, value in labels.items())}}}"


def rules_say(tmp_path: Path, alert: str, figures: Mapping[str, str], firing: Mapping[str, int]) -> None:
    """figures: the notation of promtool by series, a value a minute; firing: by time, whether the alert fires."""
    expected = [
        {
            "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) > bool 0 or vector(0)',
            "eval_time": at,
            "exp_samples": [{"labels": "{}", "value": fires}],
        }
        for at, fires in firing.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in figures.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": expected}
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", str(file))


def fires_and_clears(tmp_path: Path, alert: str, good: Series, bad: Series, again: Series) -> None:
    """Half an hour of each."""
    figures = {
        written(name, dict(labels)): " ".join(
            f"{value}x30" if value is not None else "_x30"
            for value in (good.get((name, labels)), bad.get((name, labels)), again.get((name, labels)))
        )
        for name, labels in {*good, *bad, *again}
    }
    rules_say(tmp_path, alert, figures, {"29m": 0, "60m": 1, "90m": 0})


def now(gateway: Gateway, name: str, value: float) -> Callable[[], Series | None]:
    """The figures, once the one of this name has this value."""

    def look() -> Series | None:
        found = series(scraped(gateway))
        return found if value in [each for (known, _), each in found.items() if known == f"pinwheel_{name}"] else None

    return look


@dataclass(frozen=True, slots=True)
class Observed:
    """What one daemon's metrics say. refused: the network refuses the SIM, and a message waits for that."""

    refused: Series
    good: Series
    unplugged: Series
    again: Series


def tls_listener(directory: Path) -> str:
    cert, key = certificate(directory)
    files = f'tls_cert = "{cert}"\ntls_key = "{key}"'
    return f'[api]\ntcp = "127.0.0.1:{unused_port()}"\n{files}\n[[account]]\nkey = "acme"\nuids = [65533]\n'


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    directory = tmp_path_factory.mktemp("observed")
    limits = 'hourly_limit = 5\ndaily_limit = 50\nnumber = "+447700900001"\n[canary]\nevery = 86400\n'
    with SimulatedModem(directory / "port", network_s=0.05) as modem, SimulatedPhone() as phone:
        modem.register(3)
        devices = modem_section(modem.port, "sim1", limits) + voice_section(phone.address)
        (directory / "backups").mkdir()
        (directory / "backups" / "pinwheel.db").touch()
        gateway = Gateway(directory, tls_listener(directory) + devices)
        gateway.start()
        try:
            until(now(gateway, "modem_registered", 0), "it is refused")
            gateway.verify(NUMBER, workflow_id=6)
            refused = until(now(gateway, "queue_deliveries", 1), "a message waits")
            modem.register(1)
            gateway.ready()
            until(now(gateway, "queue_deliveries", 0), "it is sent")
            audio = "pinwheel_audio_process_open_fds"  # comes with the first report of the process
            good = until(lambda: (text := scraped(gateway)) and audio in text and series(text), "all is well")
            modem.unplug()
            unplugged = until(now(gateway, "modem_up", 0), "it is noticed")
            modem.replug()
            again = until(now(gateway, "modem_registered", 1), "it is back")
        finally:
            gateway.stop()
    return Observed(refused, good, unplugged, again)


@needs_promtool
def test_a_modem_that_is_unplugged_is_an_alert_until_it_is_back(tmp_path: Path, observed: Observed) -> None:
    fires_and_clears(tmp_path, "ModemDown", observed.good, observed.unplugged, observed.again)


@needs_promtool
def test_a_network_that_refuses_the_sim_is_an_alert_until_it_takes_it(tmp_path: Path, observed: Observed) -> None:
    fires_and_clears(tmp_path, "OffNetwork", observed.good, observed.refused, observed.again)


@needs_promtool
def test_messages_that_wait_for_a_modem_are_an_alert(tmp_path: Path, observed: Observed) -> None:
    oldest = "pinwheel_queue_oldest_seconds"
    assert 0 <= observed.refused[oldest, (("channel", "sms"),)] < 61
    a_minute_later = {key: value + 61 if key[0] == oldest else value for key, value in observed.refused.items()}
    fires_and_clears(tmp_path, "QueueOld", observed.good, a_minute_later, observed.again)


@needs_promtool
def test_a_daemon_that_is_gone_is_an_alert(tmp_path: Path, observed: Observed) -> None:
    fires_and_clears(tmp_path, "PinwheelDown", observed.good, {}, observed.again)


@needs_promtool
def test_a_trunk_that_is_gone_is_an_alert(tmp_path: Path, observed: Observed) -> None:
    gateway = Gateway(tmp_path, voice_section("127.0.0.9:5999", "register = true"))
    gateway.start()
    try:
        bad = until(now(gateway, "trunk_ready", 0), "no trunk")
    finally:
        gateway.kill()  # its stop would wait for the trunk
    fires_and_clears(tmp_path, "TrunkUnregistered", observed.good, bad, observed.again)


RATES: dict[str, dict[str, str]] = {
    "Restarting": {
        "process_start_time_seconds": "1x60 1+1x30 31x120",
        "pinwheel_build_info": "1x240",
    },
    "StoreBroken": {"pinwheel_store_broken": "0x60 1x30 0x120"},
    "HealthProblem": {'pinwheel_health_problems{severity="error"}': "0x60 1x30 0x120"},
    "CanaryFails": {'pinwheel_canary_failures{device="sim1"}': "1x60 2x30 0x120"},
    "SignalLow": {'pinwheel_modem_signal_dbm{modem="sim1"}': "-71x60 -109x30 -71x120"},
    "UncertainRate": {
        'pinwheel_attempts_total{channel="sms", outcome="sent"}': "0+1x240",
        'pinwheel_attempts_total{channel="sms", outcome="uncertain"}': "0x60 0+2x30 60x150",
    },
    "ConversionDrop": {
        'pinwheel_requests_finished_total{outcome="success", workflow="1"}': "0+9x60 540x30 540+9x150",
        'pinwheel_requests_finished_total{outcome="expired", workflow="1"}': "0+1x60 60+100x30 3060+1x150",
    },
    "CallRefusals": {
        'pinwheel_calls_total{outcome="answered"}': "0+1x240",
        'pinwheel_calls_total{outcome="rejected"}': "0x60 0+5x30 150x150",
    },
    "TimerLate": {
        'pinwheel_timer_lateness_seconds_bucket{le="1.0"}': "0+9x60 540x30 540+9x150",
        'pinwheel_timer_lateness_seconds_bucket{le="2.5"}': "0+9x60 540+9x30 810+9x150",
        'pinwheel_timer_lateness_seconds_bucket{le="+Inf"}': "0+9x60 540+9x30 810+9x150",
    },
    "CommitSlow": {
        'pinwheel_commit_duration_seconds_bucket{le="0.5"}': "0+9x60 540x30 540+9x150",
        'pinwheel_commit_duration_seconds_bucket{le="1.0"}': "0+9x60 540+9x30 810+9x150",
        'pinwheel_commit_duration_seconds_bucket{le="+Inf"}': "0+9x60 540+9x30 810+9x150",
    },
    "QuotaSoon": {
        'pinwheel_modem_quota_remaining_messages{modem="sim1", window="day"}': "1000x60 1000-20x30 400x120",
    },
}


@needs_promtool
@pytest.mark.parametrize("alert", RATES)
def test_an_alert_on_a_course_of_hours_fires_and_clears(tmp_path: Path, alert: str) -> None:
    rules_say(tmp_path, alert, RATES[alert], {"59m": 0, "90m": 1, "200m": 0})


@needs_promtool
def test_a_certificate_that_ends_soon_and_an_old_backup_are_alerts_until_there_is_another(tmp_path: Path) -> None:
    """Here the time begins with 0."""
    ends = {"pinwheel_certificate_expiry_timestamp_seconds": "1300000x60 1000000x120 9000000x90"}
    rules_say(tmp_path, "CertExpiry", ends, {"59m": 0, "150m": 1, "250m": 0})
    made = {"pinwheel_last_backup_timestamp_seconds": "-172000x110 0x60"}
    rules_say(tmp_path, "BackupOld", made, {"10m": 0, "100m": 1, "150m": 0})


@needs_promtool
def test_a_wave_of_requests_that_nobody_verifies_is_suspected_as_pumping(tmp_path: Path) -> None:
    figures = {
        'pinwheel_requests_started_total{workflow="1"}': "0+1x1500 1501+20x60 2701+1x180",
        'pinwheel_conversions_total{channel="sms"}': "0+1x1500 1501x60 1501+1x180",
    }
    rules_say(tmp_path, "PumpingSuspect", figures, {"1499m": 0, "1560m": 1, "1720m": 0})


def test_each_alert_has_a_test_and_a_heading_that_says_what_to_do() -> None:
    here = Path(__file__).read_text()
    assert [alert for alert in ALERTS if f'"{alert}"' not in here] == []
    links = re.findall(r"runbook: (\S+)#(\S+)", RULES.read_text())
    assert len(links) == len(ALERTS)
    assert [link for link in links if link[1] not in anchors((ROOT / link[0]).read_text())] == []


def expressions() -> list[str]:
    """Of the dashboard, with Grafana's variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    return [each.replace("$__rate_interval", "5m").replace("$instance", "pinwheel") for each in found]


@needs_promtool
def test_promtool_accepts_the_rules_and_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool("check", "rules", str(RULES))
    rules = [{"record": f"dashboard:{n}", "expr": expr} for n, expr in enumerate(expressions())]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_every_figure_that_rules_and_dashboard_use_is_in_metrics(observed: Observed) -> None:
    used = set(re.findall(r"\b(?:pinwheel|process)_\w+", " ".join([RULES.read_text(), *expressions()])))
    assert used - {name for name, _ in observed.good} == set()


def test_a_panel_has_a_unit_a_title_and_the_source_that_is_chosen_above() -> None:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
