"""An engine that is a Python program: text in, WAV out."""

import subprocess
import sys

from daemon.prompts.making.chain import NoSpeech, Samples, decoded
from daemon.prompts.making.engines.contract import EngineFailed, Line
from drivers.processes import ending, last_line

LIMIT_S = 60


def spoken_by(name: str, arguments: list[str], line: Line) -> tuple[Samples, int]:
    """The WAV that a Python program writes to its standard output."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            input=line.text.encode(),
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise EngineFailed(f"{name} did not end within {LIMIT_S} s; try again, or another engine") from exc
    if done.returncode:
        why = last_line(done.stderr) or f"it {ending(done.returncode)}"
        raise EngineFailed(f"{name} cannot speak {line.locale}: {why}")
    try:
        return decoded(done.stdout)
    except NoSpeech as exc:
        raise EngineFailed(f"{name} gave no audio: {exc}; try another engine") from exc
