"""`pinwheel doctor` on real parts: a daemon whose modems are each in another trouble, a held port, a damaged file."""

import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.client.connection import Client
from daemon.operations.doctor.facts import Facts
from daemon.operations.doctor.judging import judged, problems
from daemon.operations.doctor.probing import Subject, gathered, within
from daemon.operations.doctor.registry import CHECKS, OF_DAEMON
from daemon.operations.host.values import Missing
from drivers.pyvoip import Driver, Options
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.operations.machine import Machine
from tests.daemon.operations.worlds import inside, voice
from tests.drivers.pyvoip.test_trunk_survey import server
from tests.gateway import Gateway, modem_section, until
from tests.peers.datagrams import DatagramPeer
from tests.peers.tls import certificate
from tests.users import as_user

OF_THIS_MACHINE = {
    "clock",
    "memory",
    "descriptors",
    "entropy",
    "disk-room",
    "sqlite",
    "rivals",
    "firewall",
    "sip-helper",
}
"""Checks that may well find something on the machine of a test."""
HOLD = "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('held', flush=True); sys.stdin.read()"


def doctor(socket: Path, *words: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["--socket", str(socket), "doctor", *words])


def found(rows: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The problems: by check, of which modems."""
    by_check: dict[str, set[str]] = {}
    for row in rows:
        if row["state"] in ("warning", "error") and row["code"] not in OF_THIS_MACHINE:
            by_check.setdefault(row["code"], set()).add(row["subject"])
    return by_check


@contextmanager
def held(port: str) -> Iterator[int]:
    """By another program; its pid."""
    with subprocess.Popen([sys.executable, "-c", HOLD, port], stdin=-1, stdout=-1, text=True) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        assert program.stdout.readline() == "held\n"
        yield program.pid
        program.stdin.close()


CAUSES = {
    "port-held": {"held"},
    "sim": {"locked", "puk", "empty"},
    "network-denied": {"denied"},
    "network": {"searching"},
    "modem-tty": {"diagnostics"},
    "port-there": {"gone"},
    "smsc": {"no-smsc"},
    "trunk-account": {"[voice]"},
}


def test_each_modem_in_trouble_has_its_own_cause_and_nothing_that_follows(tmp_path: Path) -> None:
    """Nine modems, an account with a wrong password, a port that another program has: one daemon, one look."""
    (tmp_path / "password").write_text("wrong")
    (tmp_path / "password").chmod(0o600)
    with ExitStack() as stack:
        modems = {name: stack.enter_context(SimulatedModem(tmp_path / name)) for name in ("held", "puk", "empty")}
        more = ("denied", "searching", "diagnostics", "no-smsc", "good")
        modems |= {name: stack.enter_context(SimulatedModem(tmp_path / f"{name}0")) for name in more}
        locked = stack.enter_context(SimulatedModem(tmp_path / "locked0", pin="1234"))
        modems["puk"].answer("+CPIN?", "+CPIN: SIM PUK", "OK")
        modems["empty"].answer("+CPIN?", "+CME ERROR: 10")
        modems["denied"].register(3)
        modems["searching"].register(2)
        modems["diagnostics"].answer("+CMGS=?", "ERROR")
        modems["no-smsc"].answer("+CSCA?", '+CSCA: "",129', "OK")
        pid = stack.enter_context(held(modems["held"].port))
        phone = stack.enter_context(SimulatedPhone(password="right"))  # noqa: S106
        sections = [modem_section(modem.port, name) for name, modem in modems.items() if name != "diagnostics"]
        sections += [modem_section(str(tmp_path / "diagnostics*"), "diagnostics")]
        sections += [modem_section(locked.port, "locked"), modem_section(str(tmp_path / "nowhere"), "gone")]
        account = f'username = "gateway"\npassword_file = "{tmp_path}/password"\nbind = "127.0.0.1:0"\n'
        voice = f'[voice]\ndriver = "pyvoip"\nserver = "{phone.address}"\n{account}'
        gateway = Gateway(tmp_path, "\n".join(sections) + voice, log_level="warning")
        gateway.start()
        try:
            daemon_sees = {"sim", "network", "network-denied", "modem-tty", "modem-port", "trunk-account"}

            def seen() -> bool:
                told = found([*gateway.client.get("/v1/doctor")["checks"]])
                return daemon_sees <= told.keys() and told["sim"] == CAUSES["sim"] and "held" in told["modem-port"]

            until(seen, "the daemon sees them")
            done = doctor(gateway.socket, "--config", str(gateway.config), "--json")
            document = json.loads(done.stdout)
            assert found(document["checks"]) == CAUSES, document["checks"]
            said = {row["code"]: row["text"] for row in document["checks"] if row["state"] in ("warning", "error")}
            assert f"(pid {pid})" in said["port-held"]
            hidden = {(row["code"], row["subject"], row["because"]) for row in document["checks"] if row["because"]}
            assert hidden >= {("modem-port", "held", "port-held"), ("modem-port", "gone", "port-there")}
            assert (done.exit_code, document["daemon"]) == (1, "answers")
            assert len(document["checks"]) >= len(CHECKS)
            shown = doctor(gateway.socket, "--config", str(gateway.config), "--quick").output
            assert all(len(line) <= 80 or str(tmp_path) in line for line in shown.splitlines())
            assert re.search(r"^ERROR +port-held: python3?[.\d]* \(pid", shown, re.MULTILINE)
            assert re.search(r"^\d+ checks: \d+ ok, ", shown.splitlines()[-1])
        finally:
            gateway.stop()


def test_a_key_that_is_gone_and_then_a_database_that_is_damaged_are_named_with_the_daemon_down(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, modem_section("/nowhere/tty"))
    gateway.start()
    try:
        gateway.verify("447700900123")
    finally:
        gateway.stop()
    (tmp_path / "key").unlink()
    words = ("--config", str(gateway.config), "--quick", "--json")
    done = doctor(gateway.socket, *words)
    rows = json.loads(done.stdout)["checks"]
    assert (set(found(rows)) - {"port-there"}, done.exit_code) == ({"master-key"}, 3)
    with gateway.database.open("r+b") as file:
        file.write(b"\0" * 64)
    rows = json.loads(doctor(gateway.socket, *words).stdout)["checks"]
    assert set(found(rows)) - {"port-there"} == {"database-whole"}
    one = doctor(gateway.socket, "--config", str(gateway.config), "database-owner")
    assert (one.exit_code, one.output) == (0, "1 check: 1 ok\n")


class Registrar(DatagramPeer):
    """Answers everything with one status; via: what it writes behind our Via."""

    def __init__(self, status: str, via: str = "") -> None:
        super().__init__("127.0.0.8")
        self._status, self._via = status, via

    def answer(self, data: bytes) -> bytes:
        kept = [line for line in data.decode().splitlines() if re.match(r"(?i)(via|from|to|call-id|cseq):", line)]
        kept = [line + self._via if line.lower().startswith("via") else line for line in kept]
        kept = [line + ";tag=1" if line.lower().startswith("to:") else line for line in kept]
        return "\r\n".join([f"SIP/2.0 {self._status}", *kept, "Content-Length: 0", "", ""]).encode()


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        ("403 Forbidden", "trunk-account", "account blocked"),
        ("404 Not Found", "trunk-account", "does not know this account"),
        ("480 Temporarily Unavailable", "trunk-works", "the log of the trunk"),  # it used to be "silent"
    ],
)
def test_a_registrar_that_refuses_has_the_remedy_of_its_status(status: str, code: str, remedy: str) -> None:
    with Registrar(status) as trunk:
        driver = Driver("voice", Options(trunk.address, username="gateway", bind="127.0.0.1:0"))
        driver.open(lambda _: None)
        try:
            until(lambda: status in driver.status().detail, "it is refused")
            refused = driver.status()
        finally:
            driver.close()
    (only,) = problems(judged(OF_DAEMON, Facts(inside=inside(sms=None, voice=replace(voice(), status=refused)))))
    assert only.check.name == code
    assert remedy in only.verdict.sentence


def named(tmp_path: Path, voice: str) -> list[str]:
    """What the doctor finds of a trunk, with no daemon."""
    config = tmp_path / "pinwheel.toml"
    config.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/p.db"\n[voice]\ndriver = "pyvoip"\n{voice}')
    facts = gathered(Subject(config, Client(tmp_path / "s"), tmp_path))
    found = problems(judged(CHECKS, facts))
    return [each.check.name for each in found if each.check.name not in {*OF_THIS_MACHINE, "daemon-answers"}]


def test_a_trunk_behind_a_nat_without_a_name_or_with_a_certificate_that_is_over(tmp_path: Path) -> None:
    with Registrar("200 OK", ";received=203.0.113.9;rport=31000") as trunk:
        assert named(tmp_path, f'server = "{trunk.address}"\nbind = "127.0.0.1:0"') == ["nat"]
    assert named(tmp_path, 'server = "nowhere.invalid:5060"') == ["trunk-name"]
    over = certificate(tmp_path, "localhost", from_day=-9, to_day=-1)
    with server(b"", over) as at:
        here = at.replace("127.0.0.1", "localhost")
        tls = f'transport = "tls"\ntls_ca = "{over[0]}"\nbind = "127.0.0.1:0"'
        assert named(tmp_path, f'server = "{here}"\n{tls}') == ["trunk-certificate"]


# --- probes on a built machine ---------------------------------------------------------------------------------


def test_a_stick_that_modemmanager_opens_is_seen_on_a_machine_with_systemd(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root")
    with SimulatedModem() as modem:
        machine.usb("1-1.4", "1e0e:9001", control="auto")
        machine.tty("ttyUSB2", modem.port, port="1-1.4", by_id="usb-SimTech-if02-port0")
        machine.process(812, "ModemManager", "ModemManager.service")
        machine.process(900, "smsd", "smstools.service")
        machine.write("/dev/kmsg", "6,1,1,-;usb 1-1.4: USB disconnect, device number 7\n" * 4)
        machine.write("/proc/modules", "nf_conntrack_sip 16384 0 - Live 0x0\n")
        config = tmp_path / "pinwheel.toml"
        config.write_text(
            f'[api]\nsocket = "{tmp_path}/s"\n[store]\nurl = "sqlite:///{tmp_path}/p.db"\n'
            + modem_section("/dev/ttyUSB2")
        )
        facts = gathered(Subject(config, Client(tmp_path / "s"), machine.root), slow=False)
    checks = {each.check.name: each.verdict for each in problems(judged(CHECKS, facts))}
    assert {"modemmanager", "rivals", "usb-suspend", "usb-resets", "port-name", "sip-helper"} <= checks.keys()
    assert "ttyUSB2 of modem sim1" in checks["modemmanager"].text


def test_a_probe_that_hangs_or_fails_costs_its_own_part_only() -> None:
    def fails(error: Exception) -> None:
        raise error

    assert within(0.01, threading_wait) == Missing("no answer within 0.01 s")
    assert within(5, fails, PermissionError(13, "Permission denied")) == Missing("Permission denied")
    assert within(5, fails, KeyError("x")) == Missing("this look failed: KeyError")


def threading_wait() -> None:
    subprocess.run(["sleep", "0.3"], check=False)


def test_whoever_is_not_in_the_group_learns_that_and_a_member_has_no_trouble(public_path: Path) -> None:
    with SimulatedModem() as modem, Gateway(public_path, modem_section(modem.port)) as gateway:
        gateway.config.chmod(0o640)

        def act() -> list[Any]:
            facts = gathered(Subject(gateway.config, Client(gateway.socket)), slow=False)
            results = problems(judged(CHECKS, facts))
            return [[each.check.name, each.verdict.sentence] for each in results]

        act()  # the other user may not read this machine's Python: all that is needed is loaded before
        shown = [each for each in as_user(65534, act) if each[0] not in OF_THIS_MACHINE]
        member = [each for each in as_user(65534, act, gids=[0]) if each[0] not in OF_THIS_MACHINE]
    assert member == []
    assert [name for name, _ in shown] == ["socket-group"]
    assert "sudo usermod -aG" in shown[0][1]


# --- the command -----------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway that does not run, with files that others may read, and one that they may change."""
    path = tmp_path / "pinwheel.toml"
    (tmp_path / "pin").write_text("4711\n")
    (tmp_path / "password").write_text("kept-s3cret\n")
    path.write_text(
        f'[api]\nsocket = "{tmp_path}/s"\n[store]\nurl = "sqlite:///{tmp_path}/p.db"\n'
        + modem_section("/nowhere/447700900123", "sim1", f'pin_file = "{tmp_path}/pin"')
        + f'[voice]\ndriver = "pyvoip"\nserver = "127.0.0.9:5999"\nusername = "447700900456"\n'
        f'password_file = "{tmp_path}/password"\n'
    )
    for each, mode in (("pin", 0o644), ("password", 0o644), ("pinwheel.toml", 0o646)):
        (tmp_path / each).chmod(mode)
    return path


def test_fix_changes_modes_and_asks_before(config: Path) -> None:
    words = ("--config", str(config), "--quick", "config-mode", "secret-mode")
    asked = CliRunner(mix_stderr=False).invoke(main, ["doctor", *words, "--fix"], input="n\nn\nn\n")
    assert asked.exit_code == 1
    assert config.stat().st_mode & 0o002
    # What would be run used to be in its remedy at best: a rule for udev was a word of it.
    assert f"\n{'':9}$ chmod o-w" in asked.stdout
    done = CliRunner(mix_stderr=False).invoke(main, ["doctor", *words, "--fix", "--yes"])
    assert (done.exit_code, done.stdout) == (0, "2 checks: 2 ok\n")
    modes = {each: (config.parent / each).stat().st_mode & 0o777 for each in ("pin", "password", "pinwheel.toml")}
    assert modes == {"pin": 0o640, "password": 0o640, "pinwheel.toml": 0o644}


def test_a_bundle_has_no_secret_and_no_whole_number(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in the configuration, in the files that it names, and in the journal."""
    programs = config.parent / "bin"
    programs.mkdir()
    journal = programs / "journalctl"
    said = "2026-11-28T23:01:02 request of +44 7700 900789 password=kept-s3cret imsi 234150999999999 pin 4711"
    journal.write_text(f"#!/bin/sh\necho '{said}'\n")
    journal.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    target = config.parent / "report.tar.gz"
    doctor(config.parent / "s", "--config", str(config), "--quick", "--bundle", str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as archive:
        texts = {each.name: archive.extractfile(each).read().decode() for each in archive}  # type: ignore[union-attr]
    assert {name.rpartition("/")[2] for name in texts} == {
        "doctor.json",
        "configuration.json",
        "machine.json",
        "log.txt",
    }
    whole = "\n".join(texts.values())
    for planted in ("kept-s3cret", "4711", "447700900123", "447700900456", "900789", "234150999999999"):
        assert planted not in whole, planted
    log = texts["pinwheel-doctor/log.txt"]
    assert log.startswith("2026-11-28T23:01:02 request of number-")
    assert json.loads(texts["pinwheel-doctor/configuration.json"])["[voice]"]["password_file"] == "set"  # noqa: S105


def test_names_that_do_not_exist_and_questions_in_json_are_wrong_usage(config: Path) -> None:
    assert doctor(config.parent / "s", "no-such").exit_code == 2
    assert doctor(config.parent / "s", "--fix", "--json").exit_code == 2
    listed = json.loads(doctor(config.parent / "s", "--list", "--json").stdout)["checks"]
    assert [each["check"] for each in listed] == [check.name for check in CHECKS]
    shown = doctor(config.parent / "s", "--list").output
    assert max(map(len, shown.splitlines())) <= 80


def test_strict_counts_warnings_and_a_warning_alone_is_no_error(config: Path) -> None:
    words = ("--config", str(config), "--quick", "port-there")
    assert doctor(config.parent / "s", *words).exit_code == 0
    assert doctor(config.parent / "s", *words, "--strict").exit_code == 1
    assert "skipped" in doctor(config.parent / "s", *words, "modem-port", "--all").output
