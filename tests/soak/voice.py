"""How the en-us clips that ship with Pinwheel are made: `python -m tests.soak.voice` makes them again.

What is spoken differs from what is meant where the recogniser showed that piper does not say it clearly otherwise.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daemon.core.phrases import DEFAULT_LOCALE, DIGITS, QUESTION, SENTENCES, Announcement
from daemon.prompts.library import load_phrases, shipped_prompts
from daemon.prompts.making.chain import decoded, pcm16, sounding, telephone
from daemon.prompts.making.sets import Sound, active_dbfs, digest
from drivers import RATE
from tests.soak.ears import Helper, write_wav
from tests.soak.stretch import vowel_stretched

BRANDS = ("Acme", "Pinwheel")
NORMAL = 1.0
"""piper's length_scale; 1.25 makes each digit a quarter longer."""
NO_NOISE = {"noise_scale": 0.0, "noise_w_scale": 0.0}  # of piper: the same text is always spoken the same
SPOKEN: Mapping[str, str] = {
    **dict.fromkeys(DIGITS, "{text}!"),  # as a bare word "two" is cut short, as a statement it ends in a murmur
    "digit_8": "{text}.",  # only so is its /t/ released
    "bye": "Goodbye!",
}
CLEARER = {"digit_6": {"vowel_times": 1.5, "emphasis_db": 9.0}}
"""Noise covers most of six: a vowel of 0.1 s between soft fricatives. With these 44 of 56 readings in noise were right,
not 29."""
RESPELLED = {"Acme": "[[ˈæk.miː]]", "Pinwheel": "Pin Wheel"}
"""Else they are heard as "acne" and "pen will"; in double brackets are phonemes (IPA), as piper takes them."""


def spoken(name: str, text: str) -> str:
    """What piper is given for a clip."""
    words = SPOKEN.get(name, "{text}").format(text=text)
    for brand, sound in RESPELLED.items():
        words = words.replace(brand, sound)
    return words


def _texts() -> Iterator[tuple[str, str]]:
    meant = load_phrases().for_locale(DEFAULT_LOCALE).spoken
    yield from ((name, meant[name]) for name in (*SENTENCES, *DIGITS, QUESTION, *Announcement))
    yield from ((f"welcome-{brand.lower()}", meant["welcome_brand"].replace("{brand}", brand)) for brand in BRANDS)


def render(speaker: Helper, folder: Path, length_scale: float = NORMAL) -> dict[str, Any]:
    """Make every clip in the folder; returns how each was made, as manifests have it."""
    made = {}
    with tempfile.TemporaryDirectory() as directory:
        wav = Path(directory) / "spoken.wav"
        for name, text in _texts():
            parameters = {"spoken": spoken(name, text), "length_scale": length_scale} | NO_NOISE
            speaker.ask(wav=str(wav), text=spoken(name, text), length_scale=length_scale)
            pcm = _clearer(pcm16(telephone(*decoded(wav.read_bytes()))), **CLEARER.get(name, {}))
            write_wav(folder / f"{name}.wav", pcm)
            made[name] = {
                "engine": "piper",
                "voice": "en_US-joe-medium",
                "text": text,
                "parameters": parameters | CLEARER.get(name, {}),
                "seconds": round(len(pcm) / 2 / RATE, 3),
                "dbfs": round(active_dbfs(pcm), 1),
                "sha256": digest(pcm),
            }
    return made


def _clearer(pcm: bytes, vowel_times: float = 1.0, emphasis_db: float = 0.0) -> bytes:
    """A digit with a longer vowel and louder fricatives, at the level of the others."""
    if vowel_times != 1:
        pcm = pcm16(vowel_stretched(np.frombuffer(pcm, "<i2") / 32767, vowel_times))
    return sounding(pcm, 0.0, Sound(emphasis_db=emphasis_db))


def main() -> None:
    folder = shipped_prompts() / DEFAULT_LOCALE
    with Helper("speaker.py") as speaker:
        about = {"format": 2, "locale": DEFAULT_LOCALE, "clips": render(speaker, folder)}
    (folder / "manifest.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
