"""Reading the file: TOML, sections, keys, types and bounds.

Everything is read before anything is printed, so that all mistakes come out at once, each with file, key and remedy.
`inspect` looks at the machine, too: as a start and --check-config do. `load` only reads the values.
"""

import dataclasses
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import drivers
from daemon.config.findings import ConfigErrors, Finding
from daemon.config.keys import NO_DRIVER, SECTIONS, TABLE_ARRAYS, Config, Voice
from daemon.config.probing import probed
from daemon.config.rules import contradictions
from daemon.config.syntax import not_text, not_toml
from drivers.checks import writable_by_others
from drivers.named_files import Unreadable, opened, why_unreadable
from drivers.settings import Severity

ANOTHER = "that is another kind of file; name Pinwheel's with --config"
MAX_FILE = 1 << 20  # octets; the shipped file, with all its keys, has 10,000


@dataclass(frozen=True, slots=True)
class Inspection:
    """A file, what it says where that can be understood, and all that is wrong with it."""

    path: Path
    config: Config
    findings: tuple[Finding, ...]

    @property
    def readable(self) -> bool:
        """The file is TOML, so there is a configuration, though it may have mistakes."""
        return all(finding.where for finding in self.findings)

    @property
    def mistakes(self) -> list[Finding]:
        """What must be corrected, the fatal first; the rest are warnings."""
        found = [finding for finding in self.findings if finding.severity is not Severity.WARNING]
        return sorted(found, key=lambda finding: finding.severity is not Severity.FATAL)

    def refuse_fatal(self) -> None:
        """Raises ConfigErrors where the daemon cannot start with it, with every mistake."""
        if any(finding.severity is Severity.FATAL for finding in self.findings):
            raise ConfigErrors(self.path, [str(mistake) for mistake in self.mistakes])


def inspect(path: Path) -> Inspection:
    """Read the file, and open, parse or resolve all that it names; as the user that asks, without network traffic."""
    found = read(path)
    if not found.readable:
        return found
    wrong = {finding.where for finding in found.findings}
    whole = (Finding("its mode", fault.text, fault.severity, fault.kind) for fault in writable_by_others(path))
    return dataclasses.replace(found, findings=(*found.findings, *whole, *probed(found.config, wrong)))


def load(path: Path) -> Config:
    """What the file says; raises ConfigErrors with every mistake in its text."""
    found = read(path)
    found.refuse_fatal()
    return found.config


def parse(text: str, path: Path) -> Config:
    """As `load`, from the text of a file; `path` is only for the errors."""
    found = _parsed(text, path)
    found.refuse_fatal()
    return found.config


def read(path: Path) -> Inspection:
    """What the file says, and what is wrong with its text; nothing that it names is looked at."""
    try:
        with opened(str(path)) as file:
            octets = file.read(MAX_FILE + 1)
    except Unreadable:
        return _nothing(path, f"it is no regular file: {ANOTHER}")
    except FileNotFoundError as exc:
        return _nothing(path, f"{exc.strerror}; name another file with --config")
    except OSError as exc:
        return _nothing(path, why_unreadable(str(path), exc))
    if len(octets) > MAX_FILE:
        return _nothing(path, f"it has more than {MAX_FILE} octets: {ANOTHER}")
    try:
        return _parsed(octets.decode(), path)
    except UnicodeDecodeError as exc:
        return _nothing(path, not_text(octets, exc.start))


def _nothing(path: Path, why: str) -> Inspection:
    return Inspection(path, Config(), (Finding("", why),))


def _parsed(text: str, path: Path) -> Inspection:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        return _nothing(path, not_toml(text, str(exc)))
    except RecursionError:
        return _nothing(path, "not valid TOML: too many brackets in each other")
    found: list[Finding] = []
    values: dict[str, Any] = {}
    for name, content in document.items():
        if name in SECTIONS:
            values[name] = _section(SECTIONS[name], content, f"[{name}]", found)
        elif name in TABLE_ARRAYS:
            values[name] = _sections(TABLE_ARRAYS[name], content, name, found)
        else:
            found.append(_unknown_section(name))
    config = Config(**values)
    wrong = {finding.where for finding in found}
    found += [more for more in contradictions(config) if more.where not in wrong]
    return Inspection(path, config, tuple(found))


# --- one section -------------------------------------------------------------------------------------------


def _sections(cls: type, content: Any, name: str, found: list[Finding]) -> tuple[Any, ...]:
    if not isinstance(content, list):
        found.append(Finding(f"[{name}]", f"must be written [[{name}]], there may be several"))
        return ()
    return tuple(_section(cls, row, f"[[{name}]] number {i}", found) for i, row in enumerate(content, 1))


def _section(cls: type, content: Any, where: str, found: list[Finding]) -> Any:
    """An instance of `cls` from a TOML table; keys that are wrong are reported and keep their default."""
    if not isinstance(content, dict):
        found.append(Finding(where, f"must be a table: {where} on a line of its own, and its keys below"))
        return cls()
    own = {f.name for f in fields(cls) if not f.metadata.get("driver")}
    already = len(found)
    options = _options_class(cls, content, where, found)
    theirs = {f.name for f in fields(options)} if options else set()
    for name in content if len(found) == already else ():  # without a driver its keys are not known
        if name not in own | theirs:
            found.append(_unknown_key(cls, where, name, sorted(own | theirs)))
    values = _values(cls, {n: v for n, v in content.items() if n in own}, where, found)
    if options:
        values["options"] = options(**_values(options, {n: v for n, v in content.items() if n in theirs}, where, found))
    return cls(**values)


