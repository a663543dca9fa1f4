"""`pinwheel events`: what has happened, for people, or as JSON for programs."""

import shutil
import sys
from collections.abc import Mapping
from typing import Any

import click

from daemon.cli.choosing import Choice
from daemon.cli.context import Context, json_flag, pass_context, tell
from daemon.cli.localtime import clock_of, local
from daemon.cli.screen import wrapped
from daemon.operations.wording import OF_A_DELIVERY, OF_A_REQUEST, words

ID = 32  # characters
BEFORE = 8 + 2 + ID + 2  # columns in front of the words
LOOK_BACK = 10_000  # events that are searched for those that are wanted
LEAST_WORDS = 30  # columns of the words: where they have fewer, they stand below
KINDS = sorted({*OF_A_DELIVERY, *OF_A_REQUEST})


@click.command()
@click.option("--follow", is_flag=True, help="Stay and print what happens; goes on after a restart of the daemon.")
@click.option("--last", type=click.IntRange(0), default=20, show_default=True, help="Begin with this many past events.")
@click.option("--modem", "device", metavar="NAME", help="Only what this modem sends and receives; voice: the trunk.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind, as --json names it; repeatable.")
@click.option("--request", "request_id", metavar="ID", help="Only those of this request.")
@json_flag
@pass_context
def events(
    context: Context, follow: bool, last: int, device: str | None, kinds: tuple[str, ...], request_id: str | None
) -> None:
    """What has happened, one event a line, at the local time; `show ID` takes the ids.

    --modem, --kind and --request look at the newest {back} events, and print the --last of those that they want. With
    --json each line is an object of its own. With --follow it waits while the daemon is away, and then goes on where it
    was: no event is lost or printed twice. KINDs: {kinds}.
    """
    choice, diary = Choice(kinds, request_id, device), Diary()
    position, lines = context.client.newest(last if choice.everything else LOOK_BACK)
    found = choice.newest(lines, last)
    for line in found:
        context.show(line, lambda line=line: diary.write(line))  # type: ignore[misc]
    if not (found or follow or choice.everything):
        click.echo(f"none of the newest {len(lines)} events is such a one", err=True)
    for line in context.client.followed(position, _noted) if follow else ():
        if choice.wants(line):
            context.show(line, lambda line=line: diary.write(line))  # type: ignore[misc]


events.help = str(events.help).format(back=f"{LOOK_BACK:,}", kinds=", ".join(KINDS))


def _noted(problem: str) -> None:
    """The daemon has gone away, or ("") is back."""
    click.echo(f"{problem}; trying again" if problem else "the daemon answers again", err=True)


class Diary:
    """Lines for people, under the date of their day."""

    def __init__(self) -> None:
        self._day = ""
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def write(self, line: Mapping[str, Any]) -> None:
        at = local(str(line["at"]))
        day = f"{at:%Y-%m-%d} (local times, UTC{at.isoformat()[-6:]})" if at is not None else self._day
        if day != self._day:
            self._day = day
            click.echo(day)
        tell(*entry(line, self._width))


def entry(line: Mapping[str, Any], width: int | None) -> list[str]:
    """A line of history as lines of so many columns; None: as one line."""
    begin, said = f"{clock_of(str(line['at'])):8}  {line['request_id']:{ID}}  ", words(line)
    if width is None:
        return [begin + said]
    if width < BEFORE + LEAST_WORDS:
        return [begin.rstrip(), *(f"          {part}" for part in wrapped(said, max(width - 10, 2)))]
    first, *rest = wrapped(said, width - BEFORE)
    return [begin + first, *(" " * BEFORE + part for part in rest)]
