"""What the person at the keys wants to see."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

SEQUENCE = "\x1b[\\[O][0-?]{0,16}[ -/]{0,4}[@-~]"  # of a key without a character, such as an arrow (ECMA-48 5.4)
KEY = re.compile(f"{SEQUENCE}|.", re.DOTALL)
UP, DOWN = ("\x1b[A", "\x1bOA", "k", "K"), ("\x1b[B", "\x1bOB", "j", "J")
ESCAPE, ENTER, ERASE = "\x1b", "\r\n", "\x7f\b"
LONGEST_FILTER = 60


class Sort(StrEnum):
    """By what modems are sorted."""

    NAME = "name"
    STATE = "state"  # those that need somebody first
    SENT = "sent"  # most today first
    PACE = "pace"  # the slowest first


ORDER = tuple(Sort)


class Kind(StrEnum):
    """What has rows and details."""

    MODEM = "modem"
    TRUNK = "trunk"
    CALL = "call"


class Row(NamedTuple):
    """name: of a modem; of a call the id of its request."""

    kind: Kind
    name: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """filter: only what has this text is shown. editing: keys go to it. opened: the chosen row is shown in detail."""

    paused: bool = False
    sort: Sort = Sort.NAME
    filter: str = ""
    editing: bool = False
    chosen: Row | None = None
    opened: bool = False
    done: bool = False

    @property
    def request_id(self) -> str:
        """The request whose call is shown in detail, or ""."""
        return self.chosen.name if self.opened and self.chosen and self.chosen.kind is Kind.CALL else ""


def pressed(view: View, keys: str, rows: Sequence[Row] = ()) -> View:
    """The view after some keys. keys: what the terminal sent; rows: that can be chosen, as they are shown."""
    for key in KEY.findall(keys):
        view = _edited(view, key) if view.editing else _ordered(view, key, rows)
    return view


def _ordered(view: View, key: str, rows: Sequence[Row]) -> View:
    if key in UP or key in DOWN:
        return _moved(view, -1 if key in UP else 1, rows)
    if key in ENTER:
        return replace(_moved(view, 0, rows), opened=bool(view.chosen or rows))
    match key.lower():
        case "q":
            return replace(view, done=True)
        case "p" | " ":
            return replace(view, paused=not view.paused)
        case "s":
            return replace(view, sort=ORDER[(ORDER.index(view.sort) + 1) % len(ORDER)])
        case "/":
            return replace(view, editing=True, opened=False)
        case "\x1b":
            return _left(view)
    return view


def _moved(view: View, by: int, rows: Sequence[Row]) -> View:
    """From the chosen row to another; to the first one where none is chosen, or where it has gone."""
    if not rows or (view.chosen and not by):
        return view
    if view.chosen not in rows:
        return replace(view, chosen=rows[0])
    there = rows.index(view.chosen) + by
    return replace(view, chosen=rows[min(max(there, 0), len(rows) - 1)])


def _left(view: View) -> View:
    """Out of the details; then no row is chosen, then there is no filter."""
    if view.opened:
        return replace(view, opened=False)
    return replace(view, chosen=None) if view.chosen else replace(view, filter="")


def _edited(view: View, key: str) -> View:
    if key == ESCAPE:
        return replace(view, filter="", editing=False)
    if key in ENTER:
        return replace(view, editing=False)
    if key in ERASE:
        return replace(view, filter=view.filter[:-1])
    return replace(view, filter=(view.filter + key)[:LONGEST_FILTER]) if key.isprintable() else view
