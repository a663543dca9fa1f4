"""`pinwheel console`: a link to the web console."""

from pathlib import Path

import click

from daemon.cli.context import Context, json_flag, pass_context

LOCAL_PORT = 8791


@click.command()
@json_flag
@pass_context
def console(context: Context) -> None:
    """Print a link that opens the web console in a browser once, within two minutes.

    [api] console must be true. From another machine, let ssh lead a port to the gateway first.
    """
    made = context.client.post("/v1/console/link")
    context.show(made, lambda: _say(made["path"], made["listeners"], context.socket))


def _say(path: str, listeners: list[str], socket: Path) -> None:
    for listener in listeners:
        click.echo(f"on this machine    {listener}{path}")
    click.echo(f"from another one   ssh -N -L {LOCAL_PORT}:{socket} GATEWAY")
    click.echo(f"                   http://localhost:{LOCAL_PORT}{path}")
