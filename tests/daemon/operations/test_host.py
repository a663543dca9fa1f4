"""What the machine says of its ports and programs, on a built /proc and /sys with real pseudo-terminals."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.operations.host import port_rivals, programs, serial_ports, sqlite_file, units
from daemon.operations.host.values import Database, Holders, Unit
from daemon.store.sqlite.library import PAGE_SIZE, connect
from tests.daemon.operations.machine import Machine, key_of


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def pty() -> Iterator[str]:
    """The name of a terminal that exists as long as the test."""
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_the_program_that_holds_a_port_is_named_with_its_unit_whatever_name_it_opened(
    machine: Machine, pty: str
) -> None:
    machine.tty("ttyUSB2", pty, by_id="usb-SimTech_SIM7600-if02-port0")
    machine.process(812, "ModemManager", "ModemManager.service", (pty,))
    machine.process(900, "bash", "", ("/dev/null",))
    (port,) = serial_ports.fitting("/dev/serial/by-id/usb-*", machine.root)
    held = programs.holders(port.number, machine.root)
    assert str(held.found[0]) == "ModemManager (pid 812, ModemManager.service)"
    assert len(held.found) == 1
    assert held.complete
    assert [each.name for each in port_rivals.rivals(programs.processes(machine.root))] == ["ModemManager"]


def test_who_holds_a_port_of_this_machine_is_found_too(pty: str) -> None:
    """The real /proc: a program holds the pty; we, who have both of its ends, serve it.

    A program in a container, with a pty of the same number there, used to be named, too.
    """
    with open(pty) as port, subprocess.Popen(["cat"], stdin=port) as program:
        held = programs.holders(os.stat(pty).st_rdev)
        program.terminate()
    assert [each.pid for each in held.found] == [program.pid]


@pytest.mark.parametrize(("kind", "of"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_who_has_a_port_of_the_network_is_found_too(kind: str, of: socket.SocketKind) -> None:
    """There used to be "look who has it"."""
    with socket.socket(socket.AF_INET, of) as sock:
        sock.bind(("127.0.0.9", 0))
        port = sock.getsockname()[1]
        if kind == "tcp":
            sock.listen()
        assert [each.pid for each in programs.at_port(kind, port).found] == [os.getpid()]
    assert programs.at_port(kind, port) == Holders(())


def test_a_process_that_ends_or_hides_leaves_a_list_that_says_it_is_not_complete(machine: Machine) -> None:
    machine.process(7, "gone")
    (machine.root / "proc/7/fd").rmdir()
    assert programs.holders(1, machine.root) == Holders(())
    assert programs.processes(machine.root / "nowhere") == ()
    (machine.root / "proc/8").mkdir()
    assert str(programs.processes(machine.root)[1]) == "? (pid 8)"


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/ModemManager.service\n", "ModemManager.service"),
        ("0::/user.slice/user-0.slice/session-1.scope\n", "session-1.scope"),
        ("12:cpu:/\n1:name=systemd:/system.slice/smsd.service/sub\n", "smsd.service"),
        ("0::/\n", ""),
        ("", ""),
    ],
)
def test_the_unit_of_a_process_is_the_innermost_of_its_control_group(cgroup: str, unit: str) -> None:
    assert programs.unit_of(cgroup) == unit


def test_a_port_knows_its_stick_its_interface_its_stable_name_and_its_group(machine: Machine, pty: str) -> None:
    machine.usb("1-1.4", "1e0e:9001", product="SIM7600", serial="0123", classes=("ff", "ff", "ff"))
    machine.tty("ttyUSB2", pty, port="1-1.4", interface=2, by_id="usb-SimTech_SIM7600-if02-port0")
    (port,) = serial_ports.usb_ports(machine.root)
    assert (port.name, port.device, port.interface) == ("/dev/ttyUSB2", "ttyUSB2", "02")
    assert port.by_id == ("/dev/serial/by-id/usb-SimTech_SIM7600-if02-port0",)
    assert port.usb is not None
    assert (port.usb.ids, port.usb.name, port.usb.control) == ("1e0e:9001", "SIM7600", "on")
    assert port_rivals.is_modem(port.usb)
    assert port.group
    assert not port.left_alone
    assert [each.ids for each in serial_ports.usb_devices(machine.root)] == ["1e0e:9001"]


@pytest.mark.parametrize(("key", "name"), [("", "ID_MM_PORT_IGNORE"), ("c189:6", "ID_MM_DEVICE_IGNORE")])
def test_a_rule_for_modemmanager_counts_at_the_port_and_at_its_device(
    machine: Machine, pty: str, key: str, name: str
) -> None:
    machine.usb("1-1.4", "1e0e:9001")
    machine.tty("ttyUSB2", pty, port="1-1.4")
    machine.udev(key or key_of(pty), **{name: "1"})
    assert serial_ports.fitting("/dev/ttyUSB2", machine.root)[0].left_alone


def test_what_is_no_port_is_none_and_what_is_no_device_says_so(machine: Machine) -> None:
    machine.write("/dev/ttyUSB9", "a file")
    assert serial_ports.fitting("/dev/ttyUSB0", machine.root) == ()
    assert not serial_ports.fitting("/dev/ttyUSB*", machine.root)[0].is_tty


def test_what_is_damaged_in_a_database_is_one_finding_a_line(tmp_path: Path) -> None:
    """There used to be "*** in database main ***" in the sentence, and three findings in one."""
    path = tmp_path / "p.db"
    with closing(connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9999) INSERT INTO t SELECT i FROM n"
        )
        db.execute("CREATE INDEX i ON t (x)")
    with path.open("r+b") as file:
        file.seek(-9 * PAGE_SIZE, os.SEEK_END)  # pages of the index
        file.write(b"\0" * 4 * PAGE_SIZE)
    found = sqlite_file.database(path, "")
    assert isinstance(found, Database)
    assert len(found.damage) == 3
    assert not re.search(r"\*\*\*|\n", "".join(found.damage))


def test_a_unit_is_as_systemctl_prints_it(machine: Machine) -> None:
    assert units.unit("pinwheel.service", machine.root) is None
    assert units.read("pinwheel.service", "nonsense") is None
    for state, up_s in (("active", 60.0), ("activating", 0.0)):
        found = units.read("x", f"ActiveState={state}\nActiveEnterTimestampMonotonic=40000000", 100.0)
        assert found is not None
        assert found.up_s == up_s
    (machine.root / "run/systemd/system").mkdir(parents=True)
    program = machine.write("/bin/systemctl", f"#!/bin/sh\necho '{SHOWN}'\n")
    program.chmod(0o755)
    found = units.unit("pinwheel.service", machine.root, path=str(program.parent))
    assert found == Unit(
        "pinwheel.service",
        True,
        "active",
        "enabled",
        3,
        True,
        "success",
        watchdog=True,
        user="root",
        group="staff-of-nobody",
    )
    assert units.time_keeper(machine.root, path=str(program.parent)) == "systemd-timesyncd.service"
    program.write_text(f"#!/bin/sh\necho '{SHOWN}' | sed s/=loaded/=not-found/\n")
    assert units.time_keeper(machine.root, path=str(program.parent)) == ""
    assert units.time_keeper(machine.root / "nowhere") is None
    # A group that somebody deleted used to be a daemon that "does not answer".
    assert units.lost(found) == ("group staff-of-nobody",)


SHOWN = """LoadState=loaded
ActiveState=active
UnitFileState=enabled
NRestarts=3
NeedDaemonReload=yes
User=root
Group=staff-of-nobody
Result=success
WatchdogUSec=15s"""
