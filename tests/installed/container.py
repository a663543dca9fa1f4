"""`python -m tests.installed.container`: the container image, built from the package and run as docs/container.md says.

A simulated modem on a pseudo-terminal of this machine is passed in; the state is a volume, the root is read-only. Needs
root and podman. Exit status: 0 it held, 1 it did not, 3 this machine cannot run containers.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from daemon.client.connection import Client
from drivers.simulated.modem import SimulatedModem
from tests.gateway import listens, pin_in, until
from tests.installed.tree import RELEASES, ROOT, CannotBoot, tree
from tests.installed.world import package

BASE, IMAGE, STATE = "pinwheel-test-base", "pinwheel-test", "pinwheel-test-state"
RUNTIMES = ((), ("--runtime", "runc"))
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
NUMBER = "447700900123"


def main() -> int:
    if shutil.which("podman") is None:
        print("podman not found: apt-get install podman", file=sys.stderr)
        return 3
    release = RELEASES["bookworm"]
    try:
        base, built = tree(release), package(release)
    except CannotBoot as exc:
        print(exc, file=sys.stderr)
        return 3
    began = time.monotonic()
    with contextlib.ExitStack() as undo:
        undo.callback(_podman, "rmi", "--force", BASE, IMAGE)
        undo.callback(_podman, "volume", "rm", "--force", STATE)
        archive = subprocess.Popen(["tar", "-C", str(base), "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(
            ["podman", "import", "--quiet", "-", BASE], stdin=archive.stdout, check=True, capture_output=True
        )
        runtime = next((words for words in RUNTIMES if _runs(words)), None)
        if runtime is None:
            print("podman cannot run a container on this machine (crun and runc were tried)", file=sys.stderr)
            return 3
        _build(built)
        print(f"image built in {time.monotonic() - began:.0f} s: {_size()}")
        _verify(runtime)
    return 0


def _runs(runtime: tuple[str, ...]) -> bool:
    return _podman(*runtime, "run", "--rm", "--network=host", *LIMITS, BASE, "/bin/true").returncode == 0


def _build(deb: Path) -> None:
    with tempfile.TemporaryDirectory() as context:
        shutil.copy(deb, context)
        file, arguments = ROOT / "config/container/Containerfile", (f"BASE={BASE}", f"PACKAGE={deb.name}")
        words = [word for argument in arguments for word in ("--build-arg", argument)]
        done = _podman("build", "--isolation=chroot", "--network=host", "-t", IMAGE, "-f", str(file), *words, context)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _verify(runtime: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as work, SimulatedModem(network_s=0.1) as modem:
        directory = Path(work)
        directory.chmod(0o755)
        os.chmod(os.path.realpath(modem.port), 0o666)
        config = '[[modem]]\nname = "sim1"\nport = "/dev/modem"\n[api]\nsocket_mode = "0666"\n'
        (directory / "pinwheel.toml").write_text(config)
        (directory / "run").mkdir()
        (directory / "run").chmod(0o777)
        for word in ("first start", "again, on the same state"):
            with _running(runtime, directory, modem):
                total = _verified(Client(directory / "run/control.sock"), directory / "run/control.sock", modem)
                print(f"{word}: verified {total} number(s); root is read-only, user {_user()}")


def _verified(client: Client, socket: Path, modem: SimulatedModem) -> int:
    """Verify a number; how many were verified on this state in all."""
    until(lambda: listens(socket), "the socket")
    until(lambda: [each["state"] for each in client.get("/v1/modems")["modems"]] == ["ready"], "the modem")
    count = len(modem.accepted)
    request_id = client.verify("", number=NUMBER, brand="Acme", workflow_id=6)["request_id"]
    _, text = until(lambda: modem.accepted[count:], "the SMS")[0]
    answer = client.verify("check", request_id=request_id, code=pin_in(text))
    assert answer["status"] == "0", answer
    return int(client.get("/v1/status")["requests"]["SUCCESS"])


@contextlib.contextmanager
def _running(runtime: tuple[str, ...], directory: Path, modem: SimulatedModem) -> Iterator[None]:
    name = "pinwheel-test"
    volumes = (
        f"{STATE}:/var/lib/pinwheel",
        f"{directory}/pinwheel.toml:/etc/pinwheel/pinwheel.toml:ro",
        f"{directory}/run:/run/pinwheel",
        f"{os.path.realpath(modem.port)}:/dev/modem",
    )
    words = [word for each in volumes for word in ("--volume", each)]
    options = ("--detach", "--name", name, "--read-only", "--cap-drop=all", "--network=host", *LIMITS)
    done = _podman(*runtime, "run", *options, "--security-opt=no-new-privileges", *words, IMAGE)
    assert done.returncode == 0, done.stderr
    try:
        yield
        stopped = _podman("stop", "--time", "20", name)
        assert stopped.returncode == 0, stopped.stderr
    finally:
        logs = _podman("logs", name)
        _podman("rm", "--force", name)
        if "state=ready" not in logs.stdout + logs.stderr:
            print(logs.stdout[-3000:], logs.stderr[-3000:])


def _user() -> str:
    return _podman("exec", "pinwheel-test", "id", "-un").stdout.strip()


def _size() -> str:
    return _podman("images", "--format", "{{.Size}}", IMAGE).stdout.strip()


def _podman(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["podman", *words], capture_output=True, text=True, check=False, timeout=600)


if __name__ == "__main__":
    raise SystemExit(main())
