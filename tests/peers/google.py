"""A stand-in for the service behind gTTS, met as in the field: through an HTTPS proxy that is set in the environment.

It speaks TLS with a certificate for translate.google.*, takes what gTTS posts, and answers in the batchexecute format
with real MP3, or with a fault.
"""

import base64
import json
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from tests.daemon.prompts.voices import audio_file, hum

DOMAINS = ("com", "us", "co.uk", "com.au", "co.in", "ca", "fr", "pt", "com.br", "com.mx", "es")
HOSTS = tuple(f"translate.google.{domain}" for domain in DOMAINS)
CONSENT = b"<!DOCTYPE html><html><title>Before you continue</title><form action=https://consent.google.com/save></form>"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    host: str
    text: str
    language: str
    slow: bool


def answer(audio: bytes) -> bytes:
    """The batchexecute reply that carries an MP3."""
    payload = json.dumps([base64.b64encode(audio).decode()], separators=(",", ":"))
    line = json.dumps([["wrb.fr", "jQ1olc", payload, None, None, None, "generic"]], separators=(",", ":"))
    return f")]}}'\n\n{len(line)}\n{line}\n".encode()


NOTHING_FOUND = b')]}\'\n\n98\n[["wrb.fr","jQ1olc",null,null,null,[3],"generic"]]\n'
GOOD = answer(audio_file(hum(rate=24000), 24000, "MP3"))
FAULTS: Mapping[str, tuple[int, Mapping[str, str], bytes]] = {  # status, headers, body
    "empty": (200, {}, b""),
    "consent page": (200, {"Content-Type": "text/html"}, CONSENT),
    "consent redirect": (302, {"Location": "https://consent.google.com/m?continue=x"}, b""),
    "no voice": (200, {}, NOTHING_FOUND),
    "429": (429, {}, b"<html>unusual traffic</html>"),
    "captcha": (302, {"Location": "https://www.google.com/sorry/index?continue=x"}, b""),
    "500": (500, {}, b""),
    "half": (200, {}, GOOD.replace(b'\\"]', b'A\\"]')),
    "something else": (200, {}, b"[]"),
    "silence": (200, {}, answer(audio_file(np.zeros(24000), 24000, "MP3"))),
    "a page as audio": (200, {}, answer(CONSENT)),
}
SLOW, CUT = "slow", "cut"


class Google:
    """Each of `faults` meets one request; after them, every request succeeds. proxy: for HTTPS_PROXY."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.asked: list[Asked] = []
        self.faults: list[str] = []
        self.done = threading.Event()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, tls))
        self._server.daemon_threads = True
        self.proxy = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Google":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(google: Google, tls: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.close_connection = False  # a tunnel is asked for in HTTP/1.0
            try:
                self.connection = tls.wrap_socket(self.connection, server_side=True)
            except OSError:  # it does not trust us
                self.close_connection = True
                return
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            ((_, escaped, *_),) = json.loads(urllib.parse.parse_qs(body)["f.req"][0])[0]
            text, language, slow, _ = json.loads(escaped)
            google.asked.append(Asked(self.headers["Host"], text, language, bool(slow)))
            fault = google.faults.pop(0) if google.faults else ""
            if fault == SLOW:
                google.done.wait(10)
            if fault in (SLOW, CUT):
                self.close_connection = True
                return
            status, headers, content = FAULTS.get(fault, (200, {}, GOOD))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def trusted(google: Google, certificate: Path, setenv: Callable[[str, str], None]) -> None:
    """What an operator behind a proxy sets."""
    for name, value in {"HTTPS_PROXY": google.proxy, "NO_PROXY": "", "REQUESTS_CA_BUNDLE": str(certificate)}.items():
        setenv(name, value)
        setenv(name.lower() if name.endswith("PROXY") else name, value)
