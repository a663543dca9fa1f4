"""`pinwheel alert`: alerts to operators by SMS or call."""

from typing import Any

import click

from daemon.cli.command_list import Listing
from daemon.cli.context import Context, json_flag, pass_context, table, tell

ACT_S = 300.0  # a message to each number


@click.group(cls=Listing, invoke_without_command=True)
@json_flag
@pass_context
@click.pass_context
def alert(ctx: click.Context, context: Context) -> None:
    """Alerts to operators by SMS or call, as [alert] says.

    \b
    pinwheel alert          trouble that there is, since when, and alerts of it
    pinwheel alert ack      I know: no more alerts of it until it is over
    pinwheel alert test     send a message to each number now
    """
    if ctx.invoked_subcommand is None:
        found = context.client.get("/v1/alert")
        context.show(found, lambda: _show(found))


@alert.command()
@json_flag
@pass_context
def ack(context: Context) -> None:
    """Say that you know: no more alerts of what there is, until it is over and comes back."""
    found = context.client.post("/v1/alert/ack")
    context.show(found, lambda: click.echo(f"acknowledged {len(found['troubles'])} trouble(s)"))


@alert.command()
@json_flag
@pass_context
def test(context: Context) -> None:
    """Send a message to each number now, by an SMS or else by a call; exits 1 if one was not reached."""
    found = context.client.post("/v1/alert/test", timeout_s=ACT_S)
    context.show(found, lambda: click.echo(f"sent to {', '.join(found['numbers'])}"))


def _show(found: dict[str, Any]) -> None:
    tell(f"numbers   {', '.join(found['numbers']) or 'none: set [alert] numbers'}")
    if not found["troubles"]:
        click.echo("trouble   none")
        return
    table(("since", "alert", "text"), map(_row, found["troubles"]), flexible=("text",))


def _row(trouble: dict[str, Any]) -> tuple[str, str, str]:
    alert = "acknowledged" if trouble["acknowledged"] else trouble["alerted"] or "not yet"
    return (trouble["since"], alert, trouble["text"])
