"""The alerts and the dashboard of config/monitoring, with Prometheus' own promtool.

Each alert fires by a fault that is made on a real daemon, and clears by what an operator would do about it: what
/metrics says before, meanwhile and afterwards goes through the rules, at times that the test gives. At the end of each
time exactly the named alerts fire.
"""

import json
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.store.sqlite.library import sqlite
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.operations.course import (
    ALERTS,
    FIGURE,
    GONE,
    ROOT,
    RULES,
    SCRAPED,
    Course,
    Scrape,
    promtool,
    scrape,
)
from tests.daemon.operations.test_metrics import scraped, series
from tests.drivers.pyvoip.calling import pacer_pid
from tests.gateway import UNLIMITED, Gateway, modem_section, pin_in, until, voice_section
from tests.peers.tls import certificate
from tests.test_docs import anchors

DASHBOARD = ROOT / "config" / "monitoring" / "pinwheel-dashboard.json"
DAY_S = 86_400
NUMBER, OTHER, OWN = "447700900123", "447700900124", "447700900001"
FORBIDDEN, HANGS_UP, TALKS_2_S = "99", "95", "94"  # drivers/simulated/phone/handsets.py
SMS_ONLY, CALL_ONLY = 6, 7  # daemon/core/workflows.py
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is of Debian's prometheus")


@contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    """Also where no device is ready yet."""
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.kill()


def waves(gateway: Gateway, modem: SimulatedModem, numbers: range) -> Iterator[Scrape]:
    """Requests, ten at a time, and what is said once the SMS of these have been sent."""
    before = len(modem.accepted)
    for first in numbers[::10]:
        for n in range(first, first + 10):
            gateway.verify(f"4477009{n:03d}00", workflow_id=SMS_ONLY, pin_expiry=60)
        sent = before + first - numbers[0] + 10
        yield scrape(gateway, f'attempts_total{{channel="sms",outcome="sent"}} {sent}.0')


def type_the_code(gateway: Gateway, modem: SimulatedModem, number: str) -> None:
    """What a user does."""
    request = gateway.verify(number, workflow_id=SMS_ONLY)
    gateway.wait_for(request, "sent")
    text = next(text for to, text in modem.accepted if to == number)
    gateway.client.verify("check", request_id=request, code=pin_in(text))


# --- devices -----------------------------------------------------------------------------------------------------


UP, DOWN = 'modem_up{modem="sim1"} 1.0', 'modem_up{modem="sim1"} 0.0'
REGISTERED, NO_NETWORK = 'modem_registered{modem="sim1"} 1.0', 'modem_registered{modem="sim1"} 0.0'
AN_ERROR = 'health_problems{severity="error"} 1.0'


def faults_of_devices(directory: Path) -> Course:
    """A trunk that refuses to register us and forbids calls; an audio process that stutters; a modem unplugged, out of
    the network, badly received."""
    course = Course()
    password = directory / "password"
    password.write_text("wrong")
    with SimulatedModem(directory / "port", network_s=0.01) as modem, ExitStack() as trunk:
        phone = trunk.enter_context(SimulatedPhone(password=secrets.token_hex(8), ring_s=0.1))
        account = f'username = "pinwheel"\npassword_file = "{password}"\nregister = true\nrepeats = 0'
        devices = modem_section(modem.port, "sim1", 'on_uncertain = "never"') + voice_section(phone.address, account)
        with running(Gateway(directory, devices)) as gateway:
            refused = scrape(gateway, 'trunk_ready{trunk="pyvoip"} 0.0', REGISTERED, AN_ERROR)
            course.hold(30, refused, ("TrunkUnregistered", "HealthProblem"))
            trunk.close()
            trunk.enter_context(SimulatedPhone(phone.address, ring_s=0.1))
            gateway.ready()
            course.hold(30, scrape(gateway), ())
            faults_of_calls(course, gateway)
            faults_of_a_modem(course, gateway, modem)
    return course


def faults_of_calls(course: Course, gateway: Gateway) -> None:
    for n in range(6):
        gateway.verify(f"4477009{n:03d}{FORBIDDEN}", workflow_id=CALL_ONLY)
    course.hold(20, scrape(gateway, 'calls_total{outcome="rejected",sip_class="4xx"} 6.0'), ("CallRefusals",))
    gateway.verify(f"4477009000{HANGS_UP}", workflow_id=CALL_ONLY)
    course.hold(60, scrape(gateway, 'calls_total{outcome="answered",sip_class="2xx"} 1.0'), ())
    stutters(gateway)
    course.hold(20, scrape(gateway, 'calls_total{outcome="answered",sip_class="2xx"} 2.0'), ("AudioLate",))
    course.hold(40, scrape(gateway), ())


