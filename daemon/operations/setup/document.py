"""Changing a configuration file: what is not changed stays as it is, comments and unknown keys too.

The shipped file has every key as a comment. Such a line becomes the key, in its place and with its sentence.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.items import AoT, Comment, Item, Table


def changed(text: str, voice: Mapping[str, object], modem: Mapping[str, object]) -> str:
    """The file with these keys of [voice], and of the [[modem]] of that name; what is empty is left alone.

    A key whose value is None becomes a comment.
    """
    document = tomlkit.parse(text)
    if voice:
        if "voice" not in document:
            document["voice"] = tomlkit.table()
        document["voice"] = _filled(_table(document["voice"]), voice)
    if modem:
        _row(document, modem)
    return tomlkit.dumps(document)


def difference(before: str, after: str) -> list[str]:
    """By section, the keys that differ, with "-" and "+" in front of the old and the new value."""
    old, new = _sections(tomllib.loads(before)), _sections(tomllib.loads(after))
    lines: list[str] = []
    for section in (*old, *(each for each in new if each not in old)):
        was, now = old.get(section, {}), new.get(section, {})
        keys = [key for key in (*was, *(each for each in now if each not in was)) if was.get(key) != now.get(key)]
        pairs = ((sign, key, table[key]) for key in keys for sign, table in (("-", was), ("+", now)) if key in table)
        lines += [section] if keys else []
        lines += [f"{sign} {key} = {tomlkit.item(value).as_string()}" for sign, key, value in pairs]
    return lines


def _sections(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By what a person calls each: "[voice]", "[[modem]] sim1"."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, content in document.items():
        if isinstance(content, list):
            found |= {f"[[{name}]] {row.get('name', number)}": row for number, row in enumerate(content, 1)}
        else:
            found[f"[{name}]"] = content
    return found


def _row(document: tomlkit.TOMLDocument, modem: Mapping[str, object]) -> None:
    """Change the [[modem]] of this name, or add one behind the others."""
    if "modem" not in document:
        document["modem"] = tomlkit.aot()
    rows: Any = document["modem"]
    for index, row in enumerate(rows):
        if row.get("name") == modem["name"]:
            if isinstance(rows, AoT):
                rows[index] = _filled(_table(row), modem)
            else:
                row.update(modem)
            return
    if isinstance(rows, AoT):
        row = _filled(tomlkit.table(), modem)
        row.trivia.indent = "\n"
        rows.append(row)
    else:
        rows.append(dict(modem))


def _table(item: Any) -> Table:
    """An inline table becomes one with lines of its own."""
    if isinstance(item, Table):
        return item
    table = tomlkit.table()
    table.update(item)
    return table


def _filled(table: Table, keys: Mapping[str, object]) -> Table:
    """The table with these keys: each where it is, or where its comment is, or at the end."""
    left = {key: value for key, value in keys.items() if table.get(key) != value}
    new = tomlkit.table()
    for key, item in table.value.body:
        off = _commented(item.trivia.comment) if isinstance(item, Comment) else None
        if key is not None and key.key in left:
            name, value = key.key, left.pop(key.key)
            column = len(f"{name} = {item.as_string()}{item.trivia.comment_ws}")
            _append(
                new, name, item if value is None else tomlkit.item(value), column, item.trivia.comment, value is None
            )
        elif off and off.name in left and off.name not in table:
            _append(new, off.name, tomlkit.item(left.pop(off.name)), off.column, off.remark)
        else:
            new.append(key, item)
    for name, value in left.items():
        _append(new, name, tomlkit.item(value), 0, "")
    return new


@dataclass(frozen=True, slots=True)
class _Off:
    """A key with its default that is a comment. column: where its remark begins."""

    name: str
    column: int
    remark: str


def _commented(comment: str) -> _Off | None:
    """None of any other comment."""
    line, gap, remark = comment.partition("  #")
    name, equals, value = line.removeprefix("#").strip().partition(" = ")
    quoted = len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1]
    if not (equals and name.isidentifier() and (quoted or (value and not set(value) & set('" \t#')))):
        return None
    remark = f"#{remark}" if gap else ""
    return _Off(name, len(comment) - len(remark), remark)


def _append(table: Table, name: str, item: Item, column: int, remark: str, off: bool = False) -> None:
    """A line with its remark, which stays in its column where there is room; off: as a comment."""
    line = f"{'# ' * off}{name} = {item.as_string()}"
    space = " " * max(2, column - len(line))
    if off:
        table.add(tomlkit.comment(f"{line}{space}{remark}".rstrip().removeprefix("# ")))
        return
    if remark:
        item.trivia.comment_ws, item.trivia.comment = space, remark
    table.append(name, item)
