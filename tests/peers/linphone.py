"""linphonec (Debian's linphone-cli) as the callee: answers, presses keys, hangs up, and records what it hears to WAV.

It is driven as a person drives it, by lines at its prompt. Its own ways are left on, as far as it needs no network or
sound card: a jitter buffer that conceals what is late and trims what it has too much of, STUN packets among the
audio, an RTCP port that is not the next one (told as a=rtcp).
"""

import contextlib
import os
import socket
import subprocess
import time
import wave
from pathlib import Path

from tests.peers.baresip import free_port

WAIT_S = 15.0
OCTETS_S = 16_000  # of a recording: 8,000 samples of 16 bits

CONFIG = """\
[sip]
bind_address={host}
sip_port={port}
sip_tcp_port=0
sip_tls_port=0
use_ipv6=0
ipv6_migration_done=1
[rtp]
bind_address={host}
audio_rtp_port=-1
"""
CODEC = "[audio_codec_{index}]\nmime={name}\nrate=8000\nchannels=1\nenabled={enabled:d}\n"


class Linphone:
    """One linphonec process on a loopback address of its own, for one call; a context manager. codecs: of G.711."""

    def __init__(self, directory: Path, codecs: str = "PCMU,PCMA", host: str = "127.0.0.5") -> None:
        self._host, self._port = host, free_port(host, socket.SOCK_DGRAM)
        self.address = f"{host}:{self._port}"
        self._codecs = codecs.split(",")
        self._home = directory / "linphone"
        self._heard = self._home / "heard.wav"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Linphone":
        self._write_files()
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["linphonec", "-c", "config", "-a"],
                cwd=self._home,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(self._home), "XDG_RUNTIME_DIR": str(self._home)},
            )
        with contextlib.ExitStack() as stack:
            stack.push(self)  # nobody else ends what does not start as it should
            self.command(f"soundcard use files\nrecord {self._heard.name}")
            self.wait_for(f"record {self._heard.name}")  # what repeats it obeys it, and only then reads SIP
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        try:
            self._process.communicate(b"quit\n", 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write_files(self) -> None:
        (self._home / ".local" / "share" / "linphone").mkdir(parents=True)  # for its database
        codecs = [
            CODEC.format(index=index, name=name, enabled=name in self._codecs)
            for index, name in enumerate(["PCMU", "PCMA"])
        ]
        config = CONFIG.format(host=self._host, port=self._port)
        (self._home / "config").write_text(config + "".join(codecs))

    def command(self, line: str) -> None:
        """What one types: "terminate" hangs up, a digit is that key."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait_for(self, words: str) -> None:
        """Until it has said so."""
        end = time.monotonic() + WAIT_S
        while words not in self.log():
            assert time.monotonic() < end, f"linphonec did not say {words!r}: {self.log()[-2000:]}"
            time.sleep(0.02)

    def wait_until_heard(self, seconds: float) -> None:
        """Until its call has brought so much audio: its recording grows by 4,096 octets at a time."""
        end = time.monotonic() + WAIT_S + seconds
        while not self._heard.exists() or self._heard.stat().st_size < seconds * OCTETS_S:
            assert time.monotonic() < end, f"linphonec has not heard {seconds:g} s"
            time.sleep(0.02)

    def log(self) -> str:
        return (self._home / "log").read_text(errors="replace")

    def recording(self) -> Path:
        """What it heard, once the call is over and the file is complete: its head is written last."""
        self.wait_for(" ended (")
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError, wave.Error, EOFError), wave.open(str(self._heard)) as wav:
                if self._heard.stat().st_size >= 2 * wav.getnframes():  # it counts the head as audio
                    return self._heard
            time.sleep(0.02)
        raise AssertionError("linphonec recorded nothing")
