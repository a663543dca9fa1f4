"""Reading the file: TOML, sections, keys, types and bounds.

`load` reads everything before it complains, so that all mistakes come out at once, each with file, key and remedy.
"""

import dataclasses
import tomllib
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import drivers
from daemon.config.keys import SECTIONS, TABLE_ARRAYS, Config, Voice
from daemon.config.rules import contradictions

DEFAULT_FILE = Path("/etc/pinwheel/pinwheel.toml")


class ConfigErrors(Exception):
    """The file cannot be used. `mistakes` has one sentence each."""

    def __init__(self, path: Path, mistakes: list[str]) -> None:
        super().__init__("\n".join(f"cannot use {path}: {mistake}" for mistake in mistakes))
        self.mistakes = mistakes


def load(path: Path) -> Config:
    """Read and check the file; raises ConfigErrors with every mistake in it."""
    try:
        text = path.read_bytes().decode()
    except OSError as exc:
        raise ConfigErrors(path, [f"{exc.strerror}; name another file with --config"]) from exc
    except UnicodeDecodeError as exc:
        raise ConfigErrors(path, [f"octet {exc.start} is not UTF-8; save it as UTF-8"]) from exc
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """As `load`, from the text of a file; `path` is only for the errors."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigErrors(path, [f"not valid TOML: {exc}"]) from exc
    mistakes: list[str] = []
    values: dict[str, Any] = {}
    for name, content in document.items():
        if name in SECTIONS:
            values[name] = _section(SECTIONS[name], content, f"[{name}]", mistakes)
        elif name in TABLE_ARRAYS:
            values[name] = _sections(TABLE_ARRAYS[name], content, name, mistakes)
        else:
            mistakes.append(_unknown(f"[{name}]", name, [*SECTIONS, *TABLE_ARRAYS], "section"))
    config = Config(**values)
    told = {mistake.partition(":")[0] for mistake in mistakes}
    mistakes += [more for more in contradictions(config) if more.partition(":")[0] not in told]
    if mistakes:
        raise ConfigErrors(path, mistakes)
    return config


# --- one section -------------------------------------------------------------------------------------------


def _sections(cls: type, content: Any, name: str, mistakes: list[str]) -> tuple[Any, ...]:
    if not isinstance(content, list):
        mistakes.append(f"[{name}] must be written [[{name}]], there may be several")
        return ()
    return tuple(_section(cls, row, f"[[{name}]] number {i}", mistakes) for i, row in enumerate(content, 1))


def _section(cls: type, content: Any, where: str, mistakes: list[str]) -> Any:
    """An instance of `cls` from a TOML table; keys that are wrong are reported and keep their default."""
    if not isinstance(content, dict):
        mistakes.append(f"{where} must be a table")
        return cls()
    own = {f.name for f in fields(cls) if not f.metadata.get("driver")}
    already = len(mistakes)
    options = _options_class(cls, content, where, mistakes)
    theirs = {f.name for f in fields(options)} if options else set()
    for name in content if len(mistakes) == already else ():  # the keys of a wrong driver are not known
        if name not in own | theirs:
            mistakes.append(_unknown(f"{where} {name}", name, sorted(own | theirs), "key"))
    values = _values(cls, {n: v for n, v in content.items() if n in own}, where, mistakes)
    if options:
        values["options"] = options(
            **_values(options, {n: v for n, v in content.items() if n in theirs}, where, mistakes)
        )
    return cls(**values)


def _options_class(cls: type, content: dict[str, Any], where: str, mistakes: list[str]) -> Any:
    """The Options of the section's driver, or None."""
    names = {f.name: f for f in fields(cls)}
    if "options" not in names:
        return None
    driver = content.get("driver", names["driver"].default)
    if driver == "none" and cls is Voice:
        return None
    try:
        module, work = drivers.load(str(driver)), "call" if cls is Voice else "send"
        if hasattr(module.Driver, work):
            return module.Options
        mistakes.append(f"{where} driver: {driver!r} is for {'modems' if cls is Voice else 'calls'}")
    except LookupError as exc:
        mistakes.append(f"{where} driver: {exc}")
    except ImportError as exc:
        mistakes.append(f"{where} driver: {driver!r} needs the Python package {exc.name!r}; install it with pip")
    return None


def _values(cls: Any, content: dict[str, Any], where: str, mistakes: list[str]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    good: dict[str, Any] = {}
    for f in fields(cls):
        if f.name not in content:
            continue
        value = content[f.name]
        mistake = _type_mistake(hints[f.name], value) or _bound_mistake(f, value)
        if mistake:
            mistakes.append(f"{where} {f.name}: {mistake}")
        else:
            good[f.name] = float(value) if hints[f.name] is float else value
    return good


TYPE_NAMES = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}


def _type_mistake(hint: Any, value: Any) -> str:
    """What is wrong with the type of a value, or ""."""
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        if not isinstance(value, list):
            return f"{value!r} must be a list of {TYPE_NAMES[get_origin(inner) or inner]}"
        return next((m for m in (_type_mistake(inner, v) for v in value) if m), "")
    options = tuple(
        get_origin(h) or h for h in (get_args(hint) if get_args(hint) and get_origin(hint) is not dict else (hint,))
    )
    accepted = (*options, int) if float in options else options
    if (isinstance(value, bool) and bool not in options) or not isinstance(value, accepted):
        return f"{value!r} must be {' or '.join(TYPE_NAMES[o] for o in options)}"
    return ""


def _bound_mistake(f: "dataclasses.Field[Any]", value: Any) -> str:
    """What is wrong with a value of the right type, or ""."""
    choices, low, high, check = (f.metadata.get(name) for name in ("choices", "low", "high", "check"))
    unit = f" {f.metadata['unit']}" if f.metadata.get("unit") else ""
    if isinstance(value, str):
        or_number = "" if low is None else "a number or "
        if choices and value not in choices:
            return f"{value!r} must be {or_number}one of {', '.join(repr(c) for c in choices)}"
        return check(value) if check else ""
    if low is not None and value < low:
        return f"{value!r} is too small; the least is {low:g}{unit}"
    if high is not None and value > high:
        return f"{value!r} is too large; the most is {high:g}{unit}"
    return ""


def _unknown(where: str, name: str, known: list[str], what: str) -> str:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the {what}s are {', '.join(known)}"
    return f"{where}: no such {what}; {hint}"
