"""How the en-us clips that ship with Pinwheel are made: `python -m tests.soak.voice` makes them anew.

What is spoken differs from what is meant where the recogniser showed that piper does not say it clearly otherwise.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.core.phrases import DEFAULT_LOCALE, DIGITS, QUESTION, SENTENCES
from daemon.prompts import RATE, load_phrases, shipped_prompts
from daemon.speech.chain import active_dbfs, decoded, pcm16, telephone
from tests.soak.ears import Helper, write_wav

BRANDS = ("Acme", "Pinwheel")
NORMAL = 1.0
"""piper's length_scale; 1.25 makes each digit a quarter longer."""
NO_NOISE = {"noise_scale": 0.0, "noise_w_scale": 0.0}  # of piper: the same text is always spoken the same
SPOKEN: Mapping[str, str] = {
    **dict.fromkeys(DIGITS, "{text}!"),  # as a bare word "two" is cut short, as a statement it ends in a murmur
    "digit_8": "{text}.",  # only so is its /t/ released
    "bye": "Goodbye!",
}
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
    yield from ((name, meant[name]) for name in (*SENTENCES, *DIGITS, QUESTION))
    yield from ((f"welcome-{brand.lower()}", meant["welcome_brand"].replace("{brand}", brand)) for brand in BRANDS)


def render(speaker: Helper, folder: Path, length_scale: float = NORMAL) -> dict[str, Any]:
    """Make every clip in the folder; returns how each was made, as manifests have it."""
    made = {}
    with tempfile.TemporaryDirectory() as directory:
        wav = Path(directory) / "spoken.wav"
        for name, text in _texts():
            parameters = {"spoken": spoken(name, text), "length_scale": length_scale} | NO_NOISE
            speaker.ask(wav=str(wav), text=spoken(name, text), length_scale=length_scale)
            samples = telephone(*decoded(wav.read_bytes()))
            write_wav(folder / f"{name}.wav", pcm16(samples))
            made[name] = {
                "engine": "piper",
                "voice": "en_US-joe-medium",
                "text": text,
                "parameters": parameters,
                "seconds": round(len(samples) / RATE, 3),
                "dbfs": round(active_dbfs(samples), 1),
                "sha256": hashlib.sha256(pcm16(samples)).hexdigest(),
            }
    return made


def main() -> None:
    folder = shipped_prompts() / DEFAULT_LOCALE
    with Helper("speaker.py") as speaker:
        about = {"format": 2, "locale": DEFAULT_LOCALE, "clips": render(speaker, folder)}
    (folder / "manifest.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
