"""A SIM's storage of messages and reports (3GPP 27.005 3.2.2): each is handed over, and only then deleted.

What +CMTI and +CDSI announce is read at once. A notice can be lost, so one looks now and then, too; a full SIM receives
no more, and with some modems sends no more. Every look is a chore, so that messages to be sent go first. Pure.
"""

import contextlib
from dataclasses import replace
from typing import TypeVar

from drivers import IncomingSms, StatusReport
from drivers.serial import at, dialects, pdu
from drivers.serial.at import Reply
from drivers.serial.error_causes import ResultKind
from drivers.serial.modem import Modem, Storages
from drivers.serial.procedure import GIVE_WAY, Await, HandedOver, HandOver, Procedure, Talk, Time, Warn

REPORTS = "SR"  # where status reports may lie by themselves (27.005 3.1)
MOST = 1000  # messages of which anything is remembered: more than a SIM holds; the next look finds what is left out
MOST_STORAGES = 8  # besides those that the modem names: 27.005 3.1 has five

K = TypeVar("K")
V = TypeVar("V")


class _NotKept(Exception):
    """Who listens cannot make a message safe now."""


def _pdu(answer: str) -> str:
    """The line below that of its name; "" where there is none."""
    return answer.partition("\n")[2]


def _make_safe(message: StatusReport | IncomingSms) -> Procedure[None]:
    """Raises _NotKept."""
    handed = (yield HandOver(message)).event
    assert isinstance(handed, HandedOver)
    kept = handed.kept
    if kept is None:
        return
    yield Await(kept)
    if not (kept.done() and kept.result()):
        raise _NotKept


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    """And forget the oldest for it, where there are too many: what a modem says does not fill the memory."""
    memory.pop(key, None)
    if len(memory) >= MOST:
        del memory[next(iter(memory))]
    memory[key] = value


