"""Whether what a configuration names is there and can be used: the same at each start and for --check-config.

The checks stand with the keys (`probe` of a setting), the daemon's and the drivers'; here they are run, each on the
value and its section.
"""

from collections.abc import Collection, Iterator
from dataclasses import fields
from typing import Any

from daemon import master_key
from daemon.config.findings import Finding
from daemon.config.keys import Config
from daemon.master_key_files import KeyPlace, KeyReadable, KeyUnusable, place
from drivers.named_files import user_name
from drivers.settings import FaultKind, Severity


def probed(config: Config, wrong: Collection[str]) -> Iterator[Finding]:
    """What is wrong on this machine. wrong: keys ("[api] tcp") with a wrong value, which have the default now."""
    for where, section in sections(config):
        for f in fields(section):
            key, probe = f"{where} {f.name}", f.metadata.get("probe")
            if probe is None or key in wrong:
                continue
            try:
                for fault in probe(getattr(section, f.name), section):
                    yield Finding(f"{where} {fault.key or f.name}", fault.text, fault.severity, fault.kind)
            except PermissionError as exc:
                yield Finding(key, f"the user {user_name()} may not look at it: {exc.strerror}", Severity.ERROR)
            except OSError as exc:  # what has just been looked at is gone
                yield Finding(key, f"cannot look at it: {exc.strerror or exc}; try again", Severity.ERROR)
    if "[security] key_file" not in wrong:
        yield from _master_key(config)


def key_place(config: Config) -> KeyPlace:
    """Where the master key is."""
    return place(config.security.key_file, config.store.directory)


def _master_key(config: Config) -> Iterator[Finding]:
    """The key that will be used, with the database that knows it; PostgreSQL is asked at the start only."""
    path = config.store.path
    try:
        master_key.check(key_place(config), master_key.expected(path) if path is not None else master_key.Known())
    except KeyUnusable as exc:
        kind = FaultKind.READABLE if isinstance(exc, KeyReadable) else FaultKind.VALUE
        yield Finding("[security] key_file", str(exc), Severity.FATAL, kind)


def sections(config: Config) -> Iterator[tuple[str, Any]]:
    """Each section with its name; a driver's options by themselves."""
    for f in fields(config):
        content = getattr(config, f.name)
        several = isinstance(content, tuple)
        for i, section in enumerate(content if several else (content,), 1):
            where = f"[[{f.name}]] number {i}" if several else f"[{f.name}]"
            yield where, section
            if getattr(section, "options", None) is not None:
                yield where, section.options