def _options_class(cls: type, content: dict[str, Any], where: str, found: list[Finding]) -> Any:
    """The Options of the section's driver, or None."""
    names = {f.name: f for f in fields(cls)}
    if "options" not in names:
        return None
    driver = content.get("driver", names["driver"].default)
    if driver == NO_DRIVER and cls is Voice:
        return None
    try:
        module, work = drivers.load(str(driver)), "call" if cls is Voice else "send"
        if hasattr(module.Driver, work):
            return module.Options
        found.append(Finding(f"{where} driver", f"{driver!r} is for {'modems' if cls is Voice else 'calls'}"))
    except LookupError as exc:
        known = '"pyvoip" or "none"' if cls is Voice else '"serial"'
        found.append(Finding(f"{where} driver", f"{exc}; it can be {known}"))
    except ImportError as exc:
        package = str(exc.name).partition(".")[0]
        needs = f"{driver!r} needs the Python package {package!r}; install it beside Pinwheel"
        found.append(Finding(f"{where} driver", needs))
    return None


def _values(cls: Any, content: dict[str, Any], where: str, found: list[Finding]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    good: dict[str, Any] = {}
    for f in fields(cls):
        if f.name not in content:
            continue
        value = content[f.name]
        mistake = _type_mistake(hints[f.name], value, quoted=f.metadata["quoted"]) or _bound_mistake(f, value)
        if mistake:
            found.append(Finding(f"{where} {f.name}", mistake))
        else:
            good[f.name] = float(value) if hints[f.name] is float else value
    return good


TYPE_NAMES = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}


def _type_mistake(hint: Any, value: Any, *, quoted: bool) -> str:
    """What is wrong with the type of a value, or ""."""
    must_be = f"{value!r} must be" if quoted else "must be"
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        if not isinstance(value, list):
            return f"{must_be} a list of {TYPE_NAMES[get_origin(inner) or inner]}"
        return next((m for m in (_type_mistake(inner, v, quoted=quoted) for v in value) if m), "")
    options = tuple(
        get_origin(h) or h for h in (get_args(hint) if get_args(hint) and get_origin(hint) is not dict else (hint,))
    )
    accepted = (*options, int) if float in options else options
    if (isinstance(value, bool) and bool not in options) or not isinstance(value, accepted):
        return f"{must_be} {' or '.join(TYPE_NAMES[o] for o in options)}"
    return ""


def _bound_mistake(f: "dataclasses.Field[Any]", value: Any) -> str:
    """What is wrong with a value of the right type, or with the first such item of a list, or ""."""
    return next((m for m in _bound_mistakes(f, value if isinstance(value, list) else [value]) if m), "")


def _bound_mistakes(f: "dataclasses.Field[Any]", values: list[Any]) -> Iterator[str]:
    choices, low, high, check = (f.metadata.get(name) for name in ("choices", "low", "high", "check"))
    unit = f" {f.metadata['unit']}" if f.metadata.get("unit") else ""
    for value in values:
        if isinstance(value, str):
            or_number = "" if low is None else "a number or "
            if choices and value not in choices:
                yield f"{value!r} must be {or_number}one of {', '.join(repr(str(c)) for c in choices)}"
            elif check:
                yield check(value)
        elif low is not None and not value >= low:  # nan is no number to compare with
            yield f"{value!r} is too small; the least is {low:g}{unit}"
        elif high is not None and not value <= high:
            yield f"{value!r} is too large; the most is {high:g}{unit}"


# --- names that nobody knows -------------------------------------------------------------------------------


USUAL = {"[voice]": "pyvoip", "[[modem]]": "serial"}
"""The drivers that are most likely meant."""


def _unknown_section(name: str) -> Finding:
    """A key that stands before the first section has its own remedy."""
    homes = _sections_with(name)
    if homes:
        return Finding(name, f"it is a key of {' and '.join(homes)}; write it below that line")
    return _unknown(f"[{name}]", name, [*SECTIONS, *TABLE_ARRAYS], "section")


def _unknown_key(cls: type, where: str, name: str, known: list[str]) -> Finding:
    if cls is Voice and name in _names_of_usual(where):
        return Finding(f"{where} {name}", 'it takes effect with driver = "pyvoip" only; set that in [voice], too')
    homes = [] if get_close_matches(name, known, 1) else _sections_with(name)
    if homes:
        return Finding(f"{where} {name}", f"there is no such key here; it belongs to {' and '.join(homes)}")
    return _unknown(f"{where} {name}", name, known, "key")


def _sections_with(key: str) -> list[str]:
    """The sections that have a key of this name, the usual drivers' keys among theirs."""
    tables = {f"[{name}]": cls for name, cls in SECTIONS.items()}
    tables |= {f"[[{name}]]": cls for name, cls in TABLE_ARRAYS.items()}
    keys = {where: {*_names(cls), *_names_of_usual(where)} for where, cls in tables.items()}
    return [where for where, names in keys.items() if key in names]


def _names(cls: Any) -> set[str]:
    return {f.name for f in fields(cls) if not f.metadata.get("driver")}


def _names_of_usual(where: str) -> set[str]:
    """The keys of the driver that is most likely meant in a section; none where it lacks a library."""
    try:
        return _names(drivers.load(USUAL[where]).Options) if where in USUAL else set()
    except ImportError:
        return set()


def _unknown(where: str, name: str, known: list[str], what: str) -> Finding:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the {what}s are {', '.join(known)}"
    return Finding(where, f"no such {what}; {hint}")
