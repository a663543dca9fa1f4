"""A new master key in the place of the old one.

There used to be `key new --force` only, which makes the PINs of all live requests invalid.
"""

import asyncio
import json
import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.clock import Clock
from daemon.core.commands import Policy
from daemon.core.model import Status
from daemon.engine import Engine
from daemon.master_key import Keyring, Known, identity, judged, load, remember
from daemon.master_key_files import KeyPlace, KeyUnusable, alone, make, rotate, set_aside
from daemon.operations.number_hash import SEALED, number_hash, sealed_again
from daemon.operations.old_key import OldKey
from daemon.pins import Pins, SealBroken
from daemon.store.sqlite.backup import back_up
from daemon.store.sqlite.library import sqlite
from daemon.store.sqlite.reading import SqliteReading
from daemon.store.store import Store
from drivers.simulated.modem import SimulatedModem
from tests.daemon.core.story import request
from tests.daemon.store.writes import insert, run, update
from tests.gateway import Gateway, modem_section, pin_in, until

A, B, C = (letter * 32 for letter in (b"a", b"b", b"c"))
PLACE = KeyPlace(Path("/state/key"), ours=True)


def pinwheel_key(gateway: Gateway, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["key", *arguments, "--config", str(gateway.config)])


def test_live_requests_go_on_under_the_old_key_and_new_ones_begin_under_the_new_one(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "port", network_s=0.02) as modem:
        gateway = Gateway(tmp_path, modem_section(modem.port))

        def started(number: str) -> tuple[str, str]:
            count = len(modem.accepted)
            request_id = gateway.verify(number, workflow_id=6)
            return request_id, pin_in(until(lambda: [text for _, text in modem.accepted][count:], "the SMS")[0])

        def verified(request_id: str, pin: str) -> bool:
            return bool(gateway.client.verify("check", request_id=request_id, code=pin)["status"] == "0")

        with gateway:
            before = started("447700900101")
            own = gateway.verify("447700900102", workflow_id=6, pin_code="Abc123"), "Abc123"
            first = (tmp_path / "key").read_bytes()
            assert "systemctl restart pinwheel" in pinwheel_key(gateway, "rotate").output
            again = pinwheel_key(gateway, "rotate")
            assert (again.exit_code, "has not used it yet" in again.output) == (1, True)
        assert (tmp_path / "key.old").read_bytes() == first != (tmp_path / "key").read_bytes()
        assert (tmp_path / "key.old").stat().st_mode & 0o777 == 0o600
        with gateway:
            after = started("447700900103")
            again = pinwheel_key(gateway, "rotate")
            assert (again.exit_code, "2 live request(s) need the key before" in again.output) == (1, True)
            assert all(verified(*each) for each in (before, own, after))
        with gateway:
            until(lambda: not (tmp_path / "key.old").exists(), "the end of the old key")
            assert json.loads(pinwheel_key(gateway, "rotate", "--json").output) == {
                "key": str(tmp_path / "key"),
                "old_key": str(tmp_path / "key.old"),
            }


def known(key: bytes, number: int = 1, live: int = 0, old: bytes = b"", old_live: int = 0) -> Known:
    return Known(identity(key), number, lambda: live, identity(old) if old else "", old_live)


def _not_asked() -> int:
    """There used to be a look at a million requests in progress, 50 ms, at each start that had its key."""
    raise AssertionError("the key is there, so nobody need count who needs it")


@pytest.mark.parametrize(
    ("database", "current", "old", "keys"),
    [
        (Known(), A, None, Keyring(A)),
        (known(A, live=1), A, None, Keyring(A)),
        (Known(identity(A), live=_not_asked), A, None, Keyring(A)),
        (known(A, live=1), B, A, Keyring(B, 2, A)),
        (known(A), B, A, Keyring(B, 2, A)),
        (known(B, 2, 5, A, 3), B, A, Keyring(B, 2, A)),
        (known(B, 2, 5, A, 0), B, A, Keyring(B, 2)),
        (known(B, 2, 5), B, None, Keyring(B, 2)),
        (known(A), B, None, Keyring(B)),
        (known(A, 1, 2), A, C, Keyring(A)),
    ],
)
def test_the_keys_are_those_that_the_database_knows(
    database: Known, current: bytes, old: bytes | None, keys: Keyring
) -> None:
    assert judged(PLACE, database, current, old) == keys


@pytest.mark.parametrize(
    ("database", "current", "old", "why"),
    [
        (known(A, live=2), B, None, r"not the one that 2 live request\(s\) .*: pinwheel key adopt"),
        (known(A, live=2), B, C, "not the one that 2 live"),
        (known(B, 2, 5, A, 3), C, A, "not the one that 2 live"),
        (known(B, 2, 5, A, 3), B, None, r"cannot find the old master key /state/key.old, which 3 live"),
        (known(B, 2, 5, A, 3), B, C, "cannot find the old master key"),
        (known(B, 2, 5, A, 3), C, B, r"3 live request\(s\) need the key before /state/key.old"),
    ],
)
def test_keys_that_live_requests_would_miss_are_refused(
    database: Known, current: bytes, old: bytes | None, why: str
) -> None:
    with pytest.raises(KeyUnusable, match=why):
        judged(PLACE, database, current, old)


def test_a_rotation_that_was_cut_off_leaves_a_key_that_can_be_used(tmp_path: Path) -> None:
    """Before each step that a crash may come in: the old key beside it, a new one half made, the new one in place."""
    where = KeyPlace(tmp_path / "key", ours=True)
    make(where.path)
    first = where.path.read_bytes()
    in_use = known(first, live=1)
    (tmp_path / "key.old.new").write_bytes(b"half")
    assert load(where, in_use) == Keyring(first)
    (tmp_path / "key.new").write_bytes(b"half")
    rotate(where)
    assert load(where, in_use) == Keyring(where.path.read_bytes(), 2, first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "key.old"]
    where.path.write_bytes(first)  # the old one was written, the new one was not
    assert load(where, in_use) == Keyring(first)


