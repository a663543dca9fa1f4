"""Voice whose signalling is dead says so where people and monitors look."""

from daemon.clock import Clock
from daemon.core.commands import Policy
from daemon.engine import Engine
from daemon.lanes.voice import Manner, VoiceLane
from daemon.operations.doctor.self_check import examined
from daemon.operations.snapshots import Snapshots
from daemon.operations.status import voice
from daemon.pins import Pins
from daemon.prompts.library import PromptLibrary
from daemon.store.store import Store
from drivers.pyvoip import Driver, Options
from tests.drivers.pyvoip.test_guards import astray
from tests.gateway import until


def test_signalling_that_is_dead_shows_in_status_and_health(store: Store) -> None:
    """A daemon whose signalling had died for good used to be "ready" in status, and healthy."""
    driver = Driver("voice", Options("127.0.0.9:5060", register=False), locate=astray)
    engine = Engine(store, Clock(), Pins(b"k" * 32), Policy())
    lane = VoiceLane(engine, driver, PromptLibrary({}), Manner(), max_calls=1, a_second=1)
    snapshots = Snapshots(engine, None, lane)
    driver.open(lambda _: None)
    try:
        until(lambda: examined(snapshots.take()).health == "voice is dead", "a health check that fails")
        assert "signalling died" in examined(snapshots.take()).reasons[0]
        assert voice(snapshots.take().voice)["state"] == "failed"
    finally:
        driver.close()
