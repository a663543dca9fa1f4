"""An audio process, and a call of it with both ends on loopback."""

import socket
from collections.abc import Iterator

import pytest

from drivers.rtp.process_handle import Pacer
from tests.drivers.rtp.line import Line


@pytest.fixture
def pacer() -> Iterator[Pacer]:
    pacer = Pacer()
    pacer.open()
    yield pacer
    pacer.close()


@pytest.fixture
def line() -> Iterator[Line]:
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    far.setblocking(False)
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near.bind(("127.0.0.1", 0))
    near.connect(far.getsockname())
    with near, far:
        yield Line(near, far)