def test_pins_and_seals_of_old_requests_are_those_of_the_old_key() -> None:
    pins = Pins(B, 2, Pins(A))
    old, new = replace(request(1), generation=1), replace(request(1), generation=1, key_number=2)
    assert pins.of(old, 1) == Pins(A).of(old, 1) != pins.of(new, 1)
    assert pins.of(new, 1) == Pins(B).of(new, 1)
    assert pins.of(replace(old, sealed_pin=Pins(A).seal(old.id, "Abc123")), 1) == "Abc123"
    with pytest.raises(SealBroken, match="another master key"):
        Pins(B).of(replace(old, sealed_pin=Pins(A).seal(old.id, "Abc123")), 1)


def test_hashes_of_numbers_stay_the_same_over_two_rotations_and_not_without_the_keys() -> None:
    hashed = number_hash(A)("447700900123")
    once = sealed_again(A, "", B)
    assert number_hash(B, once)("447700900123") == hashed
    assert number_hash(C, sealed_again(B, once, C))("447700900123") == hashed
    assert number_hash(C, once)("447700900123") == number_hash(C)("447700900123") != hashed


@pytest.mark.parametrize(("ours", "says"), [(True, "key=deleted"), (False, "key=unneeded")])
def test_an_old_key_goes_when_its_last_request_has_ended(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, ours: bool, says: str
) -> None:
    caplog.set_level(logging.INFO)
    place = KeyPlace(tmp_path / "master", ours=ours)
    make(place.path)
    rotate(place)
    old, current = place.old.read_bytes(), place.path.read_bytes()
    store.set_meta(remember(Keyring(current, 2, old)))
    engine = Engine(store, Clock(), Pins(current, 2, Pins(old)), Policy())
    (row,) = run(store, insert(request(1)))

    async def look(in_use: bytes) -> None:
        await OldKey(engine, place, identity(in_use)).look()
        await store.turn()

    asyncio.run(look(current))
    assert engine.pins.of(request(1), 1) == Pins(old).of(request(1), 1)
    run(store, update(row, replace(request(1), status=Status.EXPIRED)))
    asyncio.run(look(old))  # of a daemon that has not used the new key yet
    assert place.old.exists()
    asyncio.run(look(current))
    assert (place.old.exists(), says in caplog.text) == (not ours, True)
    assert engine.pins.of(request(1), 1) == Pins(current).of(request(1), 1)
    assert store.reading.meta("old key id") == ""


def test_a_rotation_and_the_end_of_an_old_key_do_not_meet(store: Store, tmp_path: Path) -> None:
    """The daemon used to be able to delete the key that a rotation had just put beside the new one."""
    place = KeyPlace(tmp_path / "key", ours=True)
    make(place.path)
    rotate(place)
    engine = Engine(store, Clock(), Pins(place.path.read_bytes(), 2), Policy())
    look = OldKey(engine, place, identity(place.path.read_bytes())).look
    with alone(tmp_path):
        asyncio.run(look())
        assert place.old.exists()
        with pytest.raises(OSError, match="are being changed"):
            rotate(place)
    asyncio.run(look())
    assert not place.old.exists()


def test_no_rotation_where_nobody_knows_which_key_is_in_use(tmp_path: Path) -> None:
    """A database that could not be read used to count as one without requests: two rotations lost the key in use."""
    gateway = Gateway(tmp_path)
    (tmp_path / "pinwheel.db").write_bytes(b"no database" * 99)
    make(tmp_path / "key")
    refused = pinwheel_key(gateway, "rotate")
    assert (refused.exit_code, "cannot read the database" in refused.output) == (1, True)
    assert not (tmp_path / "key.old").exists()
    (tmp_path / "pinwheel.db").unlink()
    assert "the daemon deletes it" in pinwheel_key(gateway, "rotate").output


def test_a_key_that_is_not_the_daemons_is_deleted_by_its_owner(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, f'[security]\nkey_file = "{tmp_path}/mine"\n')
    make(tmp_path / "mine")
    assert "the daemon logs key=unneeded when nothing" in pinwheel_key(gateway, "rotate").output


def test_keys_that_are_set_aside_in_one_second_all_stay(tmp_path: Path) -> None:
    for _ in range(3):
        make(tmp_path / "key")
        set_aside(tmp_path / "key")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 3


def test_hashes_stay_the_same_when_a_backup_from_before_a_rotation_is_restored(tmp_path: Path) -> None:
    """The hashes used to be computed again under the new key, so that the list of forgotten numbers matched nobody."""
    gateway, restore = Gateway(tmp_path), ["restore", str(tmp_path / "backup.db")]

    def hashes() -> str:
        with closing(sqlite.connect(str(tmp_path / "pinwheel.db"))) as db:
            return number_hash((tmp_path / "key").read_bytes(), SqliteReading(db).meta(SEALED) or "")("447700900123")

    with gateway:
        back_up(tmp_path / "pinwheel.db", tmp_path / "backup.db")
    before = hashes()
    pinwheel_key(gateway, "rotate")
    with gateway:
        until(lambda: not (tmp_path / "key.old").exists(), "the end of the old key")
    done = CliRunner().invoke(main, [*restore, "--config", str(gateway.config)])
    assert done.exit_code == 0, done.output
    with gateway:
        pass
    assert hashes() == before
