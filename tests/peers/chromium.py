"""A headless Chromium (Debian: chromium), driven by its DevTools protocol over two pipes."""

import base64
import fcntl
import hashlib
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

BOUND_S = 30.0
LEFT = "Inspected target navigated or closed"  # as Chromium says it


class PageLeft(Exception):
    """The page was left for another one before it had given the value of an expression."""


class Page:
    """One tab."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._held, self._last = write, read, b"", 0
        self._session: dict[str, str] = {}
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": attached}

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its result. Raises PageLeft."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": parameters, **self._session}
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._last:
                if message.get("error", {}).get("message") == LEFT:
                    raise PageLeft
                assert "error" not in message, message
                return dict(message["result"])

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + BOUND_S
        while b"\0" not in self._held:
            assert select.select([self._read], [], [], max(end - time.monotonic(), 0))[0], "Chromium is silent"
            data = os.read(self._read, 1 << 16)
            assert data, "Chromium has ended"
            self._held += data
        message, _, self._held = self._held.partition(b"\0")
        return dict(json.loads(message))

    def open(self, url: str) -> None:
        self.do("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page. Raises PageLeft."""
        found = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)["result"]
        return found.get("value")

    def until(self, script: str) -> Any:
        """The value of an expression, once it is true, of whatever page is there then."""
        end = time.monotonic() + BOUND_S
        while time.monotonic() < end:
            with suppress(PageLeft):
                if value := self.run(script):
                    return value
            time.sleep(0.05)
        raise AssertionError(f"{script}: {self.run('document.body.innerText')}")

    def picture(self, file: Path, scheme: str = "light", width: int = 1100, height: int = 1000) -> None:
        """A PNG of the page in this colour scheme ("light" or "dark")."""
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        file.write_bytes(base64.b64decode(self.do("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(profile: Path, trusted: Path | None = None) -> Iterator[Page]:
    """A new browser with nothing of an earlier one; profile: an empty directory; trusted: a certificate (PEM)."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()

    def pipes() -> None:
        """Chromium reads descriptor 3 and writes 4."""
        for place, end in enumerate([fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)], 3):
            os.dup2(end, place)

    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    trust = [f"--ignore-certificate-errors-spki-list={_key_hash(trusted)}"] if trusted is not None else []
    process = subprocess.Popen(
        [*command, *trust, f"--user-data-dir={profile}"],
        preexec_fn=pipes,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Page(ours_out, ours_in)
    finally:
        os.close(ours_out)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(ours_in)


def _key_hash(certificate: Path) -> str:
    """Of its public key, as pins have it (RFC 7469 2.4)."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    octets = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(octets).digest()).decode()
