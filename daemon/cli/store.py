"""`pinwheel store`: a database copied into another one. For root or the databases' owner, with the daemon stopped."""

import contextlib
import os
from typing import TYPE_CHECKING

import click

from daemon.cli.command_list import Listing
from daemon.cli.configured import unusable
from daemon.cli.context import Context, json_flag, pass_context
from daemon.cli.progress import Rows

if TYPE_CHECKING:
    from daemon.store.copying import Side


@click.group(cls=Listing)
def store() -> None:
    """Move the database, say from SQLite to PostgreSQL; the daemon must be stopped."""


def _url(_: click.Context, __: click.Parameter, value: str) -> str:
    from urllib.parse import urlsplit

    from daemon.config.checks import database_url

    if wrong := database_url(value):
        raise click.BadParameter(wrong)
    if urlsplit(value).password:
        raise click.BadParameter("every user sees a password in a command; write it into a file, and name that")
    return value


def _password(_: click.Context, __: click.Parameter, value: str | None) -> str:
    """The password in a file, read before another user's rights are taken."""
    from drivers.named_files import Unreadable, own_secret

    try:
        return own_secret(value) if value else ""
    except Unreadable as exc:
        raise click.BadParameter(str(exc)) from None


@store.command()
@click.argument("source", metavar="FROM", callback=_url)
@click.argument("target", metavar="TO", callback=_url)
@click.option("--from-password-file", "source_password", callback=_password, help="Of a PostgreSQL database.")
@click.option("--to-password-file", "target_password", callback=_password, help="Of a PostgreSQL database.")
@json_flag
@pass_context
def copy(context: Context, source: str, target: str, source_password: str, target_password: str) -> None:
    """Copy all data from one database to another one, which must have none.

    FROM and TO are written as [store] url. A copy that was interrupted goes on where it stopped. At the end both are
    compared. The master key of the PINs is a file: it stays where it is. Then set [store] url, and start the daemon.
    """
    from daemon.config.checks import database_file
    from daemon.store.contract import StoreUnusable
    from daemon.store.copying import copy as copied

    path = database_file(source)
    try:
        _be_the_owner(source, target)
        if path is not None and not path.exists():
            raise click.ClickException(f"there is no database {path}")
        with contextlib.ExitStack() as opened:
            sides: list[Side] = []
            for url, password in ((source, source_password), (target, target_password)):
                sides.append(_opened(url, password))
                opened.callback(sides[-1].close)
            with Rows() as progress:
                counts = copied(sides[0], sides[1], progress.copied)
    except StoreUnusable as exc:
        raise unusable(exc) from exc
    context.show({"rows": counts}, lambda: _say(counts))


def _say(counts: dict[str, int]) -> None:
    copied = ", ".join(f"{count} of {table}" for table, count in counts.items())
    click.echo(f"copied and compared: {copied}")
    click.echo("next: set [store] url, and keep the master key where it is or set [security] key_file")


def _be_the_owner(*urls: str) -> None:
    """As root: of the directory of a SQLite file, so that the daemon can use what is written. Raises StoreUnusable."""
    from daemon.config.checks import database_file
    from daemon.operations.check_config import NoSuchUser, become_owner
    from daemon.store.contract import StoreUnusable

    folders = [path.parent for path in map(database_file, urls) if path is not None]
    try:
        if os.geteuid() == 0 and folders:
            become_owner(folders[-1])
    except (OSError, NoSuchUser) as exc:
        raise StoreUnusable(f"cannot use {folders[-1]}: {getattr(exc, 'strerror', None) or exc}") from exc


def _opened(url: str, password: str) -> "Side":
    """Raises StoreUnusable."""
    from daemon.config.checks import database_file

    path = database_file(url)
    if path is not None:
        from daemon.store.sqlite.copying_tables import SqliteTables

        return SqliteTables(path)
    from daemon.store.contract import StoreUnusable
    from daemon.store.postgres.address import NO_LIBRARY, Address

    try:
        from daemon.store.postgres.copying_tables import PostgresTables
    except ImportError:
        raise StoreUnusable(NO_LIBRARY) from None
    return PostgresTables(Address.of(url, password))
