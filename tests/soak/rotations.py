"""`pinwheel key rotate`, killed with SIGKILL before each line of what it does with files.

A process that has the code loaded forks for each line.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from daemon.cli import main
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, until

NUMBER = "447700900101"
KILLED_AT_EACH_LINE = """
import os, shutil, signal, sys
from pathlib import Path
from daemon import master_key_files

key, worlds = Path(sys.argv[1]), Path(sys.argv[2])

def killing(line):
    left = [line]
    def trace(frame, event, _):
        if frame.f_code.co_filename != master_key_files.__file__:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

for line in range(1, 1000):
    world = worlds / f"{line:03}"
    world.mkdir()
    shutil.copy(key, world / "key")
    if not (child := os.fork()):
        sys.settrace(killing(line))
        master_key_files.rotate(master_key_files.KeyPlace(world / "key", ours=True))
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    for half in world.glob("*.new"):  # what a power cut may leave of a file that no fsync has reached
        shutil.copytree(world, other := worlds / f"{line:03} half")
        (other / half.name).write_bytes(half.read_bytes()[:7])
"""


def worlds_of(key: Path, folder: Path) -> list[Path]:
    """A folder for each of the different sets of files that a rotation leaves when it is killed, and for its end."""
    subprocess.run([sys.executable, "-c", KILLED_AT_EACH_LINE, str(key), str(folder)], check=True, timeout=60)
    first = key.read_bytes()
    kinds = {each: tuple(_kind(path, first) for path in sorted(each.iterdir())) for each in sorted(folder.iterdir())}
    return list({kind: each for each, kind in kinds.items()}.values())


def _kind(path: Path, first: bytes) -> tuple[str, str]:
    content = path.read_bytes()
    return path.name, "the first key" if content == first else f"{len(content)} octets"


@dataclass(slots=True)
class Live:
    """The state of a daemon that was stopped, with a live request and its PIN."""

    folder: Path
    modem: SimulatedModem
    request_id: str = ""
    pin: str = ""

    def begin(self) -> None:
        with Gateway(self.folder, modem_section(self.modem.port)) as gateway:
            self.request_id = gateway.verify(NUMBER, workflow_id=6)
            self.pin = pin_in(until(lambda: self.modem.accepted, "the SMS")[0][1])

    def trouble(self, world: Path, state: Path) -> str:
        """What is wrong when the daemon starts there and the rotation is done again; "" where all is well."""
        shutil.copytree(world, state)
        shutil.copy(self.folder / "pinwheel.db", state)
        with Gateway(state, modem_section(self.modem.port)) as gateway:
            rotated = (state / "key").read_bytes() != (self.folder / "key").read_bytes()
            again = CliRunner().invoke(main, ["key", "rotate", "--config", str(gateway.config)])
            if again.exit_code != int(rotated):  # 1: the daemon uses the new key already
                return f"the second rotation: {again.output}"
            gateway.stop()
            gateway.start()
            judged = gateway.client.verify("check", request_id=self.request_id, code=self.pin)
        left = [path.name for path in state.glob("*.new")]
        return "" if judged["status"] == "0" and not left else f"the right PIN: {judged}; left behind: {left}"


@dataclass(slots=True)
class Result:
    worlds: int = 0
    troubles: list[str] = field(default_factory=list)


def campaign(directory: Path) -> Result:
    """Each world with a daemon of its own."""
    for name in ("state", "worlds", "daemons"):
        (directory / name).mkdir()
    with SimulatedModem(directory / "port", network_s=0.02) as modem:
        live = Live(directory / "state", modem)
        live.begin()
        result = Result()
        for world in worlds_of(live.folder / "key", directory / "worlds"):
            result.worlds += 1
            trouble = live.trouble(world, directory / "daemons" / world.name)
            result.troubles += [f"{sorted(path.name for path in world.iterdir())}: {trouble}"] if trouble else []
    return result
