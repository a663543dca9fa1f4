"""For the commands that need no daemon: --config, and what is said of a database that cannot be used."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.resources import DEFAULT_CONFIG

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.store.contract import Reading


def _loaded(_: click.Context, __: click.Parameter, path: Path | None) -> "Config":
    """The configuration; its defaults where there is no file."""
    from daemon.config import Config, ConfigErrors, load  # late: most commands need none

    if path is None and not os.path.exists(DEFAULT_CONFIG):
        return Config()
    try:
        return load(path or DEFAULT_CONFIG)
    except ConfigErrors as exc:
        raise click.ClickException(str(exc)) from exc


def configuration_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--config FILE, loaded."""
    option = click.option(
        "--config",
        callback=_loaded,
        type=click.Path(dir_okay=False, readable=False, path_type=Path),
        help=f"The configuration file; default: {DEFAULT_CONFIG}.",
    )
    return option(command)


def unusable(exc: Exception) -> click.ClickException:
    """Why a command cannot do its work on the database; with the remedy, where a daemon has it."""
    stop = "; first: systemctl stop pinwheel.socket pinwheel" if "another pinwheeld" in str(exc) else ""
    return click.ClickException(f"{exc}{stop}")


@contextmanager
def read_only(config: "Config") -> "Iterator[Reading]":
    """The database, which stays as it is. Raises StoreUnusable or OSError."""
    from daemon.store.database_kinds import database_of

    if config.store.path is None:
        with closing(database_of(config.store).reader()) as reading:
            yield reading
        return
    from daemon.store.sqlite.backup import as_it_is
    from daemon.store.sqlite.reading import SqliteReading

    with as_it_is(config.store.path) as db:
        yield SqliteReading(db)
