"""A UDP server on loopback that answers each datagram, until its `with` ends."""

import socket
import threading
from typing import Self


class DatagramPeer:
    """A context manager; a subclass says what it answers, b"" for nothing."""

    def __init__(self, host: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self.port = int(self._socket.getsockname()[1])
        self.address = f"{host}:{self.port}"

    def answer(self, data: bytes) -> bytes:
        raise NotImplementedError

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())

    def _serve(self) -> None:
        with self._socket:
            while True:
                data, client = self._socket.recvfrom(4096)
                if not data:
                    return
                told = self.answer(data)
                if told:
                    self._socket.sendto(told, client)
