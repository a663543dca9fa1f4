"""`pinwheel top`."""

import sys
from dataclasses import replace

import click

from daemon.cli.context import SCREEN, Context, json_flag, pass_context

EVENTS = 10  # of --once


@click.command()
@click.option("--once", is_flag=True, help="Print what there is now, and end; also where there is no terminal.")
@json_flag
@pass_context
def top(context: Context, once: bool) -> None:
    """Watch the gateway: its health, modems, calls under way, queues, rates, and the last events (numbers masked).

    \b
    q quit   p pause   s sort the modems   / show only what has a text
    arrows: choose a modem, the trunk or a call   Enter: all about it

    While the daemon does not answer, it shows what was known last, how old that is, and tries again each second.
    With --json it prints one snapshot.
    """
    from daemon.cli.top import frame, terminal  # late: it loads what only a terminal needs
    from daemon.cli.top.reading import Reader

    reader = Reader(context.client)
    if context.as_json:
        context.show(reader.documents(), lambda: None)
    elif once or not terminal.interactive():
        seen = reader.read()
        width = terminal.size().width if sys.stdout.isatty() else SCREEN
        for line in frame.once(replace(seen, happened=seen.happened[-EVENTS:]), width):
            click.echo(line)
    else:
        click.get_current_context().exit(terminal.watch(reader.look))
