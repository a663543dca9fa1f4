"""The picture: what was seen, as lines that fit a terminal of any size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from daemon.cli.screen import fit, width_of, wrapped
from daemon.cli.top.seen import Modem, Queue, Seen, State
from daemon.cli.top.view import Sort, View
from daemon.operations.wording import bars, span

AT_WORK = ("ready", "starting")
WIDE, MIDDLE = 70, 60  # columns from which ids and whole sentences have room
PROBLEMS = 4  # lines of problems at the least, where there is room
ALL = 10_000  # lines: as many as there are
OLD_S = 3.0  # from which the age of the data is shown


class Style(StrEnum):
    """How a line looks, besides what it says."""

    PLAIN = "plain"
    TITLE = "title"
    WARNING = "warning"
    KEYS = "keys"


class Line(NamedTuple):
    text: str
    style: Style = Style.PLAIN


class Size(NamedTuple):
    """Of a terminal, in characters."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the picture. least: lines without which it is left out; tail: its end matters, not its beginning."""

    lines: Sequence[Line]
    least: int = 1
    titles: int = 0
    tail: bool = False

    def cut(self, room: int) -> Sequence[Line]:
        """As much of it as has room; how much is left out, where that is its end."""
        if room >= len(self.lines):
            return self.lines
        if self.tail:
            return [*self.lines[: self.titles], *self.lines[len(self.lines) - room + self.titles :]][:room]
        return [*self.lines[: room - 1], Line(f"... and {len(self.lines) - room + 1} more")][:room]


class Column(NamedTuple):
    """Of the table of modems. width: with the space behind it."""

    title: str
    width: int
    cell: Callable[[Modem], str]


def _used(used: int, limit: int) -> str:
    return f"{used}/{limit}" if limit else str(used)


COLUMNS = (
    Column("MODEM", 13, lambda modem: modem.name),
    Column("STATE", 9, lambda modem: modem.state),
    Column("DAY", 12, lambda modem: _used(modem.day, modem.daily_limit)),
    Column("SIGNAL", 11, lambda modem: _signal(modem.signal_dbm)),
    Column("NOW", 9, lambda modem: "sending" if modem.busy else "idle" * (modem.state == "ready")),
    Column("HOUR", 11, lambda modem: _used(modem.hour, modem.hourly_limit)),
    Column("AN SMS IN", 11, lambda modem: f"{modem.usual_s:.1f} s" if modem.usual_s else ""),
    Column("TROUBLE", 40, lambda modem: modem.trouble),
)
"""The most important first: those that have no room are left out."""
SORTS: dict[Sort, Callable[[Modem], tuple[object, ...]]] = {
    Sort.NAME: lambda modem: (modem.name,),
    Sort.STATE: lambda modem: (modem.state in AT_WORK, modem.state, modem.name),
    Sort.SENT: lambda modem: (-modem.day, modem.name),
    Sort.PACE: lambda modem: (-modem.usual_s, modem.name),
}


def frame(seen: Seen, size: Size, view: View) -> list[Line]:
    """Exactly size.height lines, none wider than size.width; the keys are in the last one, if there is room for two."""
    room = size.height - 2
    shown = [*report(seen, size.width, view, max(room, 0))]
    lines = [_head(seen, size.width, view), *shown, *[Line("")] * (room - len(shown)), _keys(view)]
    return [Line(fit(line.text, size.width), line.style) for line in lines[: size.height]]


def once(seen: Seen, width: int) -> list[str]:
    """All of it, as text for a pipe or a mail."""
    lines = [_head(seen, width, View()), *report(seen, width, View(), ALL)]
    return [fit(line.text, width).rstrip() for line in lines]


def report(seen: Seen, width: int, view: View, room: int) -> list[Line]:
    """What stands between the first line and the keys."""
    problems = [*_problems(seen, width)]
    sections = [Section(problems, min(len(problems), PROBLEMS))]
    if seen.state is not None:
        numbers = [Line(_queue(seen.state, width)), Line(_rates(seen.state))]
        events = [Line("LAST EVENTS", Style.TITLE), *_events(seen, width, view)]
        sections += [
            Section(numbers, len(numbers)),
            Section([*_modems(seen.state, width, view)], 3, 1),
            Section([*_calls(seen.state, view)], 3, 1),
            Section(events, 3, 1, tail=True),
        ]
    rooms = shares(room, [(section.least, len(section.lines)) for section in sections])
    return [line for section, each in zip(sections, rooms, strict=True) for line in section.cut(each)]