def stutters(gateway: Gateway) -> None:
    """A call whose audio process gets no CPU for 150 ms, again and again."""
    assert gateway.process is not None
    request = gateway.verify(f"4477009000{TALKS_2_S}", workflow_id=CALL_ONLY)
    gateway.wait_for(request, "answered")
    audio = pacer_pid(gateway.process.pid)
    for _ in range(6):
        os.kill(audio, signal.SIGSTOP)
        time.sleep(0.15)
        os.kill(audio, signal.SIGCONT)
        time.sleep(0.05)


def faults_of_a_modem(course: Course, gateway: Gateway, modem: SimulatedModem) -> None:
    modem.stall(True)
    gateway.verify(NUMBER, workflow_id=SMS_ONLY)
    until(lambda: modem.sending, "the network has it, and says nothing")
    modem.unplug()
    uncertain = 'attempts_total{channel="sms",outcome="uncertain"} 1.0'
    unplugged = scrape(gateway, uncertain, 'modem_errors_total{cause="absent",modem="sim1"} 1.0', DOWN, AN_ERROR)
    course.hold(30, unplugged, ("ModemDown", "HealthProblem", "UncertainRate"))
    modem.stall(False)
    modem.register(3)
    modem.replug()
    gateway.verify(OTHER, workflow_id=SMS_ONLY)
    denied = scrape(gateway, 'queue_deliveries{channel="sms"} 1.0', UP, NO_NETWORK, AN_ERROR)
    course.hold(60, denied, ("OffNetwork", "QueueOld", "HealthProblem"))
    modem.register(1)
    course.hold(30, scrape(gateway, 'attempts_total{channel="sms",outcome="sent"} 1.0', REGISTERED), ())
    for rssi, dbm, firing in ((3, -107, ("SignalLow",)), (21, -71, ())):  # 3GPP 27.007 8.5
        modem.fade(rssi)
        modem.unplug()
        scrape(gateway, DOWN)
        modem.replug()
        course.hold(30, scrape(gateway, f'modem_signal_dbm{{modem="sim1"}} {dbm}.0', REGISTERED), firing)


# --- traffic -----------------------------------------------------------------------------------------------------


def faults_of_traffic(directory: Path) -> Course:
    """A wave of requests, ten times as many as a day before, that nobody verifies: it uses up the SIM, too."""
    course = Course(step=5)
    with SimulatedModem(network_s=0.001) as modem:
        sim = modem_section(modem.port, "sim1", "daily_limit = 100")
        with Gateway(directory, UNLIMITED + sim, speed=60) as gateway:
            type_the_code(gateway, modem, NUMBER)
            course.hold(25 * 60, scrape(gateway), ())
            for sent in waves(gateway, modem, range(60)):
                course.hold(5, sent)
            course.expect("QuotaSoon")
            unused = scrape(gateway, 'requests_finished_total{outcome="expired",workflow="6"} 60.0')
            course.hold(30, unused, ("PumpingSuspect", "ConversionDrop"))
            gateway.config.write_text(gateway.config.read_text().replace("daily_limit = 100", "daily_limit = 1000"))
            gateway.client.post("/v1/reload")
            type_the_code(gateway, modem, OTHER)
            course.hold(90, scrape(gateway), ())
    return course


# --- the machine -------------------------------------------------------------------------------------------------


def tls_listener(directory: Path) -> str:
    cert, key = certificate(directory, to_day=90)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    api = f'[api]\ntcp = "{address}"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
    return api + '[[account]]\nkey = "acme"\nuids = [65533]\n'


