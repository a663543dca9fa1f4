"""`pinwheel setup --simulated`: a stage with a simulated modem and phone, where nothing of this machine is changed."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from daemon.cli.context import tell
from daemon.cli.demo import START_S, Devices, pins_heard

if TYPE_CHECKING:
    from daemon.operations.setup.model import Question

NUMBER = "+447700900123"  # Ofcom keeps 07700 900000-900999 for drama: nobody has it
COMES_S = 45.0
STICK = {"idVendor": "12d1", "idProduct": "1506", "product": "Simulated stick", "serial": "0123456789"}
CONFIGURATION = """\
# The configuration of a rehearsal.
[api]
socket = {socket}

[store]
url = {store}

[voice]
driver = "none"  # The driver that makes calls.
"""


class Rehearsal:
    """root: stands for "/", with one stick in it; config: of the rehearsal. Raises DemoFailed."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="pinwheel-rehearsal-"))
        self.root, self.config = self._folder / "machine", self._folder / "pinwheel.toml"
        self._devices = Devices(self._folder)
        ready = self._devices.wait_for("ready", "the simulated devices", START_S)
        _plug_in(self.root, Path(ready["modem"]))
        paths = {"socket": self._folder / "control.sock", "store": f"sqlite:///{self._folder / 'pinwheel.db'}"}
        self.config.write_text(CONFIGURATION.format(**{name: json.dumps(str(path)) for name, path in paths.items()}))
        self.defaults = {"number": NUMBER, "trunk": "other", "server": ready["phone"], "username": "gateway"}
        self.welcome = ("This is a rehearsal: modem and phone are simulated, this machine is not changed.",)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._devices.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def before(self, question: "Question") -> None:
        """What the simulated phone shows or hears, before its code is asked for."""
        if question.name == "sms_code":
            tell(f"  The simulated phone shows: {self._devices.wait_for('sms', 'the SMS', COMES_S)['text']}")
        elif question.name == "call_code":
            recorded = self._devices.wait_for("recorded", "the recording", COMES_S)
            tell(f"  The simulated phone hears: {', again '.join(map(' '.join, pins_heard(Path(recorded['wav']))))}")


def _plug_in(root: Path, port: Path) -> None:
    """A USB stick with one serial port, in the folders that stand for /sys and /dev."""
    stick = root / "sys/devices/usb1/1-1"
    tty = stick / "1-1:1.0/ttyUSB0/tty/ttyUSB0"
    tty.mkdir(parents=True)
    for name, value in STICK.items():
        (stick / name).write_text(f"{value}\n")
    (stick / "1-1:1.0/bInterfaceNumber").write_text("00\n")
    number = os.stat(port).st_rdev
    links = {
        "dev/ttyUSB0": port,
        "dev/serial/by-id/usb-Simulated_Stick_0123456789-if00-port0": port,
        f"sys/dev/char/{os.major(number)}:{os.minor(number)}": tty,
        "sys/bus/usb/devices/1-1": stick,
    }
    for name, target in links.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (root / name).symlink_to(target)
