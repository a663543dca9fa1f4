"""The codecs of mobile networks, from Debian's libraries: AMR (3GPP TS 26.071) and GSM full rate (3GPP TS 46.010).

Each takes 16-bit samples at 8 kHz and says, for each frame of 20 ms, what the decoder makes of it.
"""

import ctypes
from array import array
from collections.abc import Iterator, Sequence
from enum import StrEnum

from daemon.prompts.library import FRAME

AMR_MODES = {"AMR 4.75": 0, "AMR 12.2": 7}
AMR_NO_DATA = b"\x7c"  # the frame type that stands for a lost frame (RFC 4867 4.3.2): the decoder conceals it
AMR_LARGEST, GSM_FRAME = 32, 33  # octets
FADED = 0.5  # of a frame that GSM full rate repeats for a lost one (3GPP TS 46.011 allows any such muting)


class Codec(StrEnum):
    AMR_475 = "AMR 4.75"
    AMR_122 = "AMR 12.2"
    GSM_FR = "GSM-FR"


def carried(codec: Codec, pcm: bytes, lost: Sequence[bool]) -> bytes:
    """What is left of the samples; lost: for each frame of 20 ms. Raises OSError without the library."""
    frames = [pcm[start : start + 2 * FRAME] for start in range(0, len(pcm) - 2 * FRAME + 1, 2 * FRAME)]
    way = _gsm(frames, lost) if codec is Codec.GSM_FR else _amr(AMR_MODES[codec], frames, lost)
    return b"".join(way)


def _amr(mode: int, frames: Sequence[bytes], lost: Sequence[bool]) -> Iterator[bytes]:
    library = ctypes.CDLL("libopencore-amrnb.so.0")
    for start in (library.Encoder_Interface_init, library.Decoder_Interface_init):
        start.restype = ctypes.c_void_p
    encoder = ctypes.c_void_p(library.Encoder_Interface_init(0))
    decoder = ctypes.c_void_p(library.Decoder_Interface_init())
    coded, decoded = ctypes.create_string_buffer(AMR_LARGEST), ctypes.create_string_buffer(2 * FRAME)
    for frame, is_lost in zip(frames, lost, strict=True):
        library.Encoder_Interface_Encode(encoder, mode, frame, coded, 0)
        library.Decoder_Interface_Decode(decoder, AMR_NO_DATA if is_lost else coded, decoded, 0)
        yield decoded.raw
    library.Encoder_Interface_exit(encoder)
    library.Decoder_Interface_exit(decoder)


def _gsm(frames: Sequence[bytes], lost: Sequence[bool]) -> Iterator[bytes]:
    library = ctypes.CDLL("libgsm.so.1")
    library.gsm_create.restype = ctypes.c_void_p
    encoder, decoder = ctypes.c_void_p(library.gsm_create()), ctypes.c_void_p(library.gsm_create())
    coded, decoded = ctypes.create_string_buffer(GSM_FRAME), ctypes.create_string_buffer(2 * FRAME)
    last = bytes(2 * FRAME)
    for frame, is_lost in zip(frames, lost, strict=True):
        library.gsm_encode(encoder, frame, coded)
        if is_lost:
            last = array("h", [round(sample * FADED) for sample in array("h", last)]).tobytes()
        else:
            library.gsm_decode(decoder, coded, decoded)
            last = decoded.raw
        yield last
    library.gsm_destroy(encoder)
    library.gsm_destroy(decoder)
