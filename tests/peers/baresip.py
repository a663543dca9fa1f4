"""baresip (Debian's baresip-core) as the callee: answers or rings, and records what it hears to WAV."""

import contextlib
import json
import socket
import subprocess
import time
import wave
from dataclasses import dataclass
from pathlib import Path

START_S = 15.0
COMMAND_S = 5.0
OCTETS_S = 16_000  # of a recording: 8,000 samples of 16 bits

CONFIG = """\
poll_method             epoll
sip_listen              {address}
net_interface           {host}
audio_path              /usr/share/baresip
audio_player            aubridge,pseudo0
audio_source            {source}
audio_alert             aubridge,pseudo1
audio_level             no
ausrc_format            s16
auplay_format           s16
auenc_format            s16
audec_format            s16
audio_buffer            20-160
rtp_ports               {rtp_ports}
rtcp_mux                no
jitter_buffer_delay     1-5
call_local_timeout      120
call_max_calls          50
module_path             /usr/lib/baresip/modules
module                  g711.so
module                  ausine.so
module                  aubridge.so
module                  aufile.so
module                  srtp.so
module                  sndfile.so
snd_path                {directory}
module_app              account.so
module_app              menu.so
module                  ctrl_tcp.so
ctrl_tcp_listen         {control}
{more}
"""


def free_port(host: str, kind: socket.SocketKind) -> int:
    """A port that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Account:
    """codecs: in the order of baresip's preference; certificate: of TLS, a PEM file with its key.

    encryption: of audio, as baresip names it ("srtp-mand"); says: a WAV file that it speaks.
    """

    user: str = "+447700900123"
    answer: bool = True
    codecs: str = "PCMU,PCMA"
    transport: str = "udp"
    certificate: Path | None = None
    encryption: str = ""
    says: Path | None = None


class Baresip:
    """One baresip process on a loopback address of its own; a context manager."""

    def __init__(self, directory: Path, account: Account | None = None, host: str = "127.0.0.2") -> None:
        self.account = account or Account()
        port = free_port(host, socket.SOCK_DGRAM)
        self.address = f"{host}:{port + (self.account.transport == 'tls')}"  # it adds 1 for TLS by itself
        self._listen = f"{host}:{port}"
        self._host = host
        self._control = (host, free_port(host, socket.SOCK_STREAM))
        self._recordings = directory / "rec"
        self._home = directory / "baresip"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Baresip":
        self._write_files()
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["baresip", "-f", str(self._home)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_listens()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write_files(self) -> None:
        self._home.mkdir(parents=True)
        self._recordings.mkdir()
        account = self.account
        mode = "auto" if account.answer else "manual"
        (self._home / "accounts").write_text(
            f"<sip:{account.user}@{self.address};transport={account.transport}>;regint=0;answermode={mode};"
            f"audio_codecs={account.codecs}{f';mediaenc={account.encryption}' if account.encryption else ''}\n"
        )
        (self._home / "contacts").write_text("")
        low = 20000 + 100 * (self._control[1] % 200)
        (self._home / "config").write_text(
            CONFIG.format(
                address=self._listen,
                host=self._host,
                rtp_ports=f"{low}-{low + 98}",
                directory=self._recordings,
                control=f"{self._control[0]}:{self._control[1]}",
                source=f"aufile,{account.says}" if account.says else "aubridge,pseudo0",
                more=f"sip_certificate {account.certificate}" if account.certificate else "",
            )
        )

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                socket.create_connection(self._control, 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"baresip did not start: {(self._home / 'log').read_text(errors='replace')[-2000:]}")

    def command(self, name: str, parameters: str = "") -> str:
        """One of its long commands, such as "hangup", over its control port (netstrings of JSON)."""
        message = json.dumps({"command": name, "params": parameters, "token": "t"}).encode()
        with socket.create_connection(self._control, COMMAND_S) as sock:
            sock.sendall(b"%d:%s," % (len(message), message))
            answer = b""
            while b'"response":true' not in answer:
                answer += sock.recv(65536) or b'"response":true'
        return answer.decode(errors="replace")

    def log(self) -> str:
        return (self._home / "log").read_text(errors="replace")

    def wait_until_heard(self, seconds: float) -> None:
        """Until its one call has brought so much audio, silence included."""
        end = time.monotonic() + START_S + seconds
        while sum(path.stat().st_size for path in self._recordings.glob("*-dec.wav")) < seconds * OCTETS_S:
            assert time.monotonic() < end, f"baresip has not heard {seconds:g} s"
            time.sleep(0.02)

    def recording(self) -> Path:
        """What it heard in its last call (`-dec`: the decoded side), once the file is complete."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            found = sorted(self._recordings.glob("*-dec.wav"), key=lambda path: path.stat().st_mtime)
            with contextlib.suppress(wave.Error, EOFError, IndexError), wave.open(str(found[-1])):
                return found[-1]
            time.sleep(0.05)
        raise AssertionError("baresip recorded nothing")
