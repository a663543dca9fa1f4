"""A machine in a folder, for what looks at one: /proc, /sys, /dev, /run/udev, with real pseudo-terminals as ports."""

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Machine:
    """root: the folder that stands for "/"."""

    root: Path
    _usb: dict[str, Path] = field(default_factory=dict)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def link(self, path: str, target: str | Path) -> None:
        link = self.root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def process(self, pid: int, name: str, unit: str = "", opened: tuple[str, ...] = ()) -> None:
        """opened: paths of the real machine, such as that of a pty."""
        self.write(f"/proc/{pid}/comm", name + "\n")
        self.write(f"/proc/{pid}/cgroup", f"0::/system.slice/{unit}\n" if unit else "0::/user.slice\n")
        (self.root / f"proc/{pid}/fd").mkdir()
        for number, path in enumerate(opened):
            self.link(f"/proc/{pid}/fd/{number}", path)

    def usb(self, port: str, ids: str, *, classes: tuple[str, ...] = ("ff",), control: str = "on", **more: str) -> Path:
        """A device at a USB port, such as "1-1.4". control: of its power; more: product, serial, busnum, devnum."""
        folder = self.root / "sys/devices/pci0000/usb1" / port
        vendor, _, product = ids.partition(":")
        facts = {
            "idVendor": vendor,
            "idProduct": product,
            "busnum": "1",
            "devnum": "7",
            "power/control": control,
            **more,
        }
        for name, value in facts.items():
            self.write(str(folder.relative_to(self.root) / name), value + "\n")
        for number, each in enumerate(classes):
            interface = folder.relative_to(self.root) / f"{port}:1.{number}"
            self.write(str(interface / "bInterfaceClass"), each + "\n")
            self.write(str(interface / "bInterfaceNumber"), f"{number:02}\n")
        self.link(f"/sys/bus/usb/devices/{port}", folder)
        self._usb[port] = folder
        return folder

    def tty(self, name: str, real: str, *, port: str = "", interface: int = 0, by_id: str = "") -> None:
        """/dev/NAME, which is the real device `real`; an interface of the USB device at a port, if one is given."""
        self.link(f"/dev/{name}", real)
        number = os.stat(real).st_rdev
        if port:
            folder = self._usb[port] / f"{port}:1.{interface}" / name / "tty" / name
            folder.mkdir(parents=True)
            self.link(f"/sys/dev/char/{os.major(number)}:{os.minor(number)}", folder)
        if by_id:
            self.link(f"/dev/serial/by-id/{by_id}", real)

    def udev(self, key: str, **properties: str) -> None:
        """key: as "c189:6"."""
        self.write(f"/run/udev/data/{key}", "".join(f"E:{name}={value}\n" for name, value in properties.items()))


def key_of(device: str) -> str:
    """Of a device in udev's database."""
    number = os.stat(device).st_rdev
    return f"c{os.major(number)}:{os.minor(number)}"
