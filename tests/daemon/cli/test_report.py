"""`pinwheel report` on a database: as text, for programs, for spreadsheets and as a picture."""

import csv
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.core.milliseconds import seconds
from daemon.core.model import AttemptState, Channel, Status
from daemon.store.copying import copy
from daemon.store.postgres.address import Address
from daemon.store.postgres.copying_tables import PostgresTables
from daemon.store.sqlite.copying_tables import SqliteTables
from daemon.store.store import Store
from tests.daemon.core.story import request, started
from tests.daemon.store.writes import insert, run
from tests.gateway import modem_section
from tests.peers.postgres import PASSWORD, Cluster


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Path:
    """Twenty requests of the last twenty days, a day apart, half of them verified after 12 s."""
    modems = "".join(modem_section(f"/dev/ttyUSB{n}", f"the-modem-at-port-{n}") for n in range(8))
    (tmp_path / "pinwheel.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path}/pinwheel.db"\n{modems}')
    writes = []
    for day in range(20, 0, -1):
        at = seconds(time.time() - day * 86_400 + 600)
        status, number = (Status.SUCCESS, "447700900123") if day % 2 else (Status.EXPIRED, "h:0123")
        new = replace(started(request(1)), id=f"{day:032x}", number=number, created_at=at, status=status, due_at=None)
        state, detail = (AttemptState.SENT, "") if day % 2 else (AttemptState.REFUSED, "=the network, said no")
        sms = replace(new.attempts[0], state=state, detail=detail, tries=1, channel=Channel.SMS, device="sim1")
        writes.append(insert(replace(new, finalized_at=at + seconds(12), attempts=(sms,))))
    run(store, *writes)
    return tmp_path


def report(directory: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["report", "--config", str(directory / "pinwheel.toml"), *options])


def test_a_report_fits_80_columns_and_says_since_when_there_are_data(filled: Path) -> None:
    lines = report(filled).output.splitlines()
    assert max(map(len, lines)) <= 80
    assert "the first request of them is of 20" in lines[0]
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "requests 20 have ended: 10 success, 10 expired; 0 in progress" in text
    assert "SMS 20 10 50% 12 s 12 s ####################" in text
    assert "GB, ... (+44) 10 10 100% 12 s 12 s" in text
    assert "number deleted 10 0 0% - - " in text
    assert "10 SMS refused: =the network" in text


def test_only_the_last_days_are_read_and_programs_get_all_of_it(filled: Path) -> None:
    found = json.loads(report(filled, "--days", "5", "--json").output)
    assert (found["days"], found["all"]["requests"], found["all"]["verified"]) == (5, 5, 3)
    assert found["channels"]["sms"]["median_s"] == 12.0
    assert sum(each["requests"] for each in found["hours"].values()) == 5


def test_a_spreadsheet_and_a_picture_have_the_figures(filled: Path) -> None:
    files = {name: filled / f"report.{name}" for name in ("csv", "png")}
    done = report(filled, *(word for name, file in files.items() for word in (f"--{name}", str(file))))
    assert done.exit_code == 0, done.output
    with files["csv"].open(newline="") as file:
        rows = {(row["section"], row["name"]): row for row in csv.DictReader(file)}
    assert rows["channels", "sms"]["verified"] == "10"
    assert rows["causes", "sms refused: =the network"]["requests"] == "10"
    assert files["png"].read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_done_is_said_with_the_remedy(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = report(filled, "--png", str(filled / "report.jpg"))
    assert (wrong.exit_code, "must end in .png" in wrong.output) == (2, True)
    closed = report(filled, "--csv", "/nowhere/report.csv")
    assert (closed.exit_code, "cannot use /nowhere/report.csv: No such file or directory" in closed.output) == (1, True)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "daemon.cli.chart", raising=False)
    bare = report(filled, "--svg", str(filled / "report.svg"))
    assert (bare.exit_code, "needs matplotlib.figure" in bare.output, "plot" in bare.output) == (1, True, True)
    (filled / "pinwheel.db").unlink()
    gone = report(filled)
    assert (gone.exit_code, "there is no database" in gone.output) == (1, True)


def test_postgresql_gives_the_same_report_and_the_same_export(filled: Path, postgres: Cluster) -> None:
    backup, name = filled / "backup" / "pinwheel.db", postgres.new_database()
    backup.parent.mkdir()
    assert CliRunner().invoke(main, ["backup", str(backup), "--config", str(filled / "pinwheel.toml")]).exit_code == 0
    sides = SqliteTables(backup), PostgresTables(Address.of(postgres.url(name), PASSWORD))
    copy(*sides, lambda *_: None)
    for side in sides:
        side.close()
    original = (filled / "pinwheel.toml").read_text()
    url = f'url = "{postgres.url(name)}"\npassword_file = "{postgres.password_file(filled)}"\n'
    (filled / "postgresql.toml").write_text(original.replace(original.splitlines()[1], url))

    def written(toml: str) -> list[str]:
        csv, export, lines = (filled / f"{toml}{end}" for end in (".csv", "-export.csv", "-export.jsonl"))
        told = []
        for words in (
            ["report", "--csv", str(csv)],
            ["report", "--json"],
            ["export", str(export)],
            ["export", str(lines), "--number", "447700900123", "--numbers"],
        ):
            done = CliRunner().invoke(main, [*words, "--config", str(filled / toml)])
            assert done.exit_code == 0, done.output
            told.append(done.output.replace(toml, ""))
        return [*told, *(file.read_text() for file in (csv, export, lines))]

    of_postgresql = written("postgresql.toml")
    assert of_postgresql == written("pinwheel.toml")
    assert [len(text.splitlines()) for text in of_postgresql[-2:]] == [21, 10]
