"""A simulated modem's way to the network: messages that go out, their answers, and the reports that come back."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from drivers.simulated.centre import Handset, ServiceCentre
from drivers.simulated.faults import Faults
from drivers.simulated.pdus import Submit, read_submit
from drivers.simulated.state import State
from drivers.simulated.terminal import Terminal

AGAIN_S = 0.5  # until the service centre tries again to deliver a report
NO_NETWORK, STORAGE_FULL, INVALID_PARAMETER = 331, 322, 304  # +CMS ERROR, 27.005 3.2.5
REGISTERED = (1, 5)  # at home, roaming


class Speaker(Protocol):
    """The modem, as far as it is asked from here. busy: it takes no octets."""

    busy: bool

    def say(self, *lines: str) -> None: ...

    def fail(self, kind: str, code: int) -> None: ...

    def restart(self) -> None: ...

    def go_on(self) -> None:
        """Take what has come while it was busy."""


class Sending:
    """The first message of the outbox is with the network, which has one at a time. network_s: how long it takes."""

    def __init__(
        self,
        speaker: Speaker,
        wire: Terminal,
        state: State,
        faults: Faults,
        centre: ServiceCentre,
        network_s: Callable[[], float],
        report_s: float,
    ) -> None:
        self.outbox: list[Submit] = []
        self._speaker, self._wire, self._state, self._faults, self._centre = speaker, wire, state, faults, centre
        self._network_s, self._report_s = network_s, report_s
        self._stalled = False
        self._kept: Callable[[], None] | None = None  # the answer of a network that is stalled

    def start(self) -> None:
        """What a start forgets."""
        self.outbox = []
        self._kept = None

    def stall(self, stalled: bool) -> None:
        self._stalled, kept, self._kept = stalled, self._kept, None
        if kept is not None:
            kept()

    def submit(self, body: bytes, length: int) -> None:
        """Ctrl-Z: the message goes to the network."""
        try:
            octets = bytes.fromhex(body.decode("ascii"))
            submit = read_submit(octets)
        except (ValueError, IndexError, KeyError):
            self._speaker.fail("CMS", INVALID_PARAMETER)
            return
        if len(octets) - 1 - octets[0] != length:
            self._speaker.fail("CMS", INVALID_PARAMETER)
            return
        self.outbox.append(submit)
        if len(self.outbox) == 1:
            self._transmit()

    def _transmit(self) -> None:
        submit, dialect = self.outbox[0], self._state.dialect
        self._speaker.busy = not (dialect.multitasking or dialect.meanwhile)
        if self._centre.restarts(submit.number):
            self._wire.timers.after(self._network_s() / 2, self._speaker.restart)
        else:
            self._wire.timers.after(self._network_s(), lambda: self._network_answers(submit))

    def _network_answers(self, submit: Submit) -> None:
        if self._stalled:
            self._kept = partial(self._network_answers, submit)
            return
        error = self._error_of(submit.number)
        lost = None if error else self._faults.loses_answer()
        if lost is False:  # within the modem, which does not count it
            self._over()
            self._free()
            return
        reference = next(self._state.references)
        if error is not None:
            self._over()
            self._speaker.fail(*error)
            self._free()
            return
        handset = self._centre.handset_of(submit.number)
        self._deliver(submit, handset, reference)
        if lost or not handset.answered:
            self._over()
            self._free()
        else:
            self._wire.timers.after(handset.extra_s, lambda: self._confirm(handset, reference))

    def _error_of(self, number: str) -> tuple[str, int] | None:
        scripted = self._faults.error_of(number)
        if scripted is not None:
            return scripted
        if self._state.network.registered not in REGISTERED:
            return "CMS", NO_NETWORK
        if self._state.storage.full:
            return "CMS", STORAGE_FULL
        code = self._centre.error_of(number)
        return None if code is None else ("CMS", code)

    def _confirm(self, handset: Handset, reference: int) -> None:
        if handset.garbage:
            self._wire.write(b"\xff\x00\xfe{\x81")
        lines = self._state.dialect.sent if handset.with_reference else ("OK",)
        self._over()
        self._speaker.say(*(line.format(mr=reference) for line in lines))
        self._free()

    def _over(self) -> None:
        """Before its end is said: who reads that finds no message under way."""
        del self.outbox[0]

    def _free(self) -> None:
        self._speaker.busy = False
        if self.outbox:
            self._transmit()
        self._speaker.go_on()

    # --- what comes back ---

    def _deliver(self, submit: Submit, handset: Handset, reference: int) -> None:
        """To the handset, and its reports back."""
        if handset.with_reference:
            self._centre.take(submit)
        if self._state.reports:
            for count, report in enumerate(self._centre.reports(submit, reference), 1):
                self._wire.behind.after(self._report_s * count, partial(self._announce, report))

    def _announce(self, pdu: bytes) -> None:
        """A status report, routed as AT+CNMI says: to the line, or by way of the storage; once there is a modem."""
        state = self._state
        if not self._wire.answers or not state.reports or state.unacknowledged:
            self._wire.behind.after(AGAIN_S, partial(self._announce, pdu))
        elif state.reports == 1:
            state.unacknowledged = state.dialect.acknowledged
            self._speaker.say(f"+CDS: {len(pdu) - 1}\r\n{pdu.hex().upper()}")
        elif state.reports == 2:
            self.store(pdu, "+CDSI", state.dialect.keeps_reports or "SR")

    def store(self, pdu: bytes, notice: str, storage: str) -> None:
        """Keep it, and announce it."""
        self._speaker.say(f'{notice}: "{storage}",{self._state.storage.put(storage, pdu)}')
