"""The list of commands in `--help`: each with the first clause of its help, whole, where click would cut it."""

import inspect
import re
from collections.abc import Mapping

import click

PARTS: Mapping[str, tuple[str, ...]] = {
    "Verify": ("start", "check", "next", "cancel", "show", "list"),
    "Set up": ("setup", "demo", "reload", "prompts", "console"),
    "Watch": ("status", "doctor", "top", "events", "report"),
    "Devices": ("modems", "call", "alert"),
    "Data": ("backup", "restore", "export", "forget", "key", "store"),
}
"""The commands of `pinwheel` by what they are for, in the order in which they are needed."""


def summary(command: click.Command) -> str:
    """The first clause of its help, whole."""
    first = " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())
    return re.split(r"[.;](?: |$)", first, maxsplit=1)[0]


class Listing(click.Group):
    """A group whose list of commands is cut nowhere."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = {name: summary(command) for name, command in commands.items() if command and not command.hidden}
        width = max(map(len, rows), default=0)
        for title, names in self.parts(tuple(rows)).items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), rows[name]) for name in names])

    def parts(self, names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        """What stands together, under which title."""
        return {"Commands": names}