class Storage:
    """One modem's. `first_look` at each session's start; the other methods within one."""

    def __init__(self) -> None:
        self._unreadable: dict[int, None] = {}
        self._safe: dict[tuple[int, str], None] = {}  # handed over, but the SIM did not delete it: index and answer
        self.forget()

    def forget(self) -> None:
        """The session has ended."""
        self._announced: dict[tuple[str, int], None] = {}  # a set in the order in which they came
        self._lies: dict[tuple[str, int], str] = {}  # the PDU that was read there last, if it was not deleted since
        self._elsewhere: set[str] = set()  # where something came in besides the storage that the modem names
        self._there = Storages()
        self._read = ""  # the storage that is read now (mem1)
        self._used: int | None = None  # messages in it when it was selected
        self._missing: set[str] = set()
        self._settled_at = float("inf")  # from then on (monotonic) the modem has started, and a refusal is final

    def first_look(self, modem: Modem) -> Procedure[None]:
        self._settled_at = (yield Time()).now + modem.timing.starting
        self._there = yield from modem.storages()
        yield GIVE_WAY
        if self._there.receiving:
            yield from self._open(modem, self._there.receiving)
            yield GIVE_WAY
        yield from self.look(modem, always=True)

    def announced(self, storage: str, index: int) -> None:
        """A notice: there is something."""
        if storage not in (REPORTS, self._there.receiving, *self._elsewhere):
            if len(self._elsewhere) >= MOST_STORAGES:
                return
            self._elsewhere.add(storage)
        if len(self._announced) < MOST:
            self._announced[storage, index] = None

    def read_announced(self, modem: Modem) -> Procedure[None]:
        while self._announced:
            storage, index = next(iter(self._announced))
            del self._announced[storage, index]
            if not (yield from self._open(modem, storage)):
                yield Warn(f"storage={storage!r} cannot be selected: what came there is not read")
                continue
            yield GIVE_WAY
            for answer in (yield from self._say(modem, storage, dialects.READ, index=index)).answers:
                _remember(self._lies, (storage, index), _pdu(answer))
                with contextlib.suppress(_NotKept):  # the next look finds it
                    yield from self._hand_over(modem, storage, index, _pdu(answer))

    def look(self, modem: Modem, *, always: bool = False) -> Procedure[None]:
        """For what was not announced."""
        for storage in (REPORTS, *sorted(self._elsewhere)) if self._there.receiving else ():
            if (yield from self._open(modem, storage)):
                used = self._used
                yield GIVE_WAY
                if used != 0:
                    yield from self._sweep(modem, storage)
        if (yield from self._open(modem, self._there.receiving)):
            yield GIVE_WAY
            if always or (yield from self._received(modem)) != 0:
                yield from self._sweep(modem, self._there.receiving)

    def _received(self, modem: Modem) -> Talk[int | None]:
        """How many messages there are, if it says so; where they are, a modem may say only once it has started."""
        there = yield from modem.storages()
        if not self._there.receiving:
            self._there = there
        return there.received

    def make_room(self, modem: Modem) -> Procedure[bool]:
        """Whether it helps to wait: False where the storage is full of what did not come for us."""
        home = self._there.receiving
        return (yield from self._open(modem, home)) and (yield from self._sweep(modem, home))

    def _sweep(self, modem: Modem, storage: str) -> Procedure[bool]:
        """Take everything, until something cannot be kept; returns whether there was anything to take."""
        deleted, listed = False, []
        for answer in (yield from self._say(modem, storage, dialects.LIST)).answers:
            with contextlib.suppress(at.Malformed):
                listed.append((at.integer(at.fields(answer)[0]), _pdu(answer)))
        self._lies = {place: what for place, what in self._lies.items() if place[0] != storage}
        for index, what in listed:
            _remember(self._lies, (storage, index), what)
        for index, what in listed:
            try:
                deleted |= yield from self._hand_over(modem, storage, index, what)
            except _NotKept:
                return True
        return deleted

    def _say(self, modem: Modem, storage: str, command: dialects.Command, **values: object) -> Talk[Reply]:
        """About what lies there: since this chore gave way, another one may have selected another storage."""
        if not (yield from self._open(modem, storage)):
            return Reply(at.Final(ResultKind.ERROR))
        return (yield from modem.dialect.use(command, **values))

    def _open(self, modem: Modem, storage: str) -> Talk[bool]:
        """Whether this is the storage that is read from now on."""
        if storage == self._read or not self._there.known:  # a modem that does not know the command has but one
            return True
        if storage in self._missing:
            return False
        there = self._there
        reply = yield from modem.dialect.use(
            dialects.SELECT, storage=storage, writing=there.writing or storage, receiving=there.receiving or storage
        )
        if not reply.ok:
            if reply.final.kind is not ResultKind.NONE and (yield Time()).now >= self._settled_at:
                self._missing.add(storage)
            return False
        self._read, self._used = storage, None
        with contextlib.suppress(at.Malformed):
            self._used = at.integer(at.fields("".join(reply.answers[:1]))[0])
        return True

    def _hand_over(self, modem: Modem, storage: str, index: int, what: str) -> Procedure[bool]:
        """Returns whether it is deleted; what nobody can read stays where it is. Raises _NotKept.

        Another chore may have deleted it since it was read, and then another message may lie in its place.
        """
        message, place = (index, what), (storage, index)
        if message not in self._safe and self._lies.get(place) == what:
            try:
                found = pdu.decode(what)
            except pdu.PduError as exc:
                if index not in self._unreadable:
                    yield Warn(f"stored={index} unreadable, left in the SIM: {exc}")
                _remember(self._unreadable, index, None)
                return False
            yield from _make_safe(replace(found, stored=True))
            _remember(self._safe, message, None)
            yield GIVE_WAY
        if self._lies.get(place) != what:
            return False
        deleted = (yield from self._say(modem, storage, dialects.DELETE, index=index)).ok
        if deleted:
            self._safe.pop(message, None)
            del self._lies[place]
        yield GIVE_WAY
        return deleted
