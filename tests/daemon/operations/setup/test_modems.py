"""Which modems setup finds: on a machine in a folder, with simulated modems behind real ptys."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from daemon.operations.setup.model import Stick
from daemon.operations.setup.modems import PRIMARY, Owned, find, probe
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.daemon.operations.machine import Machine, key_of

OTHER_PORT = Dialect(for_messages=False)  # answers AT, as a port for diagnostics may
BY_ID = "usb-Acme_Stick_0001-if02-port0"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def plug() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def silent(plug: ExitStack) -> str:
    """A terminal at which nothing answers."""
    master, slave = os.openpty()
    plug.callback(os.close, slave)
    plug.callback(os.close, master)
    return os.ttyname(slave)


def found(machine: Machine, owned: Owned | None = None) -> list[Stick]:
    return list(find(machine.root, owned or Owned()))


def below(machine: Machine, name: str) -> str:
    return str(machine.root / name)


def test_of_the_ports_of_a_stick_the_one_for_messages_is_taken(machine: Machine, plug: ExitStack) -> None:
    machine.usb("1-1.4", "1e0e:9001", classes=("ff", "ff", "ff"), product="SIM7600", serial="0001")
    diagnostics = plug.enter_context(SimulatedModem(dialect=OTHER_PORT))
    modem = plug.enter_context(SimulatedModem())
    machine.tty("ttyUSB0", silent(plug), port="1-1.4", interface=0)
    machine.tty("ttyUSB1", diagnostics.port, port="1-1.4", interface=1)
    machine.tty("ttyUSB2", modem.port, port="1-1.4", interface=2, by_id=BY_ID)
    (stick,) = found(machine)
    assert stick == Stick(
        below(machine, f"dev/serial/by-id/{BY_ID}"),
        "SIMCom SIM7600 (1e0e:9001)",
        imei="356938035643809",
        centre=True,
        vendor="1e0e",
        product="9001",
        serial="0001",
        place="1-1.4",
        interface="02",
    )


def test_the_port_that_modemmanager_knows_as_the_first_is_asked_first(machine: Machine, plug: ExitStack) -> None:
    machine.usb("1-1", "2c7c:0125", classes=("ff", "ff"))
    first, primary = (plug.enter_context(SimulatedModem()) for _ in range(2))
    machine.tty("ttyUSB0", first.port, port="1-1", interface=0)
    machine.tty("ttyUSB1", primary.port, port="1-1", interface=1)
    machine.udev(key_of(primary.port), **{PRIMARY: "1"})
    (stick,) = found(machine)
    assert stick.port == below(machine, "dev/ttyUSB1")
    assert not first.commands


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("12d1:1f01", "usb-modeswitch"),
        ("19d2:2000", "usb-modeswitch"),
        ("12d1:14db", "HiLink"),
        ("2c7c:0125", "no serial port"),
    ],
)
def test_a_stick_without_a_port_is_named_with_what_to_do(machine: Machine, ids: str, said: str) -> None:
    machine.usb("1-1", ids, product="Stick")
    (stick,) = found(machine)
    assert stick.port == ""
    assert ids in stick.title
    assert said in stick.trouble


def test_what_is_no_modem_is_never_opened_unless_it_is_named(machine: Machine, plug: ExitStack) -> None:
    """Opening the port of an Arduino restarts it; a Zigbee stick has state to lose."""
    machine.usb("1-1", "2341:0043", product="Arduino Uno")
    modem = plug.enter_context(SimulatedModem())
    machine.tty("ttyACM0", modem.port, port="1-1")
    (stick,) = found(machine)
    assert "name its port" in stick.trouble
    assert not modem.commands
    assert not probe("/dev/ttyACM0", machine.root, Owned()).trouble
    assert modem.commands


def test_two_ports_with_one_imei_are_one_modem(machine: Machine, plug: ExitStack) -> None:
    for number in range(2):
        machine.usb(f"1-{number}", "12d1:1506")
        modem = plug.enter_context(SimulatedModem())
        machine.tty(f"ttyUSB{number}", modem.port, port=f"1-{number}")
    assert len(found(machine)) == 1


def test_two_modems_are_two_and_the_one_that_works_comes_first(machine: Machine, plug: ExitStack) -> None:
    machine.usb("1-1", "12d1:1506", product="E3372")
    machine.usb("1-2", "12d1:1506", product="HUAWEI Mobile")
    machine.tty("ttyUSB0", silent(plug), port="1-1")
    machine.tty("ttyUSB1", plug.enter_context(SimulatedModem()).port, port="1-2")
    works, silent_one = found(machine)
    assert (works.title, works.trouble) == ("HUAWEI Mobile (12d1:1506)", "")
    assert (silent_one.title, "nothing answers" in silent_one.trouble) == ("Huawei E3372 (12d1:1506)", True)


def test_who_holds_a_port_is_named(machine: Machine, plug: ExitStack) -> None:
    modem = plug.enter_context(SimulatedModem())
    machine.usb("1-1", "12d1:1506")
    machine.tty("ttyUSB0", modem.port, port="1-1")
    machine.process(812, "ModemManager", "ModemManager.service", (modem.port,))
    holder = os.open(modem.port, os.O_RDWR | os.O_NOCTTY)
    plug.callback(os.close, holder)
    fcntl.flock(holder, fcntl.LOCK_EX)
    (stick,) = found(machine)
    assert stick.trouble.startswith("ModemManager (pid 812, ModemManager.service) has the port: run: systemctl stop")


def test_a_port_that_the_daemon_has_is_its_own_and_is_not_opened(machine: Machine, plug: ExitStack) -> None:
    modem = plug.enter_context(SimulatedModem())
    machine.usb("1-1", "12d1:1506")
    machine.tty("ttyUSB0", modem.port, port="1-1")
    (stick,) = found(machine, Owned(daemons={"sim1": modem.port}))
    assert (stick.row, stick.held, stick.trouble) == ("sim1", True, "")
    assert not modem.commands


@pytest.mark.parametrize(
    "owned",
    [
        Owned(rows={"sim0": "/dev/other", "sim1": "ROOT/dev/ttyUSB0"}),
        Owned(rows={"sim1": "ROOT/dev/ttyUSB*"}),
        Owned(rows={"sim0": "/dev/other"}, imeis={"sim0": "", "sim1": "356938035643809"}),
    ],
    ids=["port", "pattern", "IMEI"],
)
def test_a_stick_that_is_configured_already_keeps_its_row(machine: Machine, plug: ExitStack, owned: Owned) -> None:
    machine.usb("1-1", "12d1:1506")
    machine.tty("ttyUSB0", plug.enter_context(SimulatedModem()).port, port="1-1")
    here = Owned({name: port.replace("ROOT", str(machine.root)) for name, port in owned.rows.items()}, owned.imeis)
    assert [stick.row for stick in found(machine, here)] == ["sim1"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [("+CPIN: SIM PUK", "its PUK"), ("+CME ERROR: 10", "no SIM card")],
)
def test_a_sim_that_cannot_be_used_is_a_trouble_of_the_stick(
    machine: Machine, plug: ExitStack, answer: str, said: str
) -> None:
    machine.usb("1-1", "12d1:1506")
    modem = plug.enter_context(SimulatedModem())
    modem.answer("+CPIN?", answer, *(["OK"] if "ERROR" not in answer else []))
    machine.tty("ttyUSB0", modem.port, port="1-1")
    assert said in found(machine)[0].trouble


def test_a_port_that_is_not_there_or_takes_no_messages_says_so(machine: Machine, plug: ExitStack) -> None:
    assert "there is no port /dev/ttyS9" in probe("/dev/ttyS9", machine.root, Owned()).trouble
    modem = plug.enter_context(SimulatedModem(dialect=OTHER_PORT))
    machine.tty("ttyS1", modem.port)
    assert "no port of it takes messages" in probe("/dev/ttyS1", machine.root, Owned()).trouble


def test_nothing_plugged_in_is_nothing_found(machine: Machine) -> None:
    assert found(machine) == []
