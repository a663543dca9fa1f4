"""Send an existing Nexmo program to Pinwheel's Unix socket with one line.

    client = nexmo.Client(key="any", secret="any")
    client.session.mount("https://api.nexmo.com", UnixAdapter("/run/pinwheel/control.sock"))

Needs only `requests`. The file stands by itself: it can be copied into the program that uses it.
"""

import socket
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from requests.models import PreparedRequest
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _Connection(HTTPConnection):
    def __init__(self, path: str, **options: Any) -> None:
        super().__init__("pinwheel", **options)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if isinstance(self.timeout, int | float):
            self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError as exc:
            raise OSError(exc.errno, exc.strerror, self._path) from exc  # which socket, and not only why


class _Pool(HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("pinwheel")
        self._path = path

    def _new_conn(self) -> _Connection:
        return _Connection(self._path, timeout=self.timeout.connect_timeout)


class UnixAdapter(HTTPAdapter):
    """A transport adapter that sends whatever it is mounted for to the Unix socket at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._pool = _Pool(path)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """The pool of the socket, whatever the address (requests 2.32 and later)."""
        return self._pool

    def get_connection(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """The same for requests before 2.32."""
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        """The path alone: the socket is the host."""
        parts = urlsplit(request.url or "")
        return f"{parts.path}?{parts.query}" if parts.query else str(parts.path)

    def close(self) -> None:
        self._pool.close()
        super().close()
