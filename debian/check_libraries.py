"""Does every compiled library still work after the strip? The build runs this with the package's own modules."""

import asyncio
import audioop
import ctypes
import os
import tempfile
from pathlib import Path

import espeakng_loader
import httptools
import numpy
import pylibsrtp
import soundfile
import soxr
import uvloop
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daemon.store.sqlite.library import sqlite

RTP = bytes.fromhex("8000000100000002000000030405060708")


def check_srtp() -> None:
    key = bytes(range(30))
    policy = {"key": key, "ssrc_type": pylibsrtp.Policy.SSRC_ANY_OUTBOUND}
    sealed = pylibsrtp.Session(pylibsrtp.Policy(**policy)).protect(RTP)
    back = pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND)).unprotect(sealed)
    assert sealed != back == RTP


def check_ciphers() -> None:
    cipher, nonce = AESGCM(bytes(32)), bytes(12)
    assert cipher.decrypt(nonce, cipher.encrypt(nonce, b"PIN", b"id"), b"id") == b"PIN"
    key = ed25519.Ed25519PrivateKey.generate()
    key.public_key().verify(key.sign(b"PIN"), b"PIN")


def check_event_loop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)
        assert runner.run(asyncio.sleep(0, "awake")) == "awake"


def check_http() -> None:
    class Request:
        url = b""

        def on_url(self, url: bytes) -> None:
            self.url += url

    request = Request()
    httptools.HttpRequestParser(request).feed_data(b"GET /healthz HTTP/1.1\r\n\r\n")
    assert request.url == b"/healthz"


def check_database() -> None:
    assert sqlite.__name__ == "sqlite3" or sqlite.sqlite_version_info >= (3, 51, 3)  # past the WAL-reset bug
    with sqlite.connect(":memory:") as db:
        assert db.execute("SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]')").fetchone() == (2,)


def check_sound() -> None:
    tone = numpy.sin(numpy.arange(4800) / 4800 * 440 * 2 * numpy.pi).astype(numpy.float32)
    assert abs(len(soxr.resample(tone, 48000, 8000)) - 800) <= 1
    assert numpy.allclose(numpy.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0]), [1.0, 1.0])
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tone.wav", "tone.flac", "tone.ogg"):
            soundfile.write(Path(folder) / name, tone, 48000)
            assert soundfile.info(Path(folder) / name).frames == 4800


def check_g711() -> None:
    assert audioop.lin2ulaw(b"\0\0", 2) == b"\xff"


def check_speech() -> None:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    with tempfile.TemporaryDirectory() as folder:
        data = (
            Path(folder) / "espeak-ng-data"
        )  # eSpeak NG cuts a path after 160 characters; that of a build may be longer
        data.symlink_to(Path(espeakng_loader.get_data_path()).resolve())
        rate = library.espeak_Initialize(2, 0, os.fsencode(data), 0)  # 2: to memory, not to a device
    assert rate == 22050


if __name__ == "__main__":
    for check in [value for name, value in list(globals().items()) if name.startswith("check_")]:
        check()
        print(f"{check.__name__}: works")
