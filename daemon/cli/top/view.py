"""What the person at the keys wants to see."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

SEQUENCE = re.compile(
    "\x1b[\\[O][0-?]{0,16}[ -/]{0,4}[@-~]"
)  # of a key without a character, such as an arrow (ECMA-48 5.4)
ESCAPE, ENTER, ERASE = "\x1b", "\r\n", "\x7f\b"
LONGEST_FILTER = 60


class Sort(StrEnum):
    """By what modems are sorted."""

    NAME = "name"
    STATE = "state"  # those that need somebody first
    SENT = "sent"  # most today first
    PACE = "pace"  # the slowest first


ORDER = tuple(Sort)


@dataclass(frozen=True, slots=True)
class View:
    """filter: only what has this text is shown. editing: keys go to it."""

    paused: bool = False
    sort: Sort = Sort.NAME
    filter: str = ""
    editing: bool = False
    done: bool = False


def pressed(view: View, keys: str) -> View:
    """The view after some keys. keys: what the terminal sent."""
    for key in SEQUENCE.sub("", keys):
        view = _edited(view, key) if view.editing else _ordered(view, key)
    return view


def _ordered(view: View, key: str) -> View:
    match key.lower():
        case "q":
            return replace(view, done=True)
        case "p" | " ":
            return replace(view, paused=not view.paused)
        case "s":
            return replace(view, sort=ORDER[(ORDER.index(view.sort) + 1) % len(ORDER)])
        case "/":
            return replace(view, editing=True)
        case "\x1b":
            return replace(view, filter="")
    return view


def _edited(view: View, key: str) -> View:
    if key == ESCAPE:
        return replace(view, filter="", editing=False)
    if key in ENTER:
        return replace(view, editing=False)
    if key in ERASE:
        return replace(view, filter=view.filter[:-1])
    return replace(view, filter=(view.filter + key)[:LONGEST_FILTER]) if key.isprintable() else view
