"""The udev rule of a modem: only its own device, and nothing that a device says can end a pattern."""

import re

import pytest

from daemon.operations.setup import udev
from daemon.operations.setup.model import Stick

STICK = Stick(
    "/dev/ttyUSB2", vendor="12d1", product="1506", serial="0123456789", place="1-1.4", interface="02", row="sim1"
)


def test_the_rule_names_the_device_by_vendor_product_and_serial() -> None:
    text = udev.rules("sim1", STICK)
    assert 'ATTRS{idVendor}=="12d1", ATTRS{idProduct}=="1506", ATTRS{serial}=="0123456789"' in text
    assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in text
    assert 'ENV{ID_USB_INTERFACE_NUM}=="02", SYMLINK+="pinwheel/sim1"' in text
    assert "KERNEL" not in text
    assert udev.path_of("sim1") == "/etc/udev/rules.d/77-pinwheel-sim1.rules"
    assert udev.link_of("sim1") == "/dev/pinwheel/sim1"


def test_a_stick_without_a_serial_number_is_known_by_its_socket() -> None:
    text = udev.rules("sim1", Stick("/dev/ttyUSB2", vendor="12d1", product="1506", place="1-1.4", interface="00"))
    assert text.count('KERNELS=="1-1.4"') == 2
    assert 'KERNEL=="1-1.4"' in text
    assert "serial" not in text


@pytest.mark.parametrize("hostile", ['x", RUN+="/bin/sh', "a*b", "a|b", "[a]", "é", "a\nb", "a$b%c"])
def test_what_a_device_says_cannot_end_a_rule(hostile: str) -> None:
    text = udev.rules('sim 1"\n', Stick("/dev/x", vendor="12d1", product="1506", serial=hostile, interface="00"))
    values = re.findall(r'ATTRS\{serial\}=="([^"]*)"', text)
    assert all(re.fullmatch(r"[A-Za-z0-9_.:?-]+", value) for value in values)
    assert "RUN" not in text.replace("RUN??", "")
    assert len(text.splitlines()) == 6
    assert "/" not in udev.path_of('../../x"').removeprefix(udev.FOLDER + "/")


@pytest.mark.parametrize("stick", [Stick("/dev/ttyS0"), Stick("/dev/x", vendor="zz", product="1506")])
def test_what_is_no_usb_device_gets_no_rule(stick: Stick) -> None:
    assert udev.rules("sim1", stick) == ""
