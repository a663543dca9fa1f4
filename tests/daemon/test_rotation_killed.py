"""`pinwheel key rotate`, killed with SIGKILL before each of its steps: no live request is lost."""

from pathlib import Path

from daemon.master_key import Known, identity, load
from daemon.master_key_files import KeyPlace
from drivers.simulated.modem import SimulatedModem
from tests.soak.rotations import Live, worlds_of


def test_whenever_it_is_killed_the_daemon_starts_and_a_second_rotation_ends_it(tmp_path: Path) -> None:
    """Each set of files is judged; a daemon starts on one of them, on all of them in `make soak`."""
    for name in ("state", "worlds"):
        (tmp_path / name).mkdir()
    with SimulatedModem(tmp_path / "port", network_s=0.02) as modem:
        live = Live(tmp_path / "state", modem)
        live.begin()
        key = live.folder / "key"
        worlds = worlds_of(key, tmp_path / "worlds")
        assert len(worlds) >= 8
        for world in worlds:
            keys = load(KeyPlace(world / "key", ours=True), Known(identity(key.read_bytes()), 1, live=lambda: 1))
            assert key.read_bytes() == (keys.current if keys.number == 1 else keys.old), [*world.iterdir()]
        half = next(world for world in worlds if (world / "key.new").exists() and (world / "key.old").exists())
        assert live.trouble(half, tmp_path / "daemon") == ""
