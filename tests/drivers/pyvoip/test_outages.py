"""A trunk that goes away: Kamailio killed and started again, between calls and during one."""

from pathlib import Path
from typing import Any

from drivers import CallOutcome, CallPhase
from tests.drivers.pyvoip.calling import dial, driver, result, tone
from tests.peers.baresip import Baresip
from tests.peers.kamailio import PASSWORD, Kamailio


def test_a_proxy_may_be_killed_and_started_again_between_calls_and_during_one(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    options: dict[str, Any] = {"username": "gateway", "password_file": str(tmp_path / "password"), "register": True}
    with Baresip(tmp_path) as peer, Kamailio(tmp_path, peer.address) as trunk, driver(trunk.address, **options) as ours:
        assert result(dial(ours, tone(0.1))[0]).outcome is CallOutcome.ANSWERED
        with trunk.killed():
            pass
        assert result(dial(ours, tone(0.1))[0]).outcome is CallOutcome.ANSWERED
        handle, phases = dial(ours, tone(2.0))
        phases.wait_for(CallPhase.ANSWERED)
        with trunk.killed():
            pass
        ended = result(handle)
        assert (ended.outcome, ended.played_s) == (CallOutcome.ANSWERED, 2.5)
        assert peer.log().count("session closed") == 3
