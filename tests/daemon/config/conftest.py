"""A folder with the files that the configurations of several tests name."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.peers.tls import certificate


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with files of every sort."""
    folder = tmp_path_factory.mktemp("files")
    contents = {"secret": b"s3cret\n", "empty": b"\n", "open": b"s3cret", "latin1": b"\xe9t\xe9", "lines": b"a\nb\n"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    (folder / "open").chmod(0o644)
    os.mkfifo(folder / "fifo")
    certificate(folder)
    for name, days in {"other": (-1, 30), "ended": (-9, -2), "early": (2, 9)}.items():
        (folder / name).mkdir()
        certificate(folder / name, from_day=days[0], to_day=days[1])
    encrypt = ["openssl", "pkey", "-in", "key.pem", "-aes256", "-passout", "pass:x", "-out", "locked.pem"]
    subprocess.run(encrypt, cwd=folder, check=True, capture_output=True)
    (folder / "open.pem").write_bytes((folder / "key.pem").read_bytes())
    return folder
