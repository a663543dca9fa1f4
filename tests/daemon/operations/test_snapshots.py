"""What operators see of lanes and drivers: frozen values of one moment."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import Clock
from daemon.config import Config
from daemon.core.commands import Policy
from daemon.engine import Engine
from daemon.lanes.snapshots import ModemSnapshot, SmsSnapshot, VoiceSnapshot
from daemon.operations import status
from daemon.operations.snapshots import Snapshots
from daemon.operations.status import Health
from daemon.pins import Pins
from daemon.store.store import Store
from tests.daemon.store.test_retention import run
from tests.daemon.store.writes import connection
from tests.gateway import Gateway, modem_section, until, voice_section
from tests.test_pure import imported


def test_only_snapshots_are_read_for_what_operators_see() -> None:
    """status used to read the queue, the quota and the failures of each modem slot, and the driver behind it."""
    assert not {"daemon.lanes.sms", "daemon.lanes.voice", "daemon.lanes.sms.modem_slot"} & {
        *imported(Path(status.__file__))
    }


@pytest.mark.parametrize("kind", [ModemSnapshot, SmsSnapshot, VoiceSnapshot])
def test_a_snapshot_cannot_be_changed(kind: type[Any]) -> None:
    taken = kind(*(None for _ in fields(kind)))
    for field in fields(kind):
        with pytest.raises(FrozenInstanceError):
            setattr(taken, field.name, None)


def test_requests_that_cannot_be_read_are_not_none_yet(store: Store) -> None:
    """A PostgreSQL that had gone away used to be "store ok, requests none yet", until somebody wanted to write."""
    health = Health(Snapshots(Engine(store, Clock(), Pins(b"k" * 32), Policy()), None, None), Config())
    connection(store).execute("ALTER TABLE request RENAME TO elsewhere")
    report = run(health.report)
    assert (report["store"], report["requests"]) == ("the database cannot be read", {})


def test_what_waits_for_a_device_is_counted(tmp_path: Path) -> None:
    trunk = voice_section("127.0.0.9:5999", "register = true")
    gateway = Gateway(tmp_path, modem_section("/nowhere/tty") + trunk)
    gateway.start()
    try:
        started = gateway.verify("447700900901")
        until(lambda: gateway.client.get("/v1/modems")["modems"][0]["queue"] == 1, "it waits for the modem")
        gateway.client.verify("control", request_id=started, cmd="trigger_next_event")
        until(lambda: gateway.client.get("/v1/voice")["waiting"] == 1, "it waits for the trunk")
    finally:
        gateway.stop()
