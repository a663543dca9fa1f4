"""`pinwheel key`: another master key of the PINs, when the old one is lost. For root, with the daemon stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from daemon.cli.configured import configuration_option, unusable
from daemon.cli.context import Context, json_flag, pass_context

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.masterkey import Place
    from daemon.store.store import Store


@click.group()
def key() -> None:
    """Replace the master key of the PINs; the daemon must be stopped.

    The key lies beside the database, or where [security] key_file says. Back it up with the database: without it, no
    PIN that was sent can be checked.
    """


@key.command()
@click.option(
    "--force",
    is_flag=True,
    help="Make the PINs that live requests have sent invalid, and keep the old key under another name.",
)
@configuration_option
@json_flag
@pass_context
def new(context: Context, force: bool, config: "Config") -> None:
    """Make a new key; refuses if there is a key, or if live requests need the one that is missing."""
    from daemon import masterkey

    with _opened(config) as (store, place):
        live, there = store.reading.live(), place.path.exists()
        if there and not force:
            raise click.ClickException(f"there is a key at {place.path}; --force sets it aside and makes another")
        if live and not force:
            raise click.ClickException(
                f"{live} live request(s) need the key that is missing: restore it, or use --force"
            )
        aside = masterkey.set_aside(place.path)
        masterkey.make(place.path)
        store.set_meta(masterkey.META, masterkey.identity(masterkey.read_key(place.path, private=True)))
    kept = str(aside or "")
    answer = {"key": str(place.path), "old_key": kept, "live_requests": live}
    context.show(answer, lambda: _say(str(place.path), kept, live))


def _say(path: str, kept: str, live: int) -> None:
    click.echo(f"made the master key {path}; back it up with the database")
    if kept:
        click.echo(f"the old one is {kept}; delete it once nothing needs it")
    if live:
        click.echo(f"the PINs that {live} live request(s) have sent are no longer valid; their next ones are")


@key.command()
@configuration_option
@json_flag
@pass_context
def adopt(context: Context, config: "Config") -> None:
    """Use the key that is there, although live requests need another: their PINs become invalid."""
    from daemon import masterkey

    with _opened(config) as (store, place):
        live = store.reading.live()
        store.set_meta(masterkey.META, "")
    answer = {"key": str(place.path), "live_requests": live}
    context.show(answer, lambda: click.echo("the next start uses the key that is there"))


@contextmanager
def _opened(config: "Config") -> "Iterator[tuple[Store, Place]]":
    """The database and the place of the key, as the user whose they are; raises ClickException."""
    from daemon import masterkey
    from daemon.operations.checking import NoSuchUser, become_owner
    from daemon.store.contract import StoreUnusable
    from daemon.store.opening import database_of
    from daemon.store.store import Store

    state = config.store.directory
    try:
        store = Store(database_of(config.store))
        become_owner(state)
        store.open()
    except (OSError, NoSuchUser) as exc:
        raise click.ClickException(
            f"cannot use {state}: {getattr(exc, 'strerror', None) or exc}; run it as root"
        ) from exc
    except StoreUnusable as exc:
        raise unusable(exc) from exc
    try:
        yield store, masterkey.place(config.security.key_file, state)
    except (OSError, masterkey.KeyUnusable, StoreUnusable) as exc:
        raise click.ClickException(str(exc)) from exc
    finally:
        store.close()
