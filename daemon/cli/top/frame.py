"""The picture: what was seen, as lines that fit a terminal of any size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, assert_never

from daemon.cli.screen import fit, width_of, wrapped
from daemon.cli.top.seen import Facts, Happened, Modem, Queue, Seen, State, Trunk, UnderWay
from daemon.cli.top.view import Kind, Row, Sort, View
from daemon.operations.wording import TRUNK, bars, span

AT_WORK = ("ready", "starting")
WIDE, MIDDLE = 70, 60  # columns from which ids and whole sentences have room
PROBLEMS = 4  # lines of problems at least, where there is room
LONGEST = 4  # lines of one problem
ALL = 10_000  # lines: as many as there are
ASIDE, MARK = "  ", "> "  # in front of what can be chosen, and of what is
FACT = 19  # columns in front of a fact's text
GONE = "is not there any more"
OLD_S = 3.0  # from which the age of the data is shown


class Style(StrEnum):
    """How a line looks, besides what it says."""

    PLAIN = "plain"
    TITLE = "title"
    CHOSEN = "chosen"
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
        """As much of it as has room, the chosen line with it; how much is left out, where that is not its beginning."""
        if room >= len(self.lines):
            return self.lines
        if self.tail:
            return [*self.lines[: self.titles], *self.lines[len(self.lines) - room + self.titles :]][:room]
        titles, rows, kept = self.lines[: self.titles], self.lines[self.titles :], room - self.titles - 1
        chosen = next((n for n, line in enumerate(rows) if line.style is Style.CHOSEN), 0)
        first = max(chosen - kept + 1, 0) if kept > 0 else 0
        more = Line(f"{ASIDE}... and {len(rows) - kept} more")
        return [*titles, *rows[first : first + max(kept, 0)], more][: max(room, 0)]


class Column(NamedTuple):
    """Of the table of modems. width: with the space behind it."""

    title: str
    width: int
    cell: Callable[[Modem], str]


def _used(used: int, limit: int) -> str:
    return f"{used}/{limit}" if limit else str(used)


COLUMNS = (
    Column("DEVICE", 13, lambda modem: modem.name),
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
    sections = [*(_detail(seen, width, view.chosen) if view.opened and view.chosen else _overview(seen, width, view))]
    rooms = shares(room, [(section.least, len(section.lines)) for section in sections])
    return [line for section, each in zip(sections, rooms, strict=True) for line in section.cut(each)]


def rows(state: State | None, view: View) -> list[Row]:
    """What can be chosen, as it is shown."""
    if state is None:
        return []
    found = [Row(Kind.MODEM, modem.name) for modem in _modems(state, view)]
    found += [Row(Kind.TRUNK)] if _trunk(state, view) else []
    return found + [Row(Kind.CALL, call.request_id) for call in _calls(state, view)]


def _overview(seen: Seen, width: int, view: View) -> Iterator[Section]:
    problems = [*_problems(seen, width)]
    yield Section(problems, min(len(problems), PROBLEMS))
    if seen.state is not None:
        numbers = [Line(_queue(seen.state, width)), Line(_rates(seen.state))]
        events = [Line("LAST EVENTS", Style.TITLE), *_events(seen.happened, width, view.filter)]
        yield Section(numbers, len(numbers))
        yield Section([*_modem_lines(seen.state, width, view)], 3, 1)
        yield Section([*_trunk_lines(seen.state, view)])
        yield Section([*_call_lines(seen.state, view)], 3, 1)
        yield Section(events, 3, 1, tail=True)


def _detail(seen: Seen, width: int, row: Row) -> Iterator[Section]:
    """All about one row, and the last events of it."""
    problem = [Line(f"! {seen.problem}", Style.WARNING)] if seen.problem else []
    facts, here = _facts(seen, row)
    yield Section([*problem, Line(f"{row.kind.upper()} {row.name}".rstrip(), Style.TITLE), *_explained(facts, width)])
    asked = seen.asked if seen.asked and seen.asked.request_id == row.name else None
    own = asked.happened if asked else [each for each in seen.happened if here(each)]
    yield Section([Line("LAST EVENTS", Style.TITLE), *_events(own, width, "")], 2, 1, tail=True)


def _facts(seen: Seen, row: Row) -> tuple[Facts, Callable[[Happened], bool]]:
    """What is known of it, and which events are its own."""
    state = seen.state or State()
    match row.kind:
        case Kind.MODEM:
            modem = next((modem for modem in state.modems if modem.name == row.name), None)
            return modem.facts if modem else (("state", GONE),), lambda each: each.device == row.name
        case Kind.TRUNK:
            return state.trunk.facts if state.trunk else (("state", GONE),), lambda each: each.device == TRUNK
        case Kind.CALL:
            call = next((call for call in state.calls if call.request_id == row.name), None)
            phase = f"{call.phase} for {span(call.since_s)}" if call else "the call has ended"
            known = seen.asked.facts if seen.asked and seen.asked.request_id == row.name else ()
            return (("call", phase), *known), lambda each: each.request_id == row.name
        case _:
            assert_never(row.kind)


def _explained(facts: Facts, width: int) -> Iterator[Line]:
    for name, text in facts:
        first, *more = wrapped(text, max(width - FACT, 2))
        yield Line(f"{ASIDE}{fit(name, FACT - 4)}  {first}")
        yield from (Line(" " * FACT + line) for line in more)


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
        health = "unknown" if seen.problem else _health(state)
        left = f"Pinwheel {state.version}  health {health}  up {span(state.uptime_s)}"
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
        first, *more = wrapped(each, max(width - 2, 2))
        yield Line(f"! {first}", Style.WARNING)
        rest = [*more[: LONGEST - 2], " ".join(more[LONGEST - 2 :])]  # the remedy stands at the end
        yield from (Line(f"  {line}", Style.WARNING) for line in rest if line)


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


def _modems(state: State, view: View) -> list[Modem]:
    """Those that are wanted, as they are sorted."""
    wanted = [modem for modem in state.modems if _wanted(view.filter, modem.name, modem.state, modem.trouble)]
    return sorted(wanted, key=SORTS[view.sort])


def _modem_lines(state: State, width: int, view: View) -> Iterator[Line]:
    if not state.modems:
        return
    shown, taken = [], len(ASIDE)
    for column in COLUMNS:
        if taken + column.width - 2 <= width:
            shown.append(column)
        taken += column.width
    yield Line(ASIDE + "".join(fit(column.title, column.width - 2) + "  " for column in shown), Style.TITLE)
    for modem in _modems(state, view):
        text = "".join(fit(column.cell(modem), column.width - 2) + "  " for column in shown)
        yield _row(view, Row(Kind.MODEM, modem.name), text, Style.PLAIN if modem.state in AT_WORK else Style.WARNING)


def _row(view: View, row: Row, text: str, style: Style = Style.PLAIN) -> Line:
    return Line(MARK + text, Style.CHOSEN) if row == view.chosen else Line(ASIDE + text, style)


def _trunk(state: State, view: View) -> Trunk | None:
    trunk = state.trunk
    wanted = trunk and _wanted(view.filter, Kind.TRUNK, trunk.state, trunk.server, trunk.trouble)
    return trunk if wanted else None


def _trunk_lines(state: State, view: View) -> Iterator[Line]:
    """Under the modems, in their first two columns."""
    if trunk := _trunk(state, view):
        under_way = f"{trunk.calls} call{'s' * (trunk.calls != 1)}"
        said = ", ".join(filter(None, (trunk.trouble or f"at {trunk.server}", trunk.account, under_way)))
        first, second = fit("trunk", COLUMNS[0].width), fit(trunk.state, COLUMNS[1].width)
        yield _row(
            view, Row(Kind.TRUNK), f"{first}{second}{said}", Style.PLAIN if trunk.state in AT_WORK else Style.WARNING
        )


def _signal(dbm: int | None) -> str:
    return f"{bars(dbm)} {dbm}" if dbm is not None else "none"


def _calls(state: State, view: View) -> list[UnderWay]:
    return [call for call in state.calls if _wanted(view.filter, call.request_id, call.phase)]


def _call_lines(state: State, view: View) -> Iterator[Line]:
    if not state.calls:
        return
    yield Line(f"{ASIDE}CALLS", Style.TITLE)
    for call in _calls(state, view):
        text = f"{fit(call.phase, 10)}{fit(span(call.since_s), 10)}  {call.request_id}"
        yield _row(view, Row(Kind.CALL, call.request_id), text)


def _events(happened: Iterable[Happened], width: int, wanted: str) -> Iterator[Line]:
    for each in happened:
        if _wanted(wanted, each.request_id, each.words):
            request = f"{fit(each.request_id, 32)}  " if width >= WIDE else ""
            yield Line(f"{fit(each.at, 8)}  {request}{each.words}")


def _wanted(wanted: str, *texts: str) -> bool:
    return not wanted or any(wanted.casefold() in text.casefold() for text in texts)


def _keys(view: View) -> Line:
    if view.editing:
        return Line(f"filter: {view.filter}_  (Enter keeps it, Esc removes it)", Style.KEYS)
    filtered = f" ({view.filter}; Esc: all)" if view.filter else ""
    paused = "p go on" if view.paused else "p pause"
    if view.opened:
        return Line(f"q quit  {paused}  arrows next  Esc back", Style.KEYS)
    return Line(f"q quit  {paused}  s sort ({view.sort})  / filter{filtered}  arrows, Enter details", Style.KEYS)
