"""`pinwheel export`: the requests of the database for other programs."""

import csv
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from daemon.cli.configured import configuration_option, read_only, unusable
from daemon.cli.context import Context, json_flag, pass_context
from daemon.cli.output_files import not_written, spreadsheet_cell
from daemon.cli.progress import Rows

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.operations.exporting import Wanted
    from daemon.store.contract import Reading

FORMATS = (".csv", ".jsonl")
DAY_S = 86_400


def _file(_: click.Context, __: click.Parameter, file: Path) -> Path:
    if file.suffix not in FORMATS:
        raise click.BadParameter(f"the name ends in {' or '.join(FORMATS)}, which says the format")
    return file


def _digits(_: click.Context, __: click.Parameter, number: str | None) -> str:
    """As the database has it."""
    digits = (number or "").removeprefix("+")
    if number is not None and not (digits.isascii() and digits.isdecimal()):
        raise click.BadParameter("write it in full, such as +447700900123")
    return digits


@click.command()
@click.argument("file", callback=_file, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--days", type=click.IntRange(1, 36_500), help="Only requests of the last so many days.")
@click.option("--number", callback=_digits, help="Only requests of this number: all that is kept of it.")
@click.option("--numbers", is_flag=True, help="Write numbers in full; otherwise the digits in the middle are hidden.")
@configuration_option
@json_flag
@pass_context
def export(context: Context, file: Path, days: int | None, number: str, numbers: bool, config: "Config") -> None:
    """Write the requests of the database into FILE, also while the daemon runs. For root, or the daemon's user.

    \b
    FILE.csv     a line for each delivery, for spreadsheets
    FILE.jsonl   a request in each line, with deliveries, checks and history

    No PIN is in it. Only the owner of FILE may read it; a FILE that is there is replaced.
    """
    from daemon.core.milliseconds import seconds
    from daemon.operations.exporting import Wanted
    from daemon.store.contract import StoreUnusable

    since = seconds(time.time() - days * DAY_S) if days is not None else seconds(0)
    wanted = Wanted(since, number, in_full=numbers)
    try:
        with read_only(config) as reading, _replaced(file) as out:
            count = (_csv if file.suffix == ".csv" else _jsonl)(reading, wanted, out)
    except StoreUnusable as exc:
        raise unusable(exc) from exc
    except OSError as exc:
        raise not_written(exc, file) from exc
    answer = {"file": str(file), "requests": count}
    context.show(answer, lambda: click.echo(f"wrote {count} request(s) into {file}"))


def _csv(reading: "Reading", wanted: "Wanted", out: TextIO) -> int:
    from daemon.operations.exporting import DELIVERY_FIELDS, REQUEST_FIELDS, lines, requests

    count, table = 0, csv.DictWriter(out, [*REQUEST_FIELDS, *DELIVERY_FIELDS])
    table.writeheader()
    with Rows() as progress:
        for request in requests(reading, wanted, progress.read):
            table.writerows(
                {name: spreadsheet_cell(value) for name, value in line.items()} for line in lines(request, wanted)
            )
            count += 1
    return count


def _jsonl(reading: "Reading", wanted: "Wanted", out: TextIO) -> int:
    from daemon.operations.exporting import document, requests

    count = 0
    with Rows() as progress:
        for request in requests(reading, wanted, progress.read):
            out.write(json.dumps(document(reading, request, wanted), ensure_ascii=False) + "\n")
            count += 1
    return count


@contextmanager
def _replaced(file: Path) -> Iterator[TextIO]:
    """A private file that gets its name at the end, when it is whole. Raises OSError."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
        new.rename(file)
    finally:
        new.unlink(missing_ok=True)
