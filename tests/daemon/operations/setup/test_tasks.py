"""What setup does between its questions: on simulated devices, with the drivers of the daemon, in real files."""

import os
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.client.connection import Client
from daemon.config import Config, parse
from daemon.operations.setup import trial
from daemon.operations.setup.document import changed
from daemon.operations.setup.model import Known, Outcome, Present, Task
from daemon.operations.setup.plan import present
from daemon.operations.setup.profiles import load_profiles
from daemon.operations.setup.service import Service
from daemon.operations.setup.tasks import Place, Worker, digits, mistake
from daemon.operations.setup.writing import CONFIGURATION, SECRET, NewFile, put
from daemon.resources import config_path
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.operations.machine import Machine
from tests.gateway import Gateway, modem_section, until

SHIPPED = config_path("pinwheel.toml").read_text()
CODE = "7391"
NEW_TRUNK = {"modem": "none", "trunk": "other", "server": "pbx.invalid", "username": "a", "password": "geheim"}
NEW_TRUNK |= {"transport": "udp", "dial": "{e164}", "auth_username": "", "caller_id": "", "keepalive_seconds": "0"}
NOBODY = Client(Path("/nonexistent/control.sock"))


def quiet(_: str) -> None:
    """A terminal that nobody reads."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "machine")
    machine.usb("1-1", "12d1:1506", product="E3372", serial="0001")
    return machine


@pytest.fixture(scope="module")
def phone() -> Iterator[SimulatedPhone]:
    with SimulatedPhone(ring_s=0.1) as phone:
        yield phone


class Desk:
    """A worker on a machine in a folder, with a configuration of its own."""

    def __init__(self, machine: Machine, before: str = SHIPPED, client: Client = NOBODY) -> None:
        self.path = machine.root.parent / "etc" / "pinwheel.toml"
        self.trial = machine.root.parent / "trial"
        self.trial.mkdir(mode=0o700, exist_ok=True)
        config = parse(before, self.path)
        self.service = Service(client, self.path, machine.root)
        self.worker = Worker(Place(self.path, before, self.trial, machine.root, config), self.service, quiet)
        self.known = Known(load_profiles(), present(before, config), mistake)

    def answer(self, **answers: str) -> None:
        self.known = replace(self.known, answers={**self.known.answers, **answers})

    def do(self, task: Task) -> Outcome:
        outcome = self.worker.do(task, self.known)
        self.known = self.known.done(task, outcome)
        return outcome

    def choose(self) -> None:
        """The first modem that is found."""
        self.answer(modem=self.do(Task.FIND).sticks[0].port)


# --- the modem ---


def test_a_modem_is_found_finds_its_network_and_sends_the_code_that_is_asked_for(machine: Machine) -> None:
    with SimulatedModem(network_s=0.01) as modem:
        machine.tty("ttyUSB0", modem.port, port="1-1", by_id="usb-E3372-if00")
        desk = Desk(machine)
        desk.choose()
        network = desk.do(Task.NETWORK)
        assert network == Outcome(True, ("network Simulated, signal -71 dBm", "a service centre is set"))
        desk.answer(number="+447700900123")
        sent = desk.do(Task.SMS)
        assert sent.ok
        assert modem.accepted == [("447700900123", f"Pinwheel setup: your code is {sent.secret}")]
        assert len(sent.secret) == 4


def test_a_wrong_pin_is_tried_once_and_never_again_whatever_the_operator_asks(machine: Machine) -> None:
    with SimulatedModem(pin="1234") as modem:
        machine.tty("ttyUSB0", modem.port, port="1-1")
        desk = Desk(machine)
        desk.choose()
        for pin in ("9999", "1234"):
            desk.answer(sim_pin=pin)
            failed = desk.do(Task.NETWORK)
            assert not failed.ok
            assert "in a phone" in failed.remedy[0]
            assert pin not in " ".join((*failed.said, *failed.remedy))
        assert modem.commands["+CPIN"] == 1


def test_the_pin_of_a_sim_lies_in_a_file_of_its_own_that_nobody_else_reads(machine: Machine) -> None:
    with SimulatedModem(pin=CODE) as modem:
        machine.tty("ttyUSB0", modem.port, port="1-1", by_id="usb-E3372-if00")
        desk = Desk(machine)
        desk.choose()
        desk.answer(sim_pin=CODE, number="none", trunk="none")
        assert desk.do(Task.NETWORK).ok
        assert desk.do(Task.PLAN).ok
        assert desk.do(Task.WRITE).ok
    pin_file = desk.path.parent / "sim1.pin"
    assert stat.S_IMODE(pin_file.stat().st_mode) == 0o600
    assert pin_file.read_text() == f"{CODE}\n"
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o640
    assert CODE not in desk.path.read_text()
    rows = tomllib.loads(desk.path.read_text())["modem"]
    by_id = str(machine.root / "dev/serial/by-id/usb-E3372-if00")
    assert rows == [{"name": "sim1", "port": by_id, "pin_file": str(pin_file)}]
    assert (machine.root / "etc/udev/rules.d/77-pinwheel-sim1.rules").exists()


def test_a_sim_without_a_service_centre_says_so_before_anything_is_sent(machine: Machine) -> None:
    with SimulatedModem() as modem:
        modem.answer("+CSCA?", '+CSCA: "",129', "OK")
        machine.tty("ttyUSB0", modem.port, port="1-1")
        desk = Desk(machine)
        desk.choose()
        failed = desk.do(Task.NETWORK)
        assert not failed.ok
        assert "service centre" in failed.remedy[0]


@pytest.mark.parametrize(("registered", "said"), [(3, "refuses this SIM"), (2, "no network")])
def test_a_modem_without_a_network_says_why(registered: int, said: str) -> None:
    with SimulatedModem() as modem:
        modem.register(registered)
        row = parse(modem_section(modem.port), Path("x")).modem[0]
        failed = trial.network(row, quiet, trial.Patience(60, 0))
    assert not failed.ok
    assert said in failed.remedy[0]


def test_an_sms_that_the_network_refuses_is_a_failure_with_a_remedy() -> None:
    with SimulatedModem(network_s=0.01) as modem:
        modem.refuse(1, times=9)
        row = parse(modem_section(modem.port), Path("x")).modem[0]
        failed = trial.send_code(row, "447700900123", "4711", quiet)
    assert (failed.ok, failed.secret) == (False, "")
    assert failed.said[0].startswith("not sent: ")


def test_a_port_that_is_typed_is_asked_what_it_is(machine: Machine) -> None:
    with SimulatedModem() as modem:
        machine.tty("ttyS7", modem.port)
        desk = Desk(machine)
        desk.answer(modem="other", port="/dev/ttyS7")
        assert desk.do(Task.PROBE).sticks[0].port == "/dev/ttyS7"
        desk.answer(port="/dev/ttyS8")
        assert desk.do(Task.PROBE).sticks == ()


# --- the trunk ---


def trunk(phone: SimulatedPhone, more: str = "", server: str = "") -> Config:
    text = f'[voice]\ndriver = "pyvoip"\nserver = "{server or phone.address}"\nbind = "127.0.0.1:0"\n{more}'
    return parse(text, Path("x"))


def test_a_trunk_that_asks_for_a_password_and_gets_another_says_so(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("wrong")
    with SimulatedPhone(password=CODE) as strict:
        config = trunk(strict, f'username = "620"\npassword_file = "{wrong}"\n')
        failed = trial.register(config.voice, quiet)
    assert "refuses the password" in failed.remedy[0]


def test_a_trunk_that_is_not_there_says_what_to_check(phone: SimulatedPhone) -> None:
    config = trunk(phone, "register = false\nkeepalive_seconds = 1\n", server="127.0.0.3:9")
    failed = trial.register(config.voice, quiet, trial.Patience(20, 0.5))
    assert not failed.ok
    assert failed.remedy


@pytest.mark.parametrize(
    ("number", "said"), [("447700900190", "busy"), ("447700900193", "no such number")], ids=["busy", "404"]
)
def test_a_call_that_does_not_come_about_says_why(phone: SimulatedPhone, number: str, said: str) -> None:
    failed = trial.call(trunk(phone), number, "4711", quiet)
    assert not failed.ok
    assert said in failed.remedy[0]


# --- the files ---


def test_a_trunk_that_replaces_another_leaves_none_of_its_keys(machine: Machine) -> None:
    desk = Desk(machine)
    caller = "+442079460123"
    desk.answer(modem="none", number="none", trunk="twilio", server="acme.pstn.twilio.com", username="u")
    desk.answer(password=CODE, caller_id=caller, transport="tls")
    desk.do(Task.FIND)
    planned = desk.do(Task.PLAN)
    assert '+ srtp = "sdes"' in planned.said
    assert CODE not in " ".join(planned.said)
    assert desk.do(Task.WRITE).ok
    assert (desk.path.parent / "trunk.password").read_text() == f"{CODE}\n"

    again = Desk(machine, desk.path.read_text())
    assert again.known.present.trunk == "at acme.pstn.twilio.com"
    again.answer(modem="none", number="none", trunk="fritzbox", server="fritz.box", username="620", dial="{00}")
    again.answer(password="")
    again.do(Task.FIND)
    assert again.do(Task.PLAN).changed
    assert again.do(Task.WRITE).ok
    voice = tomllib.loads(again.path.read_text())["voice"]
    assert not {"srtp", "caller_id", "keepalive_seconds"} & voice.keys()
    assert voice["password_file"] == str(desk.path.parent / "trunk.password")


def test_the_same_answers_again_change_nothing(machine: Machine) -> None:
    desk = Desk(machine)
    answers = {"modem": "none", "number": "none", "trunk": "fritzbox", "server": "fritz.box", "username": "620"}
    desk.answer(**answers, dial="{00}", password=CODE)
    desk.do(Task.FIND)
    desk.do(Task.PLAN)
    desk.do(Task.WRITE)
    again = Desk(machine, desk.path.read_text())
    again.answer(**answers, dial="{00}", password=CODE)
    again.do(Task.FIND)
    assert not again.do(Task.PLAN).changed


def test_a_dry_run_says_that_it_is_one_and_writes_nothing(machine: Machine) -> None:
    desk = Desk(machine)
    desk.known = replace(desk.known, dry_run=True)
    desk.answer(modem="none", trunk="fritzbox", server="fritz.box", username="620", dial="{00}", password=CODE)
    desk.do(Task.FIND)
    assert "a dry run" in desk.do(Task.PLAN).said[-1]
    assert not desk.path.parent.exists()


def test_answers_that_make_no_configuration_are_a_failure_that_names_them(machine: Machine) -> None:
    desk = Desk(machine)
    desk.answer(modem="none", trunk="fritzbox", server="", username="6 2", dial="x", password="")
    failed = desk.do(Task.PLAN)
    assert not failed.ok
    assert any("dial" in line for line in failed.said)


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x" / "file"
    put(NewFile(path, "old", CONFIGURATION))
    with pytest.raises(UnicodeEncodeError):
        put(NewFile(path, "new \udcff", SECRET))
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["file"]


def test_what_cannot_be_written_is_a_failure_with_the_place(machine: Machine) -> None:
    desk = Desk(machine)
    desk.path.parent.parent.joinpath("etc").write_text("no directory")
    desk.answer(modem="none", trunk="none")
    desk.known = replace(desk.known, present=Present())
    desk.do(Task.FIND)
    failed = desk.do(Task.WRITE)
    assert not failed.ok
    assert "etc" in failed.said[0]


# --- the daemon beside it ---


def test_a_running_daemon_lets_go_of_the_port_and_gets_it_back(machine: Machine, tmp_path: Path) -> None:
    with SimulatedModem(network_s=0.01) as modem, Gateway(tmp_path, modem_section(modem.port)) as gateway:
        machine.tty("ttyUSB0", modem.port, port="1-1")
        until(lambda: gateway.client.get("/v1/modems")["modems"][0]["state"] == "ready", "the modem")
        before = changed(SHIPPED, {}, {"name": "sim1", "port": modem.port})
        named = Desk(machine, before, gateway.client)
        named.answer(modem="other", port="/dev/ttyUSB0")
        assert named.do(Task.PROBE).said == ("Huawei E3372 (12d1:1506) is in use by pinwheeld",)
        desk = Desk(machine, before, gateway.client)
        desk.choose()
        assert (desk.known.stick is not None, desk.known.stick and desk.known.stick.held) == (True, True)
        assert desk.do(Task.FREE).ok
        assert desk.do(Task.PROBE).said == ("Huawei E3372 (12d1:1506) answers",)
        assert desk.do(Task.NETWORK).ok
        desk.service.give_back()
        until(lambda: gateway.client.get("/v1/modems")["modems"][0]["state"] == "ready", "the modem again")


def test_a_configuration_that_the_service_cannot_use_is_not_started(machine: Machine) -> None:
    desk = Desk(machine)
    put(NewFile(desk.path, "[voice]\ndriver = 3\n", CONFIGURATION))
    failed = desk.service.start(rules=False, again=True)
    assert not failed.ok
    assert f"cannot use {desk.path}: [voice] driver" in failed.said[0]


def test_files_that_the_service_cannot_use_are_taken_back_whatever_was_there_before(machine: Machine) -> None:
    """A configuration that does not start used to stay, and the service was down."""
    before = f"{SHIPPED}\n# mine\n"
    desk = Desk(machine, before)
    put(NewFile(desk.path, before, CONFIGURATION))
    desk.path.chmod(0o604)
    desk.answer(**NEW_TRUNK)
    desk.do(Task.FIND)
    assert desk.do(Task.WRITE).ok
    assert (desk.path.parent / "trunk.password").read_text() == "geheim\n"
    (desk.path.parent / "trunk.password").unlink()  # what the new configuration needs is gone
    failed = desk.do(Task.START)
    assert (failed.ok, failed.started) == (False, False)
    assert failed.said[-1] == f"{desk.path} is as it was before; pinwheeld was left alone"
    assert desk.path.read_text() == before
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o604
    assert [*desk.path.parent.iterdir()] == [desk.path]


def test_where_one_file_cannot_be_written_none_is(machine: Machine) -> None:
    desk = Desk(machine)
    desk.answer(**NEW_TRUNK)
    desk.do(Task.FIND)
    desk.path.mkdir(parents=True)  # in the way of the last file, the configuration
    assert not desk.do(Task.WRITE).ok
    assert [*desk.path.parent.iterdir()] == [desk.path]


# --- answers ---


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("number", "+447700900123", "07700900123"),
        ("number", "none", "+44770"),
        ("sim_pin", "1234", "12"),
        ("sim_pin", "12345678", "12a4"),
        ("port", "/dev/ttyUSB2", "ttyUSB2"),
        ("password", "with space inside", " around "),
        ("server", "pbx.example:5061", "http://pbx.example"),
        ("transport", "tls", "smoke"),
        ("username", "620", "a b"),
        ("dial", "9{national}", "{nobody}"),
        ("keepalive_seconds", "25", "often"),
        ("keepalive_seconds", "0", "99999"),
        ("keepalive_seconds", "5", "9" * 5000),  # it used to end setup with an error of Python
        ("bind", "0.0.0.0:5060", "eth0"),
        ("caller_id", "+442079460123", 'a"b'),
    ],
)
def test_an_answer_is_judged_as_the_configuration_would_be(name: str, good: str, wrong: str) -> None:
    assert mistake(name, good) == ""
    assert mistake(name, wrong) != ""


def test_a_number_is_dialled_by_its_digits() -> None:
    assert digits("+44 7700 900123") == "447700900123"
