"""A SIM's storage of messages and reports (3GPP 27.005 3.2.2): what came is handed over, and only then deleted.

What +CMTI and +CDSI announce is read at once. A notice can be lost, so one looks now and then, too; a full SIM receives
no more, and with some modems sends no more.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from drivers import IncomingSms, StatusReport, at, pdu
from drivers.modem import Modem

log = logging.getLogger("pinwheel.modem")

REPORTS = "SR"  # where status reports may lie by themselves (27.005 3.1)

Take = Callable[[StatusReport | IncomingSms], bool]
"""Hands a message over; whether it is safe now."""


class _NotKept(Exception):
    """Who listens cannot make a message safe now."""


class Storage:
    """One modem's. `begin` at each session's start; the other methods within one."""

    def __init__(self, name: str, take: Take) -> None:
        self._name, self._take = name, take
        self._announced: list[tuple[str, int]] = []
        self._read = self._home = ""  # the storage that is read now (mem1); that of incoming messages (mem3)
        self._unreadable: set[int] = set()
        self._safe: set[tuple[int, str]] = set()  # handed over, but the SIM did not delete it: index and answer

    def forget(self) -> None:
        """The session has ended."""
        self._announced = []
        self._read = self._home = ""

    def begin(self, modem: Modem) -> None:
        self._read, self._home, _ = modem.storages()
        self.look(modem, always=True)

    def announced(self, storage: str, index: int) -> None:
        """A notice: there is something."""
        self._announced.append((storage, index))

    def read_announced(self, modem: Modem) -> None:
        while self._announced:
            storage, index = self._announced.pop(0)
            if storage != self._read:
                self._select(modem, storage)
            for answer in modem.ask(f"AT+CMGR={index}", "+CMGR").answers:
                with contextlib.suppress(_NotKept):  # the next look finds it
                    self._hand_over(modem, index, answer)

    def look(self, modem: Modem, *, always: bool = False) -> None:
        """For what was not announced."""
        if self._home and self._select(modem, REPORTS):
            self._sweep(modem)
        self._select_home(modem)
        if always or modem.storages()[2]:
            self._sweep(modem)

    def make_room(self, modem: Modem) -> bool:
        """Whether it helps to wait: False where the storage is full of what did not come for us."""
        self._select_home(modem)
        return self._sweep(modem)

    def _select_home(self, modem: Modem) -> None:
        if self._home and self._read != self._home:
            self._select(modem, self._home)

    def _sweep(self, modem: Modem) -> bool:
        """Take everything, until something cannot be kept; whether there was anything to take."""
        deleted = 0
        for answer in modem.ask("AT+CMGL=4", "+CMGL").answers:
            try:
                deleted += self._hand_over(modem, at.integer(at.fields(answer)[0]), answer)
            except at.Malformed:
                continue
            except _NotKept:
                return True
        return deleted > 0

    def _select(self, modem: Modem, storage: str) -> bool:
        """Whether the storage can be read, and is not known to be empty; from now on it is the one that is read."""
        reply = modem.ask(f'AT+CPMS="{storage}"', "+CPMS")
        if reply.ok:
            self._read = storage
        return reply.ok and at.fields("".join(reply.answers[:1]))[0] != "0"

    def _hand_over(self, modem: Modem, index: int, answer: str) -> bool:
        """Whether it is deleted; what nobody can read stays where it is. Raises _NotKept."""
        message = (index, answer.partition("\n")[2])
        if message not in self._safe:
            try:
                found = pdu.decode(message[1])
            except pdu.PduError as exc:
                if index not in self._unreadable:
                    log.warning("modem=%s stored=%s unreadable, left in the SIM: %s", self._name, index, exc)
                self._unreadable.add(index)
                return False
            if not self._take(replace(found, stored=True)):
                raise _NotKept
            self._safe.add(message)
        deleted = modem.ask(f"AT+CMGD={index}").ok
        if deleted:
            self._safe.discard(message)
        return deleted