@contextmanager
def locked(gateway: Gateway) -> Iterator[None]:
    """Another program has the database for itself: each commit waits for that, as it does for a slow disk."""
    with closing(sqlite.connect(str(gateway.database), timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def slow_commit(gateway: Gateway, number: str) -> Scrape:
    """The disk is slow while a PIN expires, a minute after its request: 0.6 s, as the clock runs."""
    request = gateway.verify(number, workflow_id=SMS_ONLY, pin_expiry=60)
    with locked(gateway):
        time.sleep(1.8)
    gateway.wait_for(request, "expired")
    return scrape(gateway)


def back_up(gateway: Gateway, *, days_ago: int) -> None:
    """As pinwheel-backup.service does."""
    file = gateway.directory / "backups" / f"pinwheel-{days_ago}.db"
    file.parent.mkdir(exist_ok=True)
    assert CliRunner().invoke(main, ["backup", str(file), "--config", str(gateway.config)]).exit_code == 0
    made = time.time() - days_ago * DAY_S
    os.utime(file, (made, made))


@contextmanager
def full_disk(gateway: Gateway) -> Iterator[None]:
    """As by a limit of the service, LimitFSIZE=: no file gets longer."""
    assert gateway.process is not None
    limits = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    yield
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, limits)


def faults_of_the_machine(directory: Path) -> Course:
    """A slow disk and a full one; a certificate that ends soon; backups that have stopped; crashes."""
    course = Course()
    with SimulatedModem(network_s=0.001) as modem:
        gateway = Gateway(directory, tls_listener(directory) + modem_section(modem.port), speed=100)
        with running(gateway):
            gateway.ready()
            back_up(gateway, days_ago=0)
            course.hold(30, scrape(gateway), ())

            for n in range(2):
                course.hold(8, slow_commit(gateway, f"4477009001{n}0"))
            course.expect("CommitSlow", "TimerLate")
            course.hold(20, scrape(gateway), ())

            with full_disk(gateway):
                assert gateway.client.verify("", number=NUMBER, brand="Acme")["status"] == "5"
                course.hold(15, scrape(gateway, "store_broken 1.0", AN_ERROR), ("StoreBroken", "HealthProblem"))
            gateway.verify(NUMBER, workflow_id=SMS_ONLY)
            course.hold(15, scrape(gateway, "store_broken 0.0", 'health_problems{severity="error"} 0.0'), ())

            back_up(gateway, days_ago=3)
            (gateway.directory / "backups" / "pinwheel-0.db").unlink()
            certificate(directory, to_day=10)
            course.hold(90, scrape(gateway), ("BackupOld", "CertExpiry"))
            back_up(gateway, days_ago=0)
            certificate(directory, to_day=90)
            course.hold(5, scrape(gateway), ())

            for _ in range(3):
                gateway.kill()
                with pytest.raises(OSError):
                    scrape(gateway)
                course.hold(5, GONE, ("PinwheelDown",))
                gateway.start()
                course.hold(5, scrape(gateway))
            course.expect("Restarting")
            gateway.ready()
            course.hold(40, scrape(gateway), ())
    return course


# --- a SIM -------------------------------------------------------------------------------------------------------


def the_network_says(modem: SimulatedModem, left: str) -> str:
    """By USSD, which is asked when the modem is used; the line of /metrics that there is then."""
    modem.ussd["*100#"] = (f'+CUSD: 0,"Your credit is {left} EUR.",15',)
    return f'sim_balance{{currency="EUR",modem="sim1"}} {float(left)}'


def a_sim_without_credit(directory: Path) -> Course:
    """It is registered, with a good signal, and its network takes no SMS of it, until somebody pays."""
    course = Course()

    def carry(number: str, text: str) -> None:
        """The network carries its texts to itself; not on the thread of the modem, which would wait for itself."""
        network.submit(modem.receive, number, text)

    modem = SimulatedModem(network_s=0.001, handset=carry)
    with ThreadPoolExecutor(1) as network, modem, SimulatedPhone() as phone:
        asked = f'number = "+{OWN}"\nbalance_ussd = "*100#"\nbalance_low = 5\npower_cycle = "true"\n'
        sim = modem_section(modem.port, "sim1", f"{asked}hourly_limit = 50\ndaily_limit = 50")
        devices = sim + voice_section(phone.address) + "[canary]\nevery = 300\n"
        low = the_network_says(modem, "0.05")
        modem.refuse(38, times=1000)
        with Gateway(directory, tls_listener(directory) + devices, speed=1000) as gateway:
            back_up(gateway, days_ago=0)
            failures = ("pinwheel_canary_failures", (("device", "sim1"),))
            until(lambda: series(scraped(gateway)).get(failures, 0) >= 2, "its texts are refused")  # and it goes on
            course.hold(30, scrape(gateway, low), ("Balance", "CanaryFails"))
            modem.accept()
            paid = the_network_says(modem, "20")
            for order in ("drain", "resume"):
                gateway.client.post(f"/v1/modems/sim1/{order}")
            until(lambda: "pinwheel_audio_process_open_fds" in scraped(gateway), "the audio process reports")
            course.hold(30, scrape(gateway, paid, 'canary_failures{device="sim1"} 0.0'), ())
    return course


# --- all of them -------------------------------------------------------------------------------------------------

STORIES: dict[Callable[[Path], Course], set[str]] = {
    faults_of_devices: {
        *("TrunkUnregistered", "CallRefusals", "AudioLate", "ModemDown", "OffNetwork", "QueueOld", "SignalLow"),
        *("UncertainRate", "HealthProblem"),
    },
    faults_of_traffic: {"PumpingSuspect", "ConversionDrop", "QuotaSoon"},
    faults_of_the_machine: {
        *("CommitSlow", "TimerLate", "StoreBroken", "BackupOld", "CertExpiry", "PinwheelDown", "Restarting"),
        "HealthProblem",
    },
    a_sim_without_credit: {"Balance", "CanaryFails"},
}
"""What goes wrong, and the alerts that fire then, and clear."""


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], Course]], Course]:
    """Each course of events is played once."""
    return cache(lambda story: story(tmp_path_factory.mktemp(story.__name__)))


