"""eSpeak NG, in a process of its own."""

import importlib.util
import re
from collections.abc import Mapping

from daemon.prompts.making.chain import Samples
from daemon.prompts.making.engines import espeak_program
from daemon.prompts.making.engines.contract import EngineFailed, EngineName, Line
from daemon.prompts.making.engines.program import spoken_by
from daemon.resources import how_to_install

KANJI = re.compile("[\u4e00-\u9fff\u3005]")
NORMAL_WPM, SLOWEST_WPM, FASTEST_WPM = 150, 80, 450  # of eSpeak; 175, its own default, was understood even less


class Espeak:
    """A formant synthesizer of 1995: any language, offline, in no time; measured, 1 PIN of 8 is understood."""

    name = EngineName.ESPEAK
    note = "last resort: hardly understood"

    def speaks(self, locale: str) -> bool:
        return locale != "fil-ph"

    def voice(self, locale: str) -> str:
        return "es-419" if locale == "es-us" else locale

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        return {"words_a_minute": min(max(round(NORMAL_WPM * line.rate), SLOWEST_WPM), FASTEST_WPM)}

    def speak(self, line: Line) -> tuple[Samples, int]:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise EngineFailed(f"espeak is not installed; {how_to_install('render')}")
        if line.locale == "ja-jp" and KANJI.search(line.text):  # it would say "Chinese letter" for each
            raise EngineFailed("espeak reads only kana in Japanese; write the phrases in kana, or try --engine gtts")
        words = str(self.parameters(line)["words_a_minute"])
        return spoken_by("espeak", [str(espeak_program.__file__), self.voice(line.locale), words], line)
