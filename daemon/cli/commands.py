"""What goes wrong in a program becomes one line and an exit code; `pinwheel` loads a command when it is called.

The commands that need no daemon load most of it; those that only ask one must not wait for that.
"""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from daemon.cli.output import written_out
from daemon.client.connection import HttpProblem, Unreachable

SAID_NO, UNREACHABLE = 1, 3

PLACES: Mapping[str, str] = {
    "demo": "daemon.cli.demo",
    "key": "daemon.cli.key",
    "modems": "daemon.cli.modems",
    "prompts": "daemon.cli.prompts.group",
}
"""Commands that live in a module of their own, under their name there."""


class Program(click.Command):
    """A command that ends in our exit codes, whatever goes wrong; with --json, that is told as JSON, too."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's."""
        words = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        with written_out():
            code = self._exit_code(words, prog_name, complete_var, **extra)
        sys.exit(code)

    def _exit_code(self, words: list[str], prog_name: str | None, complete_var: str | None, **extra: Any) -> int:
        try:
            code = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
            return code if isinstance(code, int) else 0
        except (Unreachable, HttpProblem) as exc:
            code = UNREACHABLE if isinstance(exc, Unreachable) else SAID_NO
            _show(click.ClickException(str(exc)), words, code)
        except click.ClickException as exc:
            code = exc.exit_code
            _show(exc, words, code)
        except click.Abort:
            code = SAID_NO
            _show(click.ClickException("stopped"), (), code)
        return code

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with written_out():  # --help is printed here; click itself would exit with 1 where the reader has left
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with written_out():
            return super().invoke(ctx)


class Commands(Program, click.Group):
    """The top of `pinwheel`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *PLACES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PLACES:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(PLACES[cmd_name]), cmd_name)
        return command


def _show(exc: click.ClickException, words: Sequence[str], code: int) -> None:
    """Print what went wrong on standard error, or as JSON where that was asked for."""
    if "--json" in words:
        click.echo(json.dumps({"error": exc.format_message(), "exit_code": code}, ensure_ascii=False))
        return
    with contextlib.suppress(OSError):  # of standard error: the exit code tells as well
        if isinstance(exc, click.UsageError):
            exc.show()
        else:
            click.echo(exc.format_message(), err=True)
