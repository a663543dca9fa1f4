"""`pinwheel backup` and `pinwheel restore`, for SQLite. PostgreSQL has pg_dump."""

import contextlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from daemon.cli.configured import configuration_option, unusable
from daemon.cli.context import Context, json_flag, pass_context
from daemon.cli.output_files import not_written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.config import Config
    from daemon.master_key import Known
    from daemon.master_key_files import KeyPlace

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--key",
    "key_file",
    type=FILE,
    help="Copy the master key into this file, too; keep the two apart. An old key goes into FILE.old.",
)
@configuration_option
@json_flag
@pass_context
def backup(context: Context, file: Path, key_file: Path | None, config: "Config") -> None:
    """Copy the database into FILE, also while the daemon runs. For root, or the daemon's user.

    FILE is checked, and has everything that was answered before. It holds phone numbers; without the master key nobody
    can find a PIN by it. A FILE that is there is replaced.
    """
    from daemon.store.sqlite.backup import back_up

    if key_file is not None and (key_file.exists() or _old(key_file).exists()):
        raise click.ClickException(f"there is a key at {key_file} or {_old(key_file)}, and no key is ever replaced")
    with _troubles(file, key_file):
        octets = back_up(_database(config), file.absolute())
        if key_file is not None:
            _copy_keys(_place(config), key_file)
    answer = {"file": str(file), "octets": octets, "key": str(key_file or "")}
    context.show(answer, lambda: _saved(file, octets, key_file))


def _saved(file: Path, octets: int, key_file: Path | None) -> None:
    click.echo(f"saved {file} ({octets / 1e6:.1f} MB), and checked it")
    if key_file is not None:
        click.echo(f"saved the master key in {key_file}; keep it apart from the backup")


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The master key of the backup, to be used from now on; with FILE.old if there is one.",
)
@configuration_option
@json_flag
@pass_context
def restore(context: Context, file: BinaryIO, key_file: Path | None, config: "Config") -> None:
    """Replace the database by the backup FILE; the daemon must be stopped. For root.

    The database that was there is kept under another name. Refuses a FILE that is damaged or of a newer Pinwheel, and
    one whose live requests were started with another master key: give that one with --key.
    """
    from daemon import master_key
    from daemon.operations.check_config import become_owner
    from daemon.store.sqlite.backup import put_in_place, taking_over

    database, place = _database(config), _place(config)
    with _troubles(database):
        keys = _keys_in(key_file)
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        become_owner(database.parent)
        with taking_over(database, file) as copy:
            known = master_key.expected(copy)
            _judge(keys, place, known)
            _keep_hashes(keys, place, known, database, copy)
            aside = put_in_place(copy, database)
        old_key = _use_keys(keys, place)
    old, live = str(aside or ""), known.live()
    answer = {"database": str(database), "old": old, "old_key": str(old_key or ""), "live_requests": live}
    context.show(answer, lambda: _restored(database, aside, old_key))


def _restored(database: Path, aside: Path | None, old_key: Path | None) -> None:
    click.echo(f"restored {database}; start the daemon: systemctl start pinwheel")
    for kind, path in (("database", aside), ("master key", old_key)):
        if path is not None:
            click.echo(f"the old {kind} is {path}; delete it once nothing needs it")
    click.echo("the daemon forgets again what was forgotten after the backup: it is listed")
    click.echo("in the file `forgotten` beside it")


Keys = tuple[bytes, bytes | None]
"""The key in use and the one before it."""


def _keys_in(file: Path | None) -> Keys | None:
    """The keys of a backup. Raises OSError."""
    if file is None:
        return None
    old = _old(file)
    return file.read_bytes(), old.read_bytes() if old.exists() else None


def _old(file: Path) -> Path:
    return file.with_name(f"{file.name}.old")


def _judge(keys: Keys | None, place: "KeyPlace", known: "Known") -> None:
    """Whether the keys fit the backup. Raises KeyUnusable."""
    from daemon import master_key, master_key_files

    if keys is None:
        master_key.check(place, known)
        return
    if min(map(len, filter(None, keys))) < master_key_files.KEY_BYTES:
        raise master_key_files.KeyUnusable(
            f"a master key has {master_key_files.KEY_BYTES} octets or more, and a given one has fewer"
        )
    master_key.judged(place, known, *keys)
    if not place.ours:
        raise master_key_files.KeyUnusable(
            f"the key of this gateway is {place.path}: put the key there, and leave out --key"
        )


def _keep_hashes(keys: Keys | None, place: "KeyPlace", known: "Known", database: Path, copy: Path) -> None:
    """Where the key that is there goes on with a backup of another one, so does the key of the numbers' hashes.

    Without it, the list of what was forgotten means nobody. Raises KeyUnusable or OSError.
    """
    from daemon import master_key
    from daemon.operations.number_hash import SEALED
    from daemon.store.contract import StoreUnusable
    from daemon.store.sqlite.backup import take_setting

    if keys is not None or not place.path.exists():
        return
    used = master_key.load(place, known)
    if used.number == known.number and master_key.identity(used.current) != known.id:
        with contextlib.suppress(StoreUnusable):  # the database that is replaced is damaged, or there is none
            take_setting(SEALED, database, copy)


def _use_keys(keys: Keys | None, place: "KeyPlace") -> Path | None:
    """Returns where the key that was there is now. Raises OSError."""
    from daemon import master_key_files

    if keys is None:
        return None
    aside = None
    for path, key in zip((place.old, place.path), reversed(keys), strict=True):
        if path.exists() and path.read_bytes() == key:
            continue
        aside = master_key_files.set_aside(path)
        if key is not None:
            master_key_files.write(path, key)
    return aside


def _copy_keys(place: "KeyPlace", target: Path) -> None:
    from daemon import master_key_files

    master_key_files.write(target, master_key_files.read_key(place.path, private=place.private))
    old = master_key_files.read_old_key(place)
    if old is not None:
        master_key_files.write(_old(target), old)


def _database(config: "Config") -> Path:
    if config.store.path is None:
        raise click.ClickException("[store] url names PostgreSQL: use pg_dump and pg_restore")
    return config.store.path


def _place(config: "Config") -> "KeyPlace":
    from daemon.config.probing import key_place

    return key_place(config)


@contextmanager
def _troubles(*files: Path | None) -> "Iterator[None]":
    """What goes wrong, in one line. files: that are written."""
    from daemon.master_key_files import KeyUnusable
    from daemon.operations.check_config import NoSuchUser
    from daemon.store.contract import StoreUnusable

    try:
        yield
    except (StoreUnusable, KeyUnusable, NoSuchUser) as exc:
        raise unusable(exc) from exc
    except OSError as exc:
        raise not_written(exc, *files) from exc
