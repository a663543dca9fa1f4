"""The recorded digits of Asterisk's sounds."""

from collections.abc import Mapping
from pathlib import Path

from daemon.core.phrases import DIGITS
from daemon.prompts.making.chain import NoSpeech, Samples, decoded
from daemon.prompts.making.engines.contract import EngineFailed, EngineName, Line

ASTERISK_SOUNDS = Path("/usr/share/asterisk/sounds")


class Asterisk:
    """The recorded digits of asterisk-core-sounds (Debian); it has none of our sentences."""

    name = EngineName.ASTERISK
    note = ""
    LICENCES: Mapping[str, str] = {
        "en": "CC-BY-SA-3.0",
        "es": "CC-BY-SA-3.0",
        "fr": "CC-BY-SA-3.0",
        "it": "CC-BY-3.0",
        "ru": "CC-BY-3.0",
    }

    def __init__(self, sounds: Path = ASTERISK_SOUNDS) -> None:
        self._sounds = sounds

    def speaks(self, locale: str) -> bool:
        return locale.partition("-")[0] in self.LICENCES

    def voice(self, locale: str) -> str:
        language = locale.partition("-")[0]
        return f"{(self._sounds / language).resolve().name} ({self.LICENCES.get(language, 'unknown licence')})"

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        if line.rate != 1:
            raise EngineFailed("asterisk has recordings, which have one speed; leave --rate out")
        return {}

    def speak(self, line: Line) -> tuple[Samples, int]:
        if line.clip not in DIGITS:
            raise EngineFailed("asterisk has only digits; say who speaks the rest: --sentences ENGINE, or keep")
        language = line.locale.partition("-")[0]
        path = self._sounds / language / "digits" / f"{line.clip.removeprefix('digit_')}.wav"
        try:
            return decoded(path.read_bytes())
        except OSError as exc:
            raise EngineFailed(f"asterisk cannot read {path}: {exc.strerror}; {self._remedy(language)}") from exc
        except NoSpeech as exc:
            raise EngineFailed(f"asterisk cannot use {path}: {exc}; install its package again") from exc

    def _remedy(self, language: str) -> str:
        """Debian has the recordings in one package, and the link that names their language in a recommended one."""
        package = f"asterisk-core-sounds-{language}"
        recorded, named = any(self._sounds.glob(f"{language}_*/digits/*.wav")), (self._sounds / language).exists()
        missing = [name for name, there in ((package, named), (f"{package}-wav", recorded)) if not there]
        return f"run: apt install {' '.join(missing) or f'--reinstall {package}-wav'}"
