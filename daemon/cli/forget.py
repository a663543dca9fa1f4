"""`pinwheel forget`: what the gateway knows of a number."""

from typing import Any

import click

from daemon.cli.commands import SAID_NO
from daemon.cli.context import SCREEN, Context, json_flag, pass_context, tell

FORGET_S = 600.0  # of a large database


@click.command()
@click.argument("number")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@json_flag
@pass_context
def forget(context: Context, number: str, yes: bool) -> None:
    """Remove NUMBER (international, such as +447700900123) from every file of the gateway; this cannot be undone.

    Its requests stay for the statistics, without the number and without IP addresses; its incoming messages are
    deleted. Refuses while a request of it is in progress. Backups that were made before still have it; those in the
    folder of the database are named. On PostgreSQL the answer says what else may. Exits 1 if the gateway refused, or
    if the number may still be in the write-ahead log of a SQLite file because somebody was reading: run it again.
    """
    if not yes:
        click.confirm("This cannot be undone. Forget the number?", abort=True, err=True)
    done = context.client.post("/v1/forget", timeout_s=FORGET_S, number=number)
    context.show(done, lambda: _forgotten(done))
    click.get_current_context().exit(0 if done["log_emptied"] or done["remains"] else SAID_NO)


def _forgotten(done: dict[str, Any]) -> None:
    lines = f"{done['history']} line(s) of history, {done['sent']} of the quota"
    click.echo(f"forgotten in {done['requests']} request(s), {lines}")
    copies = done.get("copies", ())  # none of a daemon that is older than this command
    tell(
        f"backups that were made before may still have the number{'; in the folder of the database:' if copies else ''}"
    )
    for copy in copies:
        tell(f"  {copy}")
    if done["remains"]:
        click.echo(click.wrap_text(f"it may still be elsewhere: {done['remains']}", SCREEN - 1))
    elif not done["log_emptied"]:
        click.echo("it may still be in the write-ahead log, which somebody was reading: run this again", err=True)
