"""`pinwheel backup` and `pinwheel restore`, for SQLite. PostgreSQL has pg_dump."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from daemon.cli.configured import configuration_option, unusable
from daemon.cli.context import Context, json_flag, pass_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.config import Config
    from daemon.masterkey import Place

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--key", "key_file", type=FILE, help="Copy the master key into this file, too; keep the two apart.")
@configuration_option
@json_flag
@pass_context
def backup(context: Context, file: Path, key_file: Path | None, config: "Config") -> None:
    """Copy the database into FILE, also while the daemon runs. For root, or the daemon's user.

    FILE is checked, and has everything that was answered before. It holds phone numbers; without the master key nobody
    can find a PIN by it. A FILE that is there is replaced.
    """
    from daemon.store.sqlite.backup import back_up

    with _troubles():
        octets = back_up(_database(config), file.absolute())
        if key_file is not None:
            _copy_key(_place(config), key_file)
    answer = {"file": str(file), "octets": octets, "key": str(key_file or "")}
    context.show(answer, lambda: _saved(file, octets, key_file))


def _saved(file: Path, octets: int, key_file: Path | None) -> None:
    click.echo(f"saved {file} ({octets / 1e6:.1f} MB), and checked it")
    if key_file is not None:
        click.echo(f"saved the master key in {key_file}; keep it apart from the backup")


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--key", "key_file", type=click.File("rb"), help="The master key of the backup, to be used from now on.")
@configuration_option
@json_flag
@pass_context
def restore(context: Context, file: BinaryIO, key_file: BinaryIO | None, config: "Config") -> None:
    """Replace the database by the backup FILE; the daemon must be stopped. For root.

    The database that was there is kept under another name. Refuses a FILE that is damaged or of a newer Pinwheel, and
    one whose live requests were started with another master key: give that one with --key.
    """
    from daemon import masterkey
    from daemon.operations.checking import become_owner
    from daemon.store.sqlite.backup import put_in_place, taking_over

    database, place, key = _database(config), _place(config), key_file.read() if key_file else None
    with _troubles():
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        become_owner(database.parent)
        with taking_over(database, file) as copy:
            known, live = masterkey.expected(copy)
            _judge(key, place, known, live)
            aside = put_in_place(copy, database)
        old_key = _use_key(key, place)
    answer = {"database": str(database), "old": str(aside or ""), "old_key": str(old_key or ""), "live_requests": live}
    context.show(answer, lambda: _restored(database, aside, old_key))


def _restored(database: Path, aside: Path | None, old_key: Path | None) -> None:
    click.echo(f"restored {database}; start the daemon: systemctl start pinwheel")
    for kind, path in (("database", aside), ("master key", old_key)):
        if path is not None:
            click.echo(f"the old {kind} is {path}; delete it once nothing needs it")
    click.echo("numbers that were forgotten after the backup are back: forget them again")


def _judge(key: bytes | None, place: "Place", known: str, live: int) -> None:
    """Whether the key fits the backup. Raises KeyUnusable."""
    from daemon import masterkey

    if key is None:
        masterkey.check(place, known, live)
    elif len(key) < masterkey.KEY_BYTES or (live and known and masterkey.identity(key) != known):
        raise masterkey.KeyUnusable(f"the key is not the one that {live} live request(s) of the backup need")
    elif not place.ours:
        raise masterkey.KeyUnusable(f"the key of this gateway is {place.path}: put the key there, and leave out --key")


def _use_key(key: bytes | None, place: "Place") -> Path | None:
    """Returns where the key that was there is now. Raises OSError."""
    from daemon import masterkey

    if key is None or (place.path.exists() and place.path.read_bytes() == key):
        return None
    aside = masterkey.set_aside(place.path)
    masterkey.write(place.path, key)
    return aside


def _copy_key(place: "Place", target: Path) -> None:
    from daemon import masterkey

    masterkey.write(target, masterkey.read_key(place.path, private=place.private))


def _database(config: "Config") -> Path:
    if config.store.path is None:
        raise click.ClickException("[store] url names PostgreSQL: use pg_dump and pg_restore")
    return config.store.path


def _place(config: "Config") -> "Place":
    from daemon import masterkey

    return masterkey.place(config.security.key_file, config.store.directory)


@contextmanager
def _troubles() -> "Iterator[None]":
    """What goes wrong, in one line."""
    from daemon.masterkey import KeyUnusable
    from daemon.operations.checking import NoSuchUser
    from daemon.store.contract import StoreUnusable

    try:
        yield
    except (StoreUnusable, KeyUnusable, NoSuchUser) as exc:
        raise unusable(exc) from exc
    except OSError as exc:
        raise click.ClickException(f"cannot use {exc.filename}: {exc.strerror}") from exc
