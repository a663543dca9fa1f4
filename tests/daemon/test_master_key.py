"""The master key: made only where nobody misses the old one, and the right one.

There used to be a new key, made silently, when the file was gone: no PIN of a live request could be judged any more.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon import master_key
from daemon.cli import main
from daemon.master_key import Known, expected, identity, load
from daemon.master_key_files import KeyPlace, KeyUnusable, make, place
from daemon.operations.check_config import check
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, until


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    where = place("", tmp_path)
    key = load(where, Known()).current
    assert len(key) == 32
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert load(where, Known(identity(key), live=lambda: 5)).current == key


def test_a_credential_of_systemd_comes_before_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pinwheel-key").write_bytes(b"c" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load(place("", tmp_path / "state"), Known()).current == b"c" * 32


def test_a_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match="has 5 octets and needs 32"):
        load(place(str(path), tmp_path), Known())


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o610, 0o660, 0o606, 0o644, 0o666])
@pytest.mark.parametrize("ours", [True, False])
def test_a_key_that_anybody_else_may_touch_is_refused(tmp_path: Path, mode: int, ours: bool) -> None:
    """There used to be a test of one file mode in one place only."""
    path = tmp_path / "key"
    path.write_bytes(b"k" * 32)
    path.chmod(mode)
    with pytest.raises(KeyUnusable, match="others may read it; run: chmod 600"):
        load(place("" if ours else str(path), tmp_path), Known())


def test_a_key_file_that_is_missing_is_an_error_not_a_new_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot read the master key"):
        load(place(str(tmp_path / "none"), tmp_path), Known())
    assert not (tmp_path / "none").exists()


def test_a_key_that_live_requests_miss_is_not_made_anew(tmp_path: Path) -> None:
    where = place("", tmp_path)
    with pytest.raises(KeyUnusable, match=r"which 3 live request\(s\) need; restore it .*: pinwheel key new --force"):
        load(where, Known(live=lambda: 3))
    assert not where.path.exists()


def test_a_wrong_key_is_refused_while_requests_live_and_taken_when_none_does(tmp_path: Path) -> None:
    where = place("", tmp_path)
    make(where.path)
    with pytest.raises(KeyUnusable, match="not the one that 1 live request"):
        load(where, Known(identity(b"o" * 32), live=lambda: 1))
    assert load(where, Known(identity(b"o" * 32)))


def test_the_id_of_a_key_says_nothing_of_it() -> None:
    assert len(identity(b"k" * 32)) == master_key.ID_DIGITS
    assert identity(b"k" * 32) != identity(b"l" * 32)


# --- with a daemon -----------------------------------------------------------------------------------------


def pinwheel_key(gateway: Gateway, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["key", *arguments, "--config", str(gateway.config)])


def failed_start(gateway: Gateway) -> str:
    command = [sys.executable, "-m", "daemon.main", "--config", str(gateway.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 78, done.stderr
    return done.stderr


def test_a_lost_key_is_told_by_the_check_and_the_start_and_mended_by_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SimulatedModem(tmp_path / "port", network_s=0.02) as modem:
        gateway = Gateway(tmp_path, modem_section(modem.port))
        with gateway:
            request_id = gateway.verify("447700900101", workflow_id=6)
            old = pin_in(until(lambda: next((text for _, text in modem.accepted), ""), "the SMS"))
            assert "first: systemctl stop pinwheel" in pinwheel_key(gateway, "new", "--force").output
        (tmp_path / "key").unlink()
        assert not check(gateway.config, "")
        assert "[security] key_file: cannot find the master key" in capsys.readouterr().err
        assert "pinwheel key new --force" in failed_start(gateway)
        assert not (tmp_path / "key").exists()
        refused = pinwheel_key(gateway, "new")
        assert (refused.exit_code, "1 live request(s) need the key" in refused.output) == (1, True)
        made = pinwheel_key(gateway, "new", "--force", "--json")
        assert json.loads(made.output) == {"key": str(tmp_path / "key"), "old_key": "", "live_requests": 1}
        with gateway:
            assert gateway.client.verify("check", request_id=request_id, code=old)["status"] == "16"


def test_a_key_that_was_swapped_is_told_and_can_be_adopted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SimulatedModem(tmp_path / "port", network_s=0.02) as modem:
        gateway = Gateway(tmp_path, modem_section(modem.port))
        with gateway:
            gateway.verify("447700900101", workflow_id=6)
        (tmp_path / "key").rename(tmp_path / "other")
        make(tmp_path / "key")
        assert not check(gateway.config, "")
        assert "pinwheel key adopt" in capsys.readouterr().err
        assert "restore that one from your backup" in failed_start(gateway)
        assert pinwheel_key(gateway, "adopt").exit_code == 0
        with gateway:
            known = expected(gateway.database)
            assert (known.id, known.live()) == (identity((tmp_path / "key").read_bytes()), 1)


def test_a_key_that_is_replaced_is_set_aside(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    make(tmp_path / "key")
    old = (tmp_path / "key").read_bytes()
    assert pinwheel_key(gateway, "new").exit_code == 1
    answer = json.loads(pinwheel_key(gateway, "new", "--force", "--json").output)
    assert Path(answer["old_key"]).read_bytes() == old
    assert (tmp_path / "key").read_bytes() != old


def test_a_database_whose_password_cannot_be_read_is_told(tmp_path: Path) -> None:
    """There used to be a traceback."""
    store = f'[store]\nurl = "postgresql://a@127.0.0.1/b"\npassword_file = "{tmp_path}/none"\n'
    (tmp_path / "pinwheel.toml").write_text(store)
    done = CliRunner().invoke(main, ["key", "adopt", "--config", str(tmp_path / "pinwheel.toml")])
    assert (done.exit_code, "[store] password_file: there is no file" in done.output) == (1, True)


def test_what_a_database_expects_is_read_without_touching_it(tmp_path: Path) -> None:
    assert expected(tmp_path / "none.db") == Known()
    (tmp_path / "p.db").write_bytes(b"no database")
    assert expected(tmp_path / "p.db") == Known()
    master_key.check(KeyPlace(tmp_path / "key", ours=True), Known())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.db"]
