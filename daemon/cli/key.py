"""`pinwheel key`: another master key of the PINs, by rotation or because the old one is lost. For root."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from daemon.cli.command_list import Listing
from daemon.cli.configured import configuration_option, unusable
from daemon.cli.context import Context, json_flag, pass_context

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.master_key import Known
    from daemon.master_key_files import KeyPlace
    from daemon.store.store import Store


@click.group(cls=Listing)
def key() -> None:
    """Replace the master key of the PINs.

    The key lies beside the database, or where [security] key_file says. Back it up with the database: without it, no
    PIN that was sent can be checked.
    """


@key.command()
@configuration_option
@json_flag
@pass_context
def rotate(context: Context, config: "Config") -> None:
    """Put a new key in the place of the one that is there; no live request is lost. The daemon may run.

    The next start of the daemon uses the new key. Requests that began before go on under the old one, which stays
    beside the new one (KEY.old) until the last of them has ended; the daemon deletes it then. For a key that systemd
    passes as a credential, see docs/data.md.
    """
    from daemon import master_key_files
    from daemon.config.probing import key_place
    from daemon.operations.check_config import NoSuchUser, become_owner

    place = key_place(config)
    try:
        known = _known(config)
        become_owner(place.path.parent)  # root does not write where the daemon's user may put links
        _refuse_rotation(place, known)
        master_key_files.rotate(place)
    except (master_key_files.KeyUnusable, NoSuchUser) as exc:
        raise click.ClickException(str(exc)) from exc
    except OSError as exc:
        raise click.ClickException(f"cannot write {exc.filename}: {exc.strerror}; run it as root") from exc
    answer = {"key": str(place.path), "old_key": str(place.old)}
    context.show(answer, lambda: _rotated(place))


def _rotated(place: "KeyPlace") -> None:
    click.echo(f"made the master key {place.path}; back it up with the database")
    end = "the daemon deletes it" if place.ours else "the daemon logs key=unneeded"
    click.echo(f"the old one is {place.old}; {end} when nothing needs it any more")
    click.echo("to use the new one: systemctl restart pinwheel")


def _refuse_rotation(place: "KeyPlace", known: "Known") -> None:
    """Raises KeyUnusable where the key is not the one in use, or the place of the old key is taken."""
    from daemon import master_key, master_key_files

    current, old = master_key_files.read_key(place.path, private=place.private), master_key_files.read_old_key(place)
    keys = master_key.judged(place, known, current, old)
    if keys.number > known.number:
        raise master_key_files.KeyUnusable(
            "the key was rotated, and the daemon has not used it yet: systemctl restart pinwheel"
        )
    if keys.old is not None:
        raise master_key_files.KeyUnusable(
            f"{known.old_live} live request(s) need the key before the one in use: wait for their end, and try again"
        )


def _known(config: "Config") -> "Known":
    """What the database knows, also while a daemon runs; nothing before there is one. Raises ClickException.

    Where it cannot be read, nobody knows whether the key that is there is in use: another one may be needed.
    """
    from daemon import master_key
    from daemon.cli.configured import read_only
    from daemon.store.contract import StoreUnusable

    try:
        if config.store.path is not None and not config.store.path.exists():
            return master_key.Known()
        with read_only(config) as reading:
            return master_key.known_by(reading).counted()
    except OSError as exc:
        raise click.ClickException(f"cannot use [store] url: {exc.strerror or exc}; run it as root") from exc
    except StoreUnusable as exc:
        raise unusable(exc) from exc


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
    """Make a new key, with the daemon stopped.

    Refuses if there is a key, or if live requests need the one that is missing.
    """
    from daemon import master_key, master_key_files

    with _opened(config) as (store, place):
        live, there = store.reading.live(), place.path.exists()
        if there and not force:
            raise click.ClickException(f"there is a key at {place.path}; --force sets it aside and makes another")
        if live and not force:
            raise click.ClickException(
                f"{live} live request(s) need the key that is missing: restore it, or use --force"
            )
        aside = master_key_files.set_aside(place.path)
        master_key_files.set_aside(place.old)  # it may be the one in use, where the daemon has not used a rotation yet
        master_key_files.make(place.path)
        made = master_key_files.read_key(place.path, private=True)
        store.set_meta({master_key.ID: master_key.identity(made), master_key.OLD_ID: ""})
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
    """Use the key that is there, although live requests need another: their PINs become invalid.

    The daemon must be stopped.
    """
    from daemon import master_key

    with _opened(config) as (store, place):
        live = store.reading.live()
        store.set_meta({master_key.ID: "", master_key.OLD_ID: ""})
    answer = {"key": str(place.path), "live_requests": live}
    context.show(answer, lambda: click.echo("the next start uses the key that is there"))


@contextmanager
def _opened(config: "Config") -> "Iterator[tuple[Store, KeyPlace]]":
    """The database and the place of the key, as the user whose they are; raises ClickException."""
    from daemon import master_key_files
    from daemon.config.probing import key_place
    from daemon.operations.check_config import NoSuchUser, become_owner
    from daemon.store.contract import StoreUnusable
    from daemon.store.database_kinds import database_of
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
        yield store, key_place(config)
    except (OSError, master_key_files.KeyUnusable, StoreUnusable) as exc:
        raise click.ClickException(str(exc)) from exc
    finally:
        store.close()
