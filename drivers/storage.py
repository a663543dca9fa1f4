"""A SIM's storage of messages and reports (3GPP 27.005 3.2.2): what came is handed over, and only then deleted.

What +CMTI and +CDSI announce is read at once. A notice can be lost, so one looks now and then, too; a full SIM receives
no more, and with some modems sends no more.
"""

import contextlib
import logging
from collections.abc import Callable

from drivers import IncomingSms, StatusReport, at, pdu
from drivers.modem import Modem

log = logging.getLogger("pinwheel.modem")

REPORTS = "SR"  # where status reports may lie by themselves (27.005 3.1)

Take = Callable[[StatusReport | IncomingSms], bool]
"""Hands a message over; whether it is safe now."""


class Storage:
    """One modem's. `begin` at each session's start; the other methods within one."""

    def __init__(self, name: str, take: Take) -> None:
        self._name, self._take = name, take
        self._announced: list[tuple[str, int]] = []
        self._read = self._home = ""  # the storage that is read now; that of incoming messages
        self._unreadable: set[int] = set()

    def forget(self) -> None:
        """The session has ended."""
        self._announced = []
        self._read = self._home = ""

    def begin(self, modem: Modem) -> None:
        self._home, _ = modem.stored()
        self._read = self._home
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
                self._hand_over(modem, index, answer)

    def look(self, modem: Modem, *, always: bool = False) -> None:
        """For what was not announced."""
        if self._home and self._select(modem, REPORTS):
            self.sweep(modem)
        if self._home and self._read != self._home:
            self._select(modem, self._home)
        if always or modem.stored()[1]:
            self.sweep(modem)

    def sweep(self, modem: Modem) -> int:
        """Take everything; how many messages could be deleted."""
        deleted = 0
        for answer in modem.ask("AT+CMGL=4", "+CMGL").answers:
            with contextlib.suppress(at.Malformed):
                deleted += self._hand_over(modem, at.integer(at.fields(answer)[0]), answer)
        return deleted

    def _select(self, modem: Modem, storage: str) -> bool:
        """Whether the storage can be read, and is not known to be empty; from now on it is the one that is read."""
        reply = modem.ask(f'AT+CPMS="{storage}"', "+CPMS")
        if reply.ok:
            self._read = storage
        return reply.ok and at.fields("".join(reply.answers[:1]))[0] != "0"

    def _hand_over(self, modem: Modem, index: int, answer: str) -> bool:
        """Whether it is deleted; what nobody can read, or keep, stays where it is."""
        try:
            found = pdu.decode(answer.partition("\n")[2])
        except pdu.PduError as exc:
            if index not in self._unreadable:
                log.warning("modem=%s stored=%s unreadable, left in the SIM: %s", self._name, index, exc)
            self._unreadable.add(index)
            return False
        return self._take(found) and modem.ask(f"AT+CMGD={index}").ok
