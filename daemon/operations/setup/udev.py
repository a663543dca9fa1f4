"""The udev rule of one modem: its group, a name that stays, and ModemManager kept away from it. Pure."""

import re

from daemon.operations.setup.model import Stick

FOLDER = "/etc/udev/rules.d"
APPLIED = (
    ("udevadm", "control", "--reload"),
    ("udevadm", "trigger", "--action=change", "--subsystem-match=usb", "--subsystem-match=tty"),
    ("udevadm", "settle", "--timeout=10"),
)
"""The commands after which new rules count."""
HEX = re.compile(r"[0-9a-f]{4}")
UNSAFE = re.compile(r"[^A-Za-z0-9_.:-]")
"""In a serial number: what could end the quotes, or is a pattern to udev(7)."""

RULES = """\
# Written by pinwheel setup for the modem {name}. ModemManager leaves the whole stick alone, its network card too.
ACTION=="remove", GOTO="{label}"
SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {device}, ENV{{ID_MM_DEVICE_IGNORE}}="1"
SUBSYSTEM=="tty", {parent}, GROUP="pinwheel", MODE="0660", ENV{{ID_MM_DEVICE_IGNORE}}="1"
SUBSYSTEM=="tty", {parent}, ENV{{ID_USB_INTERFACE_NUM}}=="{interface}", SYMLINK+="pinwheel/{link}"
LABEL="{label}"
"""


def path_of(name: str) -> str:
    """77, as ModemManager's own rules have: it looks at what all of them have set."""
    return f"{FOLDER}/77-pinwheel-{_plain(name)}.rules"


def link_of(name: str) -> str:
    return f"/dev/pinwheel/{_plain(name)}"


def rules(name: str, stick: Stick) -> str:
    """The file; "" for what is no USB device. Without a serial number the stick is known by its socket."""
    if not (HEX.fullmatch(stick.vendor) and HEX.fullmatch(stick.product)):
        return ""
    pairs = [("idVendor", stick.vendor), ("idProduct", stick.product)]
    pairs += [("serial", UNSAFE.sub("?", stick.serial))] if stick.serial else []
    kernel = "" if stick.serial else UNSAFE.sub("?", stick.place)
    device = [f'ATTR{{{key}}}=="{value}"' for key, value in pairs] + ([f'KERNEL=="{kernel}"'] if kernel else [])
    parent = [f'ATTRS{{{key}}}=="{value}"' for key, value in pairs] + ([f'KERNELS=="{kernel}"'] if kernel else [])
    return RULES.format(
        name=_plain(name),
        label=f"pinwheel_{re.sub(r'[^A-Za-z0-9]', '_', name)}_end",
        device=", ".join(device),
        parent=", ".join(parent),
        interface=UNSAFE.sub("?", stick.interface),
        link=_plain(name),
    )


def _plain(name: str) -> str:
    return UNSAFE.sub("_", name)