Courses = Callable[[Callable[[Path], Course]], Course]


@needs_promtool
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_each_fault_fires_its_alerts_and_what_mends_it_clears_them(
    tmp_path: Path, courses: Courses, story: Callable[[Path], Course]
) -> None:
    """More than half of the alerts used to be tried with written figures only, and Restarting fired in any case."""
    assert courses(story).judge(tmp_path) == STORIES[story]


def test_each_alert_has_a_fault_and_a_heading_that_says_what_to_do() -> None:
    assert set().union(*STORIES.values()) == set(ALERTS)
    links = re.findall(r"runbook: (\S+)#(\S+)", RULES.read_text())
    assert len(links) == len(ALERTS)
    assert [link for link in links if link[1] not in anchors((ROOT / link[0]).read_text())] == []


# --- rules and dashboard against /metrics ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """An expression of the rules or the dashboard, and the text that shows its labels."""

    expression: str
    text: str

    @property
    def figures(self) -> set[str]:
        return set(FIGURE.findall(self.expression))

    @property
    def matchers(self) -> list[tuple[str, str, list[str]]]:
        """(figure, label, values) of each in braces."""
        found = re.findall(r"(\w+)\{([^}]*)\}", self.expression)
        each = [(name, *one) for name, inside in found for one in re.findall(r'(\w+)[=!]~?"([^"]*)"', inside)]
        return [(name, label, values.split("|")) for name, label, values in each]

    def grouped(self, by: str) -> set[str]:
        """Labels by which it is summed ("by"), or matched ("on")."""
        return set(re.findall(r"\w+", " ".join(re.findall(rf"\b{by} \(([^)]*)\)", self.expression))))

    @property
    def read(self) -> set[str]:
        """Labels that the text shows."""
        return set(re.findall(r"\{\{(?: \$labels\.)?(\w+) ?\}\}", self.text))


def of_the_dashboard() -> list[Shown]:
    """With Grafana's variables filled in."""
    targets = [target for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    filled = [each["expr"].replace("$__rate_interval", "5m").replace("$instance", "gateway") for each in targets]
    return [Shown(expr, each["legendFormat"]) for expr, each in zip(filled, targets, strict=True)]


def of_the_rules() -> list[Shown]:
    each = re.split(r"- alert: ", RULES.read_text())[1:]
    return [Shown(*re.split(r"\n\s+summary: ", re.split(r"\bexpr: ", rule)[1])) for rule in each]


@needs_promtool
def test_promtool_accepts_the_rules_and_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool("check", "rules", str(RULES))
    rules = [{"record": f"dashboard:{n}", "expr": each.expression} for n, each in enumerate(of_the_dashboard())]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_every_figure_and_label_that_rules_and_dashboard_use_is_in_metrics(courses: Courses) -> None:
    """A label that is misspelt makes an alert that never fires, and an empty panel."""
    values: dict[str, dict[str, set[str]]] = {}
    for name, own in courses(a_sim_without_credit).last.found:
        for label, value in (*own, *SCRAPED.items()):
            values.setdefault(name, {}).setdefault(label, set()).add(value)
    for each in (*of_the_rules(), *of_the_dashboard()):
        assert each.figures, each
        assert each.figures - values.keys() == set()
        for name, label, wanted in each.matchers:
            assert set(wanted) - values[name].get(label, set()) == set(), each
        labels = set().union(*(values[name] for name in each.figures))
        assert (each.grouped("by") | each.grouped("on")) - labels == set(), each
        assert each.read - (each.grouped("by") or labels) == set(), each


def test_a_panel_has_a_unit_a_title_and_the_source_that_is_chosen_above() -> None:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