def shares(room: int, wishes: Sequence[tuple[int, int]]) -> list[int]:
    """How many lines each section gets, of (the least, all). The first come first; what is left goes the same way."""
    given = []
    for least, all_ in wishes:
        given.append(min(least, all_) if min(least, all_) <= room else 0)
        room -= given[-1]
    for i, (_, all_) in enumerate(wishes):
        more = min(all_ - given[i], room) if given[i] else 0
        given[i] += more
        room -= more
    return given


def _head(seen: Seen, width: int, view: View) -> Line:
    """Version, time since the start and health; at the right the time, and how old what is shown is."""
    state, now = seen.state, "paused" if view.paused else ""
    if seen.age_s >= OLD_S and state is not None:
        now = f"{now} {span(seen.age_s)} old".strip()
    right = f"{seen.clock} {now}".strip()
    left = "Pinwheel: no answer yet"
    if state is not None:
        left = f"Pinwheel {state.version}  health {_health(state)}  up {span(state.uptime_s)}"
    bad = state is None or state.health != "ok" or bool(seen.problem)
    return Line(f"{fit(left, width - width_of(right) - 2)}  {right}", Style.WARNING if bad else Style.TITLE)


def _health(state: State) -> str:
    if state.health != "ok":
        return "BAD"
    count = len(state.reasons)
    return f"ok, {count} problem{'s' * (count != 1)}" if count else "ok"


def _problems(seen: Seen, width: int) -> Iterator[Line]:
    said = [seen.problem] if seen.problem else []
    if seen.state is not None:
        said += [seen.state.health] * (seen.state.health != "ok") + [*seen.state.reasons]
    for each in said:
        lines = wrapped(each, max(width - 2, 2))
        yield Line(f"! {lines[0]}", Style.WARNING)
        if lines[1:]:
            yield Line(f"  {' '.join(lines[1:])}", Style.WARNING)


def _queue(state: State, width: int) -> str:
    kinds = (("message", state.messages), ("call", state.waiting_calls))
    said = [_waiting(name, queue, width) for name, queue in kinds if queue is not None]
    return f"queue   {', '.join(said) if said else 'no device is configured'}"


def _waiting(name: str, queue: Queue, width: int) -> str:
    several = f"{queue.waiting} {name}{'s' * (queue.waiting != 1)}"
    if not queue.waiting:
        return several
    age = span(queue.oldest_s)
    return f"{several} (the oldest waits for {age})" if width >= MIDDLE else f"{several} ({age})"


def _rates(state: State) -> str:
    said = ", ".join(f"{count} {what}" for what, count in state.rates.items())
    return f"rates   {said} in the last minute; {state.in_progress} in progress"


def _modems(state: State, width: int, view: View) -> Iterator[Line]:
    if not state.modems:
        return
    shown, taken = [], 0
    for column in COLUMNS:
        if taken + column.width - 2 <= width:
            shown.append(column)
        taken += column.width
    yield Line("".join(fit(column.title, column.width - 2) + "  " for column in shown), Style.TITLE)
    for modem in sorted(state.modems, key=SORTS[view.sort]):
        cells = [column.cell(modem) for column in shown]
        if _wanted(view, modem.name, modem.state, modem.trouble):
            text = "".join(fit(cell, each.width - 2) + "  " for cell, each in zip(cells, shown, strict=True))
            yield Line(text, Style.PLAIN if modem.state in AT_WORK else Style.WARNING)


def _signal(dbm: int | None) -> str:
    return f"{bars(dbm)} {dbm}" if dbm is not None else "none"


def _calls(state: State, view: View) -> Iterator[Line]:
    if not state.calls:
        return
    yield Line("CALLS", Style.TITLE)
    for call in state.calls:
        if _wanted(view, call.request_id, call.phase):
            yield Line(f"{fit(call.phase, 10)}{fit(span(call.since_s), 10)}  {call.request_id}")


def _events(seen: Seen, width: int, view: View) -> Iterator[Line]:
    for each in seen.happened:
        if _wanted(view, each.request_id, each.words):
            request = f"{fit(each.request_id, 32)}  " if width >= WIDE else ""
            yield Line(f"{fit(each.at, 8)}  {request}{each.words}")


def _wanted(view: View, *texts: str) -> bool:
    wanted = view.filter.casefold()
    return not wanted or any(wanted in text.casefold() for text in texts)


def _keys(view: View) -> Line:
    if view.editing:
        return Line(f"filter: {view.filter}_  (Enter keeps it, Esc removes it)", Style.KEYS)
    filtered = f" ({view.filter}; Esc: all)" if view.filter else ""
    paused = "p go on" if view.paused else "p pause"
    return Line(f"q quit  {paused}  s sort ({view.sort})  / filter{filtered}", Style.KEYS)
