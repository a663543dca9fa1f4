"""Who may read the files of the database, and that one daemon has them at a time."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.files import lock, private, private_files
from tests.daemon.store.open_files import opened

EVERYBODY, ITS_GROUP = 0o644, 0o640


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def made(path: Path, mode: int) -> Path:
    path.write_bytes(b"")
    path.chmod(mode)
    return path


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("before", "after"), [(EVERYBODY, 0o600), (0o666, 0o600), (0o641, 0o600), (ITS_GROUP, ITS_GROUP), (0o600, 0o600)]
)
def test_nobody_but_a_group_that_the_operator_has_let_in_may_read_a_file(
    tmp_path: Path, before: int, after: int
) -> None:
    path = made(tmp_path / "pinwheel.db", before)
    os.close(private(path))
    assert mode(path) == after


def test_the_database_is_made_and_what_lies_beside_it_is_only_changed(tmp_path: Path) -> None:
    path = tmp_path / "pinwheel.db"
    side = [made(Path(f"{path}{more}"), EVERYBODY) for more in ("-wal", "-shm")]
    private_files(path)
    assert [mode(each) for each in (path, *side)] == [0o600] * 3
    assert opened(tmp_path) == 0
    for each in side:
        each.unlink()
    private_files(path)
    assert os.listdir(tmp_path) == ["pinwheel.db"]


def test_the_directory_is_made_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "var" / "pinwheel" / "pinwheel.db.lock"
    with lock(path):
        assert mode(path.parent) == 0o750
        assert mode(path) == 0o600


def test_a_second_lock_is_refused_and_holds_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "pinwheel.db"
    with lock(path):
        with pytest.raises(StoreUnusable, match="another pinwheeld is running on this database"):
            lock(path)
        assert opened(tmp_path) == 1
    lock(path).close()


def test_what_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnusable, match=f"cannot write .*may this user write to {tmp_path}/file"):
        lock(tmp_path / "file" / "pinwheel.db")
