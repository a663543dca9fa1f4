"""eSpeak NG by its C interface (speak_lib.h), as a program of its own: text in, WAV out.

`python espeak_program.py LOCALE WORDS_A_MINUTE`. Its own process, because the library keeps its state in globals, may
crash or hang on odd input, and finds its data by a path of at most 160 octets, which a relative one always is.
"""

import ctypes
import os
import sys
import wave
from pathlib import Path

SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback gets the samples before espeak_Synth returns
UTF8 = 1  # espeakCHARS_UTF8
RATE = 1  # espeakRATE, in words a minute
POSITION_CHARACTER = 1


class Voice(ctypes.Structure):
    """espeak_VOICE."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


OnSamples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def synthesized(text: str, locale: str, words_a_minute: int) -> tuple[bytes, int]:
    """16-bit samples and their rate in Hz. Raises ValueError for a language that it does not have."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    os.chdir(Path(espeakng_loader.get_data_path()).parent)
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, b".", 0)
    voice = Voice(languages=locale.encode())
    # Not SetVoiceByName: that fails in this build for en-gb and fr-fr.
    if rate <= 0 or library.espeak_SetVoiceByProperties(ctypes.byref(voice)):
        raise ValueError(f"it has no voice for {locale}")
    library.espeak_SetParameter(RATE, words_a_minute, 0)
    spoken = bytearray()

    def take(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: int | None) -> int:
        if samples:
            spoken.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = OnSamples(take)
    library.espeak_SetSynthCallback(callback)
    octets = text.encode() + b"\0"
    library.espeak_Synth(octets, ctypes.c_size_t(len(octets)), 0, POSITION_CHARACTER, 0, UTF8, None, None)
    return bytes(spoken), rate


def main() -> None:
    try:
        spoken, rate = synthesized(sys.stdin.buffer.read().decode(), sys.argv[1], int(sys.argv[2]))
    except ValueError as exc:
        raise SystemExit(str(exc)) from exc
    with wave.open(sys.stdout.buffer, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.setnframes(len(spoken) // 2)  # a pipe cannot be rewound to write it later
        wav.writeframesraw(spoken)


if __name__ == "__main__":
    main()
