"""The requests of a database in a file for other programs."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.cli.output_files import not_written
from daemon.core.milliseconds import seconds
from daemon.core.model import AttemptStarted, Note
from daemon.core.request_states import advance
from daemon.operations.exporting import Wanted, document, requests
from daemon.store.store import Store
from tests.daemon.core.story import request, started
from tests.daemon.store.writes import act, insert, named, run


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Path:
    """A database in use, with a request that a modem has, one without a delivery, and one with a hostile brand."""
    (tmp_path / "pinwheel.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path}/pinwheel.db"\n')
    sending, _ = advance(named(1), AttemptStarted(0, seconds(1), "sim1"))
    bare = replace(request(1), id=f"{2:032x}", number="447700900199", created_at=seconds(2_000_000_000))
    hostile = replace(started(request(1)), id=f"{3:032x}", brand="=cmd()", number="h:0123456789abcdef")
    run(store, insert(sending), insert(bare), insert(hostile))
    return tmp_path


def export(directory: Path, name: str, *options: str) -> Result:
    words = ["export", str(directory / name), "--config", str(directory / "pinwheel.toml"), *options]
    return CliRunner().invoke(main, words)


def test_a_spreadsheet_has_a_line_for_each_delivery_and_no_whole_number(filled: Path) -> None:
    done = export(filled, "requests.csv")
    assert (done.exit_code, "wrote 3 request(s)" in done.output) == (0, True)
    assert (filled / "requests.csv").stat().st_mode & 0o777 == 0o600
    with open(filled / "requests.csv", newline="", encoding="utf-8") as file:
        first, bare, hostile = csv.DictReader(file)
    assert (first["number"], first["event"], first["channel"], first["state"]) == (
        "4477******23",
        "1",
        "sms",
        "sending",
    )
    assert (bare["number"], bare["event"], bare["state"]) == ("4477******99", "", "")
    assert (hostile["number"], hostile["brand"]) == ("h:0123456789abcdef", "'=cmd()")


def test_all_that_is_kept_of_a_number_is_a_line_for_each_request(filled: Path) -> None:
    done = export(filled, "one.jsonl", "--number", "+447700900199", "--numbers", "--json")
    assert json.loads(done.output) == {"file": str(filled / "one.jsonl"), "requests": 1}
    (only,) = map(json.loads, (filled / "one.jsonl").read_text().splitlines())
    assert (only["number"], only["deliveries"], only["checks"]) == ("447700900199", [], [])
    assert [line["kind"] for line in only["history"]] == []


def test_only_the_last_days_are_written_in_pages(store: Store) -> None:
    rows = [replace(named(number), created_at=seconds(number)) for number in range(1, 1100)]
    run(store, *map(insert, rows))
    seen: list[int] = []
    found = [each.created_at for each in requests(store.reading, Wanted(since=seconds(1000)), seen.append)]
    assert found == [seconds(number) for number in range(1000, 1100)]
    assert seen == [500, 1000, 1099]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("requests.txt", [], "the name ends in .csv or .jsonl"),
        ("requests.csv", ["--number", "0770x"], "write it in full"),
        ("none/requests.csv", [], "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    filled: Path, name: str, options: list[str], says: str
) -> None:
    before = sorted(filled.iterdir())
    done = export(filled, name, *options)
    assert done.exit_code != 0
    assert says in done.output
    assert sorted(filled.iterdir()) == before


def test_numbers_in_what_a_network_said_are_masked_too_and_no_line_of_history_is_left_out(store: Store) -> None:
    """What a trunk said used to stand there whole, and the history ended after 500 lines."""
    said = "sim1 from +447700900123: STOP"
    failed, _ = advance(named(1), AttemptStarted(0, seconds(1), "sim1"))
    failed = replace(failed, attempts=(replace(failed.attempts[0], detail="404 sip:447700900123@trunk"),))
    run(store, insert(failed), *[act(Note("incoming", None, said), request_id=failed.id)] * 600)
    for in_full, shown in ((False, "4477******23"), (True, "447700900123")):
        found = document(store.reading, failed, Wanted(in_full=in_full))
        assert found["deliveries"][0]["detail"] == f"404 sip:{shown}@trunk"
        assert {line["detail"] for line in found["history"]} == {said.replace("447700900123", shown)}
        assert len(found["history"]) == 600


def test_a_full_disk_is_said_with_the_file() -> None:
    """It used to say: cannot use None."""
    full = OSError(28, "No space left on device")
    assert str(not_written(full, None, Path("x.csv"))) == "cannot use x.csv: No space left on device"
    assert "cannot use y" in str(not_written(OSError(13, "Permission denied", "y"), Path("x.csv")))
