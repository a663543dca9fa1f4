"""`pinwheel report`: what became of the requests of some days.

It reads the database itself, as `export` does: neither the daemon's loop nor its threads do anything for it, and it
works while the daemon is stopped.
"""

import csv
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.configured import configuration_option, read_only, unusable
from daemon.cli.context import SCREEN, Context, json_flag, pass_context, table, tell
from daemon.cli.output_files import not_written, spreadsheet_cell
from daemon.cli.progress import Rows
from daemon.cli.screen import wrapped
from daemon.operations.wording import channel_word, span
from daemon.resources import how_to_install

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.core.milliseconds import Ms
    from daemon.core.model import Request
    from daemon.operations.report import Figures, Report
    from daemon.store.contract import Reading

DAY_S, PAGE = 86_400, 500
PAUSE_S = 0.005  # after each page: the daemon has the disk and the processor first
TOP = 15  # rows of a table
BAR, NAME = 20, 13  # characters of the longest, and of the name of a line
FIELDS = ("section", "name", "requests", "verified", "rate", "median_s", "p95_s")


def _picture(_: click.Context, parameter: click.Parameter, file: Path | None) -> Path | None:
    if file is not None and file.suffix != f".{parameter.name}":
        raise click.BadParameter(f"the name must end in .{parameter.name}")
    return file


def _file(name: str, help: str) -> Callable[..., Any]:
    return click.option(f"--{name}", callback=_picture, type=click.Path(dir_okay=False, path_type=Path), help=help)


@click.command()
@click.option("--days", type=click.IntRange(1, 36_500), default=30, show_default=True, help="Of the last so many days.")
@_file("csv", "Write the figures into this file, for spreadsheets.")
@_file("svg", "Draw them into this file.")
@_file("png", "The same as PNG.")
@configuration_option
@json_flag
@pass_context
def report(context: Context, days: int, csv: Path | None, svg: Path | None, png: Path | None, config: "Config") -> None:
    """What became of the requests of the last days. For root, or the daemon's user; the daemon may run, or not.

    Conversion (verified of all that ended) by channel, country, hour and workflow; the time to the right code; messages
    and call seconds; why deliveries failed. A request counts for the channel of its last delivery, at the local hour
    of its start. What was deleted ([retention]) is not in it: it says since when there are data.
    """
    from daemon.store.contract import StoreUnusable

    try:
        with read_only(config) as reading:
            found = _reckoned(reading, time.time() - days * DAY_S, [modem.name for modem in config.modem])
        if csv is not None:
            _write(found, csv)
        for picture in filter(None, (svg, png)):
            _draw(found, days, picture)
    except StoreUnusable as exc:
        raise unusable(exc) from exc
    except OSError as exc:
        raise not_written(exc, csv, svg, png) from exc
    document = {"days": days, "since": _since(found), **found.document()}
    context.show(document, lambda: _tell(found, days))


# --- the figures -------------------------------------------------------------------------------------------


def _reckoned(reading: "Reading", since_s: float, modems: list[str]) -> "Report":
    """Raises StoreUnusable."""
    from daemon.core.milliseconds import in_seconds, seconds
    from daemon.operations.report import Reckoning

    since = seconds(since_s)
    reckoning = Reckoning(lambda at: datetime.fromtimestamp(in_seconds(at)).hour, _country)
    devices = {*modems}
    with Rows() as progress:
        for request in _requests(reading, since, progress.read):
            reckoning.add(request)
            devices.update(attempt.device for attempt in request.attempts if attempt.channel == "sms")
    parts = {name: len(reading.sent_by(name, since)) for name in sorted(filter(None, devices))}
    return reckoning.report(parts)


def _requests(reading: "Reading", since: "Ms", read: Callable[[int], None]) -> "Iterator[Request]":
    """Those since a time, page by page, each a short look into the database."""
    from daemon.operations.report import first_since

    def of_next(row: int) -> "tuple[int, Ms] | None":
        return next(((row, request.created_at) for row, request in reading.after(row, 1)), None)

    row, seen = first_since(since, of_next), 0
    while page := reading.after(row, PAGE):
        yield from (request for _, request in page if request.created_at >= since)
        row, seen = page[-1][0], seen + len(page)
        read(seen)
        time.sleep(PAUSE_S)


