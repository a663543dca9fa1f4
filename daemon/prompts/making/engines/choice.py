"""The engines by name."""

from pathlib import Path

from daemon.prompts.making.engines.asterisk import Asterisk
from daemon.prompts.making.engines.contract import Engine, EngineFailed
from daemon.prompts.making.engines.espeak import Espeak
from daemon.prompts.making.engines.pace import Pace
from daemon.prompts.making.engines.piper import Piper, packaged_voice


def engine(name: str, directory: Path, voice: str = "") -> Engine:
    """The engine of that name. directory: of all prompts; voice: of piper, its .onnx file. Raises EngineFailed."""
    if voice and name != "piper":
        raise EngineFailed(f"{name} chooses its voice by the locale; only piper takes --voice")
    if name == "gtts":
        from daemon.prompts.making.engines.google import Gtts

        return Gtts(Pace(directory / ".gtts.json"))
    if name == "piper":
        return Piper(Path(voice) if voice else packaged_voice())
    return Asterisk() if name == "asterisk" else Espeak()
