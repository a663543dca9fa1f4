"""Kamailio (Debian's kamailio) as a trunk: registrar and record-routing proxy that challenges REGISTER and INVITE."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.baresip import free_port

PASSWORD = "a secret of the tests"  # noqa: S105
START_S = 15.0
REFUSAL = 'append_to_reply("{header}"); sl_send_reply("503", "Service Unavailable"); exit;'

CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=2
tcp_children=1
listen=udp:{host}:{port}
auto_aliases=no
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
{more}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "xlog.so"
loadmodule "textops.so"
modparam("rr", "append_fromtag", 1)
modparam("usrloc", "db_mode", 0)
modparam("auth", "qop", "auth")
modparam("registrar", "max_expires", 20)
modparam("registrar", "max_contacts", {max_contacts})
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  xlog("L_NOTICE", "REQ $rm $ru\\n");
  {refusal}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply("404", "In a dialog, without a Route");
    exit;
  }}
  t_check_trans();
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("{host}", "{password}", "0")) {{ www_challenge("{host}", "1"); exit; }}
    save("location");
    exit;
  }}
  if (is_method("INVITE")) {{
    if (!pv_proxy_authenticate("{host}", "{password}", "0")) {{ proxy_challenge("{host}", "1"); exit; }}
    record_route();
  }}
  $ru = "sip:" + $rU + "@{callee}";
  t_relay();
}}
"""


class Kamailio:
    """One Kamailio on a loopback address of its own, in front of `callee` ("host:port"); a context manager."""

    def __init__(
        self,
        directory: Path,
        callee: str,
        host: str = "127.0.0.4",
        *,
        transport: str = "udp",
        certificate: Path | None = None,
        max_contacts: int = 0,
    ) -> None:
        port, stream_port = free_port(host, socket.SOCK_DGRAM), free_port(host, socket.SOCK_STREAM)
        self.address = f"{host}:{port if transport == 'udp' else stream_port}"
        self._udp_address = f"{host}:{port}"
        self._directory = directory / "kamailio"
        more = "disable_tcp=yes" if transport == "udp" else f"listen={transport}:{self.address}\n"
        if transport == "tls":
            more += f'enable_tls=yes\nloadmodule "tls.so"\nmodparam("tls", "certificate", "{certificate}")\n'
            more += f'modparam("tls", "private_key", "{certificate}")\nmodparam("tls", "tls_method", "TLSv1.2+")\n'
        self._facts = {"host": host, "port": port, "password": PASSWORD, "callee": callee, "more": more}
        self._facts["max_contacts"] = max_contacts  # of a user; 0: any number
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Kamailio":
        self._directory.mkdir(parents=True)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._kill()

    def _start(self, refusal: str = "") -> None:
        config = self._directory / "kamailio.cfg"
        config.write_text(CONFIG.format(**self._facts, refusal=refusal))
        command = ["kamailio", "-f", str(config), "-DD", "-m", "32", "-M", "4", "-Y", str(self._directory)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_until_it_answers()

    def _kill(self) -> None:
        assert self._process is not None
        self._tell(signal.SIGKILL)
        self._process.wait()

    def _tell(self, number: signal.Signals) -> None:
        """All of its processes; the parent is stopped before they are counted, so that it forks nobody meanwhile."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        for pid in _family(self._process.pid):
            os.kill(pid, number)

    # --- faults: each lasts as long as its `with` ---

    @contextmanager
    def killed(self) -> Iterator[None]:
        self._kill()
        yield
        self._start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It reads what is sent to it, and answers nothing."""
        self._tell(signal.SIGSTOP)
        yield
        self._tell(signal.SIGCONT)

    @contextmanager
    def refusing(self, retry_after_s: int | None = None) -> Iterator[None]:
        """It answers 503 to everything, and says for how long if that is given."""
        self._kill()
        self._start(REFUSAL.format(header="" if retry_after_s is None else rf"Retry-After: {retry_after_s}\r\n"))
        yield
        self._kill()
        self._start()

    def log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")

    def methods(self, count: int) -> list[str]:
        """The requests that it saw, in order, once it has logged so many: ["REGISTER", "REGISTER", "INVITE", ...]."""
        end = time.monotonic() + START_S
        while True:
            seen = [line.split("REQ ")[1].split()[0] for line in self.log().splitlines() if "REQ " in line]
            if len(seen) >= count or time.monotonic() > end:
                return seen
            time.sleep(0.05)

    def _wait_until_it_answers(self) -> None:
        """Any answer will do: 483 to an OPTIONS that may not be forwarded."""
        host, port = self._udp_address.split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((host, int(port)))
            sock.settimeout(0.2)
            here = ":".join(map(str, sock.getsockname()))
            probe = (
                f"OPTIONS sip:{self._udp_address} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKprobe\r\n"
                f"Max-Forwards: 0\r\nFrom: <sip:probe@{here}>;tag=1\r\nTo: <sip:{self._udp_address}>\r\n"
                f"Call-ID: probe\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            ).encode()
            end = time.monotonic() + START_S
            while time.monotonic() < end:
                try:
                    sock.send(probe)
                    sock.recv(2048)
                    return
                except OSError:
                    time.sleep(0.05)
        raise AssertionError(f"kamailio did not start: {self.log()[-2000:]}")


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in _family(int(child)))]
