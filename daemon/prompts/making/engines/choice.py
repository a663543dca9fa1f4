"""The engines by name."""

from pathlib import Path
from typing import assert_never

from daemon.prompts.making.engines.asterisk import Asterisk
from daemon.prompts.making.engines.contract import Engine, EngineFailed, EngineName
from daemon.prompts.making.engines.espeak import Espeak
from daemon.prompts.making.engines.pace import Pace
from daemon.prompts.making.engines.piper import Piper, packaged_voice


def engine(name: EngineName, directory: Path, voice: str = "") -> Engine:
    """The engine of that name. directory: of all prompts; voice: of piper, its .onnx file. Raises EngineFailed."""
    if voice and name is not EngineName.PIPER:
        raise EngineFailed(f"{name} chooses its voice by the locale; only piper takes --voice")
    match name:
        case EngineName.GTTS:
            from daemon.prompts.making.engines.google import Gtts

            return Gtts(Pace(directory / ".gtts.json"))
        case EngineName.PIPER:
            return Piper(Path(voice) if voice else packaged_voice())
        case EngineName.ESPEAK:
            return Espeak()
        case EngineName.ASTERISK:
            return Asterisk()
        case _:
            assert_never(name)
