"""Every locale that eSpeak has, rendered from pip packages alone, and looked at with the operator's own commands."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from daemon.prompts.library import load_phrases


@dataclass(frozen=True, slots=True)
class Result:
    """seconds: of audio; took_s: to render it."""

    wanted: int
    complete: int
    clips: int
    seconds: float
    took_s: float
    failures: list[str]

    @property
    def clean(self) -> bool:
        return self.complete == self.wanted and not self.failures


def campaign(directory: Path) -> Result:
    wanted = sorted(set(load_phrases().by_locale) - {"fil-ph"})
    begun = time.monotonic()
    done = _prompts("render", directory, "--all", "--engine", "espeak")
    took_s = time.monotonic() - begun
    found = json.loads(_prompts("check", directory, *wanted, "--json").stdout)
    own = [clip for locale in found for clip in locale["clips"].values() if clip["engine"] == "espeak"]
    failures = [line for line in done.stderr.splitlines() if "Error" in line] if done.returncode else []
    complete = sum(locale["complete"] for locale in found)
    return Result(len(wanted), complete, len(own), sum(clip["seconds"] for clip in own), took_s, failures)


def _prompts(command: str, directory: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    program = "from daemon.cli import main; main()"
    words = [sys.executable, "-c", program, "prompts", command, "--directory", str(directory), *more]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
