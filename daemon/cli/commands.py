"""The group of commands: loads a command when it is called, and turns what goes wrong into one line and an exit code.

The commands that need no daemon load most of it; those that only ask one must not wait for that.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from daemon.client.connection import HttpProblem, Unreachable

SAID_NO, UNREACHABLE = 1, 3

PLACES: Mapping[str, str] = {
    "demo": "daemon.cli.demo",
    "key": "daemon.cli.key",
    "modems": "daemon.cli.modems",
    "prompts": "daemon.cli.prompts.group",
}
"""Commands that live in a module of their own, under their name there."""


class Commands(click.Group):
    """The top of `pinwheel`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *PLACES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PLACES:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(PLACES[cmd_name]), cmd_name)
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's, with our exit codes; with --json, what went wrong is JSON, too."""
        words = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
            sys.exit(code if isinstance(code, int) else 0)
        except (Unreachable, HttpProblem) as exc:
            _fail(click.ClickException(str(exc)), UNREACHABLE if isinstance(exc, Unreachable) else SAID_NO, words)
        except click.ClickException as exc:
            _fail(exc, exc.exit_code, words)
        except click.Abort:
            click.echo("stopped", err=True)
            sys.exit(SAID_NO)


def _fail(exc: click.ClickException, code: int, words: Sequence[str]) -> None:
    """Tell it on standard error, or as JSON where that was asked for; exits."""
    if "--json" in words:
        click.echo(json.dumps({"error": exc.format_message(), "exit_code": code}, ensure_ascii=False))
    elif isinstance(exc, click.UsageError):
        exc.show()
    else:
        click.echo(exc.format_message(), err=True)
    sys.exit(code)