def _country(number: str) -> str:
    """By the prefix of the number: countries that share one are counted as one."""
    return _of_prefix(number[:3]) if number.isdecimal() else "number deleted"


@cache
def _of_prefix(digits: str) -> str:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    for length in (1, 2, 3):
        regions = COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length] or 0))
        if regions:
            return f"{regions[0]}{', ...' if len(regions) > 1 else ''} (+{digits[:length]})"
    return "unknown"


# --- for people --------------------------------------------------------------------------------------------


def _since(found: "Report") -> str:
    from daemon.clock import zoned_text

    return zoned_text(found.first_at)


def _tell(found: "Report", days: int) -> None:
    tell(f"The last {days} days; the first request of them is of {_since(found) or '(there is none)'}.")
    ended = ", ".join(f"{count} {status.lower()}" for status, count in found.statuses.items() if count)
    times = f"after {_seconds(found.all.median_s)} (median), {_seconds(found.all.p95_s)} (95 % of them)"
    for name, text in (
        ("requests", f"{found.all.requests} have ended: {ended or 'none'}; {found.in_progress} in progress"),
        ("right code", times),
        ("messages", f"{found.messages}; SMS charged to the SIMs (parts and tests too): {_parts(found)}"),
        ("calls", f"{found.calls} answered, {span(found.talked_s)} ({found.talked_s:.0f} s) talked"),
    ):
        first, *more = wrapped(text, SCREEN - NAME)
        tell(f"{name:{NAME}}{first}", *(" " * NAME + line for line in more))
    sections = (("channel", found.channels), ("country", found.countries), ("workflow", found.workflows))
    for name, groups in (*sections, ("hour", found.hours)):
        _table(name, groups)
    if found.causes:
        click.echo()
        causes = [(_with_channel(cause), count) for cause, count in found.causes.items()]
        table(("deliveries", "cause"), [(count, cause) for cause, count in causes[:TOP]], flexible=("cause",))
        _more(causes)


def _with_channel(cause: str) -> str:
    """For people."""
    channel, space, rest = cause.partition(" ")
    return channel_word(channel) + space + rest


def _table(name: str, groups: "Mapping[str, Figures]") -> None:
    """Hours in their order, everything else by size."""
    by_size = sorted(groups.items(), key=lambda item: -item[1].requests)
    shown = [*groups.items()] if name == "hour" else by_size[:TOP]
    if not shown:
        return
    most = max(each.requests for each in groups.values())
    rows = [
        (
            channel_word(key),
            each.requests,
            each.verified,
            f"{each.rate or 0:.0%}",
            _seconds(each.median_s),
            _seconds(each.p95_s),
            "#" * max(round(BAR * each.requests / most), 1),
        )
        for key, each in shown
    ]
    click.echo()
    table((name, "requests", "verified", "rate", "median", "95_% in", "how many"), rows, flexible=(name,))
    if name != "hour":
        _more(by_size)


def _more(rows: list[Any]) -> None:
    if len(rows) > TOP:
        click.echo(f"and {len(rows) - TOP} more: --json and --csv have all")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _parts(found: "Report") -> str:
    return ", ".join(f"{name} {count}" for name, count in found.parts.items()) or "none"


# --- files -------------------------------------------------------------------------------------------------


def _write(found: "Report", file: Path) -> None:
    """A line for each figure. Raises OSError."""
    with file.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(FIELDS)
        for section in ("channels", "countries", "hours", "workflows"):
            for name, each in getattr(found, section).items():
                lines.writerow(map(spreadsheet_cell, (section, name, *each)))
        for section, counts in (("causes", found.causes), ("parts", found.parts), ("statuses", found.statuses)):
            lines.writerows((section, spreadsheet_cell(name), count) for name, count in counts.items())


def _draw(found: "Report", days: int, file: Path) -> None:
    """Raises OSError."""
    try:
        from daemon.cli.chart import draw
    except ImportError as exc:
        raise click.ClickException(f"this needs {exc.name}; {how_to_install('plot')}") from exc
    draw(found, f"Pinwheel: the last {days} days", file)
