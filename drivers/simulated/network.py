"""The network behind a simulated modem: its service centre, its handsets, and what it does to messages."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.simulated.dialect import Dialect
from drivers.simulated.pdus import Submit, deliver, read_submit, status_report
from drivers.simulated.terminal import Terminal

AGAIN_S = 0.5  # until the service centre tries again to deliver a report
STORAGE = 30  # messages


@dataclass(frozen=True, slots=True)
class Handset:
    """What becomes of a message to a number. error: +CMS ERROR; reports: TP-ST of each status report."""

    help: str
    error: int | None = None
    once: bool = False  # the error comes only the first time
    extra_s: float = 0.0
    answered: bool = True
    with_reference: bool = True
    restarts: bool = False
    garbage: bool = False
    reports: tuple[int, ...] = (0x00,)


HANDSETS: dict[str, Handset] = {
    "80": Handset("the network refuses it for good (CMS 1, unassigned number)", error=1),
    "81": Handset("the network is congested once (CMS 42), then takes it", error=42, once=True),
    "82": Handset("sent, but the modem never says so; the handset reports delivery", answered=False),
    "83": Handset("sent, and the modem says so 45 s late", extra_s=45.0),
    "84": Handset("switched off: the first report says trying (0x30), the second delivered", reports=(0x30, 0x00)),
    "85": Handset("never reached: the report says failed (0x46, validity period expired)", reports=(0x46,)),
    "86": Handset("sent, and no report ever comes", reports=()),
    "87": Handset("the modem restarts in mid-send, and nothing is sent", restarts=True),
    "88": Handset("noise on the line in the middle of the modem's answer", garbage=True),
    "89": Handset("the modem says OK without +CMGS, as a Siemens MC35i after a failure", with_reference=False),
}
"""By the last two digits of the number."""
PLAIN = Handset("takes the message and reports delivery")


class Network(Terminal):
    """What becomes of a message once the modem has it. Who builds upon it speaks with the driver (`_say`, `_error`)."""

    def __init__(
        self,
        link: Path | None,
        dialect: Dialect,
        handset: Callable[[str, str], None] | None,
        network_s: float,
        report_s: float,
    ) -> None:
        super().__init__(link)
        self.dialect = dialect
        self.accepted: list[tuple[str, str]] = []
        self.submits: list[Submit] = []  # the parts of these, and of what is not whole yet
        self.moments: list[tuple[str, float]] = []  # ("AT+CMGS" or "accepted", monotonic): for measuring
        self.network_s = network_s
        self._handset, self._report_s = handset, report_s
        self._registered, self._stalled = 1, False
        self._storages: dict[str, dict[int, bytes]] = {"SM": {}, "SR": {}, dialect.incoming: {}}
        self._parts: dict[tuple[str, int], dict[int, str]] = {}
        self._congested: set[str] = set()
        self._references = itertools.cycle(range(256))
        self._handsets: Mapping[str, Handset] = HANDSETS
        self._errors: list[tuple[str, int, str]] = []  # kind, code, and to which number ("": any)
        self._answers_lost: list[bool] = []  # of the next messages: was it sent?

    def _reset(self) -> None:
        super()._reset()
        self._busy, self._reports, self._unacknowledged = False, 0, False
        self._kept: Callable[[], None] | None = None  # what happens to the message that the network holds
        self._outbox: list[tuple[Submit, Handset]] = []  # the first is with the network

    def _say(self, *lines: str) -> None:
        raise NotImplementedError

    def _error(self, kind: str, code: int) -> None:
        raise NotImplementedError

    def _restart(self) -> None:
        raise NotImplementedError

    def _consume(self) -> None:
        """Go on with what the driver has written meanwhile."""
        raise NotImplementedError

    # --- from outside ---

    def register(self, status: int, *, announced: bool = True) -> None:
        """<stat> of 27.007 7.2: 1 home, 2 searching, 3 denied, 5 roaming; announced unasked, or not."""

        def change() -> None:
            self._registered = status
            if announced:
                self._say(f"+CREG: {status}")

        self._do(change)

    def receive(self, sender: str, text: str) -> None:
        """An incoming message from E.164 digits: stored, and announced."""
        self._do(lambda: self._store(deliver(sender, text), "+CMTI", self.dialect.incoming))

    def fill(self, messages: int = STORAGE, *, drafts: bool = False) -> None:
        """Incoming messages, unannounced, or drafts; once the storage is full, nothing can be sent either."""
        draft = bytes.fromhex("00110000810000000141")  # a SUBMIT

        def fill() -> None:
            for index in range(1, messages + 1):
                pdu = draft if drafts else deliver("447700900999", f"advertisement {index}")
                self._storages["SM"].setdefault(index, pdu)

        self._do(fill)

    def count_from(self, reference: int) -> None:
        """The next TP-MR, as if as many messages had been sent."""
        self._do(lambda: setattr(self, "_references", itertools.cycle([*range(reference, 256), *range(reference)])))

    def accept(self) -> None:
        """Refuse nothing any more."""
        self._do(self._errors.clear)

    def refuse(self, code: int, times: int = 1, *, kind: str = "CMS", number: str = "") -> None:
        """The next messages, to this number if one is given, end in this error."""
        self._do(lambda: self._errors.extend([(kind, code, number)] * times))

    def stall(self, stalled: bool) -> None:
        """The network keeps what it gets, and says nothing, until this is over."""

        def change() -> None:
            self._stalled, kept, self._kept = stalled, self._kept, None
            if kept is not None:
                kept()

        self._do(change)

    def lose_answer(self, accepted: bool) -> None:
        """The next message's answer never comes; whether it was sent."""
        self._do(lambda: self._answers_lost.append(accepted))

    def keep(self, storage: str, pdu: bytes) -> None:
        """A message lies in a storage ("SM", "SR", ...), unannounced."""

        def put() -> None:
            self._put_into(self._storages[storage], pdu)

        self._do(put)

    @property
    def stored(self) -> dict[str, tuple[bytes, ...]]:
        """The PDUs in each storage that has some."""
        return {name: tuple(pdus.values()) for name, pdus in self._storages.items() if pdus}

    @property
    def sending(self) -> int:
        """How many messages it has taken whose end it has not told."""
        return len(self._outbox)

    # --- messages ---

    def _submit(self, body: bytes, length: int) -> None:
        """Ctrl-Z: the message goes to the network."""
        try:
            octets = bytes.fromhex(body.decode("ascii"))
            submit = read_submit(octets)
        except (ValueError, IndexError, KeyError):
            self._error("CMS", 304)
            return
        if len(octets) - 1 - octets[0] != length:
            self._error("CMS", 304)
            return
        self._outbox.append((submit, self._handsets.get(submit.number[-2:], PLAIN)))
        if len(self._outbox) == 1:
            self._transmit()

    def _transmit(self) -> None:
        """The first of the outbox goes to the network, which has one message at a time."""
        submit, handset = self._outbox[0]
        self._busy = not (self.dialect.multitasking or self.dialect.meanwhile)
        if handset.restarts and submit.number not in self._congested:
            self._congested.add(submit.number)
            self._after(self.network_s / 2, self._restart)
        else:
            self._after(self.network_s, lambda: self._network_answers(submit, handset))

    def _network_answers(self, submit: Submit, handset: Handset) -> None:
        if self._stalled:
            self._kept = partial(self._network_answers, submit, handset)
            return
        error = self._network_error(submit, handset)
        lost = None if error or not self._answers_lost else self._answers_lost.pop(0)
        if lost is False:  # within the modem, which does not count it
            self._free()
            return
        reference = next(self._references)
        if error is not None:
            self._error(*error)
            self._free()
            return
        self._deliver(submit, handset, reference)
        if lost or not handset.answered:
            self._free()
        else:
            self._after(handset.extra_s, lambda: self._confirm(handset, reference))

    def _network_error(self, submit: Submit, handset: Handset) -> tuple[str, int] | None:
        for place, (kind, code, number) in enumerate(self._errors):
            if number in ("", submit.number):
                del self._errors[place]
                return kind, code
        if self._registered not in (1, 5):
            return "CMS", 331
        if len(self._storages["SM"]) >= STORAGE:
            return "CMS", 322
        if handset.error is None or (handset.once and submit.number in self._congested):
            return None
        self._congested.add(submit.number)
        return "CMS", handset.error

    def _confirm(self, handset: Handset, reference: int) -> None:
        if handset.garbage:
            self._write(b"\xff\x00\xfe{\x81")
        lines = self.dialect.sent if handset.with_reference else ("OK",)
        self._say(*(line.format(mr=reference) for line in lines))
        self._free()

    def _free(self) -> None:
        self._busy = False
        del self._outbox[0]
        if self._outbox:
            self._transmit()
        self._consume()

    def _deliver(self, submit: Submit, handset: Handset, reference: int) -> None:
        """To the handset, once all parts are there; and its reports back."""
        if handset.with_reference:
            self._hand_over(submit)
        if not submit.wants_report or not self._reports:
            return
        for count, status in enumerate(handset.reports, 1):
            report = status_report(reference, submit.number, status)
            self._after(self._report_s * count, partial(self._announce, report), centre=True)

    def _hand_over(self, submit: Submit) -> None:
        self.submits.append(submit)
        text = submit.text
        if submit.part is not None:
            reference, count, place = submit.part
            parts = self._parts.setdefault((submit.number, reference), {})
            parts[place] = submit.text
            if len(parts) < count:
                return
            text = "".join(parts[number] for number in sorted(parts))
            del self._parts[submit.number, reference]
        self.accepted.append((submit.number, text))
        self.moments.append(("accepted", time.monotonic()))
        if self._handset is not None:
            self._handset(submit.number, text)

    def _announce(self, pdu: bytes) -> None:
        """A status report, routed as AT+CNMI says: to the line, or by way of the storage; once there is a modem."""
        if self._master < 0 or self._mute or not self._reports or self._unacknowledged:
            self._after(AGAIN_S, partial(self._announce, pdu), centre=True)
        elif self._reports == 1:
            self._unacknowledged = self.dialect.acknowledged
            self._say(f"+CDS: {len(pdu) - 1}\r\n{pdu.hex().upper()}")
        elif self._reports == 2:
            self._store(pdu, "+CDSI", self.dialect.keeps_reports or "SR")

    def _store(self, pdu: bytes, notice: str, storage: str) -> None:
        index = self._put_into(self._storages[storage], pdu)
        self._say(f'{notice}: "{storage}",{index}')

    @staticmethod
    def _put_into(storage: dict[int, bytes], pdu: bytes) -> int:
        index = next(number for number in itertools.count(1) if number not in storage)
        storage[index] = pdu
        return index
