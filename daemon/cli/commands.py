"""The group of commands: loads a command when it is called; what the daemon refuses has its exit codes.

The commands that need no daemon load most of it; those that only ask one must not wait for that.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from daemon.cli.command_list import PARTS, Listing
from daemon.client.connection import HttpProblem, Unreachable
from daemon.program import FAILED, Program

SAID_NO, UNREACHABLE = FAILED, 3

PLACES: Mapping[str, str] = {
    "alert": "daemon.cli.alert",
    "backup": "daemon.cli.backup",
    "call": "daemon.cli.call",
    "console": "daemon.cli.console",
    "demo": "daemon.cli.demo",
    "doctor": "daemon.cli.doctor",
    "events": "daemon.cli.events",
    "export": "daemon.cli.export",
    "forget": "daemon.cli.forget",
    "key": "daemon.cli.key",
    "modems": "daemon.cli.modems",
    "prompts": "daemon.cli.prompts.group",
    "report": "daemon.cli.report",
    "restore": "daemon.cli.backup",
    "setup": "daemon.cli.setup",
    "store": "daemon.cli.store",
    "top": "daemon.cli.top.command",
}
"""Commands that live in a module of their own, under their name there."""


class Commands(Program, Listing):
    """The top of `pinwheel`."""

    def parts(self, names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        return {title: tuple(name for name in wanted if name in names) for title, wanted in PARTS.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *PLACES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PLACES:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(PLACES[cmd_name]), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Unreachable as exc:
            raise _NotReached(str(exc)) from exc
        except HttpProblem as exc:
            raise click.ClickException(str(exc)) from exc


class _NotReached(click.ClickException):
    exit_code = UNREACHABLE
