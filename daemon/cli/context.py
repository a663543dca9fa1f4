"""What every command that speaks to the daemon needs."""

import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click

from daemon.cli.commands import SAID_NO
from daemon.cli.screen import clean, width_of
from daemon.client.connection import Client
from daemon.program import COLUMNS


class Context:
    """What every command needs: the client, and how to print."""

    def __init__(self, socket: Path, as_json: bool) -> None:
        self.socket = socket
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


SCREEN, LEAST_COLUMN = COLUMNS, 8


def tell(*lines: str) -> None:
    """Print lines for people. What others wrote, say in an SMS, can neither break them nor steer the terminal."""
    for line in lines:
        click.echo(clean(line))


pass_context = click.make_pass_decorator(Context)


def json_flag(command: Callable[..., Any]) -> Callable[..., Any]:
    """--json behind the command, too."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        context = ctx.find_object(Context)
        if value and context is not None:
            context.as_json = True

    option = click.option("--json", is_flag=True, expose_value=False, callback=remember, help="Print JSON.")
    return option(command)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], flexible: Sequence[str] = ()) -> None:
    """Print aligned columns under their names, 80 characters wide if the flexible ones, whose texts wrap, allow it."""
    lines = [[str(cell) for cell in row] for row in rows]
    natural = [_width([name, *(line[i] for line in lines)]) for i, name in enumerate(columns)]
    widths = fitted(natural, [name in flexible for name in columns])
    for line in [[name.replace("_", " ").upper() for name in columns], *lines]:
        for parts in zip_longest(*map(_wrapped, line, widths), fillvalue=""):
            tell("  ".join(_filled(part, width) for part, width in zip(parts, widths, strict=True)).rstrip())


def fitted(natural: Sequence[int], flexible: Sequence[bool]) -> list[int]:
    """Widths of columns that fit the screen: the widest of the flexible ones give way, down to LEAST_COLUMN each."""
    widths = list(natural)
    while sum(widths) + 2 * (len(widths) - 1) > SCREEN:
        wide = [i for i, may in enumerate(flexible) if may and widths[i] > LEAST_COLUMN]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _width(cells: Iterable[str]) -> int:
    return max(width_of(part) for cell in cells for part in cell.splitlines() or [""])


def _filled(part: str, width: int) -> str:
    return part + " " * (width - width_of(part))


def _wrapped(cell: str, width: int) -> list[str]:
    """The lines of a cell."""
    return [part for line in cell.splitlines() for part in textwrap.wrap(line, width) or [""]]
