"""What every command that speaks to the daemon needs."""

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.commands import SAID_NO
from daemon.client import Client


class Context:
    """What every command needs: the client, and how to print."""

    def __init__(self, socket: Path, as_json: bool) -> None:
        self.client = Client(socket)
        self.as_json = as_json

    def show(self, document: Any, human: Callable[[], None]) -> None:
        """Print the document as JSON if that was asked for, else for people."""
        if self.as_json:
            click.echo(json.dumps(document, ensure_ascii=False))
        else:
            human()

    def answer(self, document: dict[str, Any], human: Callable[[], None]) -> None:
        """As `show`, for an answer of the Verify API; exits 1 when the gateway said no."""
        if document.get("status") == "0":
            self.show(document, human)
            return
        said_no = f"refused (status {document.get('status')}): {document.get('error_text')}"
        self.show(document, lambda: click.echo(said_no, err=True))
        click.get_current_context().exit(SAID_NO)


STEERING = frozenset({"Cc", "Cs", "Zl", "Zp"})  # general categories: controls, surrogates, ends of lines
DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # embeddings, overrides, isolates


def tell(*lines: str) -> None:
    """Print lines for people. What others wrote, say in an SMS, can neither break them nor steer the terminal."""
    for line in lines:
        steers = (unicodedata.category(each) in STEERING or each in DIRECTION for each in line)
        click.echo("".join("\N{REPLACEMENT CHARACTER}" if s else each for s, each in zip(steers, line, strict=True)))


pass_context = click.make_pass_decorator(Context)


def json_flag(command: Callable[..., Any]) -> Callable[..., Any]:
    """--json behind the command, too."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        context = ctx.find_object(Context)
        if value and context is not None:
            context.as_json = True

    option = click.option("--json", is_flag=True, expose_value=False, callback=remember, help="Print JSON.")
    return option(command)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print aligned columns under their names."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(name), *(len(line[i]) for line in lines)]) for i, name in enumerate(columns)]
    for line in [[name.replace("_", " ").upper() for name in columns], *lines]:
        tell("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
