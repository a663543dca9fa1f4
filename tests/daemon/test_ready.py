"""What a start loads before the daemon is ready, with a modem and a trunk, seen from outside."""

import re
from pathlib import Path

import pytest

from tests.gateway import Gateway, modem_section, voice_section

OTHERS = {
    *("phonenumbers", "prometheus_client", "jinja2", "markupsafe", "tomlkit", "requests", "gtts", "matplotlib"),
    *("numpy", "soundfile", "soxr", "cryptography", "pylibsrtp", "dns", "psycopg", "sqlite3", "sqlite_utils"),
    *("h11", "websockets", "wsproto", "yaml", "dotenv", "xml", "unittest", "pip", "setuptools"),
}
OURS = {
    *(
        "daemon.api.console",
        "daemon.api.numbering",
        "daemon.api.premium_numbers",
        "daemon.cli",
        "daemon.operations.doctor",
    ),
    *("daemon.operations.metric_families", "daemon.operations.host", "daemon.operations.setup"),
    *("daemon.prompts.making", "daemon.store.postgres.database", "drivers.simulated"),
}


def loaded(text: str) -> set[str]:
    """The modules that `-X importtime` tells of, and the packages that they are in."""
    names = re.findall(r"\| +([\w.]+)$", text, re.MULTILINE)
    return {name.rsplit(".", cut)[0] for name in names for cut in range(name.count(".") + 1)}


def test_what_a_start_does_not_need_is_loaded_after_it_or_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks of the doctor, which the first look at the health needs, used to be 20 ms of each start."""
    gateway = Gateway(tmp_path, modem_section("/dev/pinwheel-absent") + voice_section("127.0.0.1:9"))
    gateway.start()  # makes the tables, for which it needs sqlite-utils
    gateway.stop()
    begin = len(gateway.log())
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    gateway.start()
    gateway.stop()
    first, _, then = gateway.log()[begin:].partition("state=ready")
    assert "uvicorn" in loaded(first)
    assert (OTHERS | OURS) & loaded(first) == set()
    assert {"phonenumbers", "daemon.operations.doctor"} <= loaded(then)
