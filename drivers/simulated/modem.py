"""A simulated GSM modem: AT commands (3GPP 27.005, PDU mode) over a pseudo-terminal.

The real serial driver opens its port, so the demo and the tests run the whole SMS path but the radio. The last two
digits of the recipient choose the handset (`centre.HANDSETS`); methods inject the faults that modems have. It shares no
code with the driver: a peer with the same parser would prove nothing.

Not imitated: the radio and its delays beyond one network time, flow control and baud rates, USB re-enumeration, text
mode, SIM toolkit, multiplexing (27.010), and calls beyond RING.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from drivers.simulated.centre import HANDSETS, Handset, ServiceCentre
from drivers.simulated.dialect import STANDARD, Dialect
from drivers.simulated.equipment import Equipment
from drivers.simulated.faults import Faults
from drivers.simulated.pdus import deliver
from drivers.simulated.state import STORAGE, State
from drivers.simulated.terminal import Terminal

DRAFT = bytes.fromhex("00110000810000000141")  # a SUBMIT


class SimulatedModem(Terminal):
    """One modem on a pseudo-terminal, with a thread of its own. Its public methods may be called from any other.

    link: a name for the port that outlives an unplugging. handset: is called with (number, text) of whole messages.
    network_s: how long the network takes for a message; report_s: until the handset's report comes. dialect: its
    habits. handsets: by the last two digits of a number.

    accepted: (number, text) of the messages that have arrived; submits: their parts. commands: how often each came.
    moments: ("AT+CMGS" or "accepted", monotonic time). ussd: what the network answers to a code, as the modem says it.
    """

    def __init__(
        self,
        link: Path | None = None,
        *,
        handset: Callable[[str, str], None] = lambda _, __: None,
        network_s: float = 0.5,
        report_s: float = 1.0,
        imei: str = "356938035643809",
        pin: str | None = None,
        dialect: Dialect = STANDARD,
        handsets: Mapping[str, Handset] = HANDSETS,
    ) -> None:
        super().__init__(link)
        self.network_s = network_s

        def arrived(number: str, text: str) -> None:
            self.moments.append(("accepted", time.monotonic()))
            handset(number, text)

        self._state = State.new(dialect, imei, pin)
        self._faults = Faults(delays={"": dialect.first_s, **dict(dialect.late)})
        centre = ServiceCentre(handsets, arrived)
        self._inside = Equipment(self, self._state, self._faults, centre, lambda: self.network_s, report_s)
        self._dialect = dialect
        self.ussd = self._state.network.ussd
        self.accepted, self.submits = centre.accepted, centre.submits
        self.commands, self.moments = self._inside.commands, self._inside.moments

    def _start(self) -> None:
        self._inside.start()

    def _take(self, data: bytes) -> None:
        self._inside.take(data)

    # --- the modem ---

    def reboot(self, *, banner: bool = True, echo: bool = True) -> None:
        """A spontaneous restart: everything set up is forgotten, the banner follows, unless it has none.

        echo: False for one that starts without.
        """

        def silently() -> None:
            self._inside.start()
            self._state.echo = echo

        self.do(self._inside.restart if banner else silently)

    def hang(self, hung: bool, *, resettable: bool = False) -> None:
        """Swallow everything and say nothing, or work again. resettable: AT+CFUN=1,1 still restarts it."""

        def change() -> None:
            self.mute, self._inside.resettable = hung, resettable

        self.do(change)

    def fly(self) -> None:
        """Its radio is switched off."""
        self.do(lambda: setattr(self._state, "functionality", 4))

    def say(self, line: str) -> None:
        """Any unsolicited line, such as RING."""
        self.do(lambda: self._inside.say(line))

    def answer(self, command: str, *lines: str, times: int = 0) -> None:
        """What a command, such as "+CSQ", is answered with instead; times: only so often, then comes the next of these.

        times 0: for ever.
        """
        self.do(lambda: self._faults.answer(command, lines, times))

    def ignore(self, command: str) -> None:
        """Never answer it, such as "+COPS?"."""
        self.answer(command)

    def delay_prompt(self, seconds: float | None) -> None:
        """The next message's prompt comes late, or (None) never."""
        self.do(lambda: self._faults.prompts.append(seconds))

    @property
    def prompted(self) -> bool:
        """It waits for the body of a message."""
        return self._inside.body is not None

    @property
    def settings(self) -> dict[str, int]:
        """What commands have set: +CMEE, and the fourth parameter of +CNMI."""
        return {"+CMEE": int(self._state.numeric_errors), "+CNMI": self._state.reports}

    # --- its storage ---

    def receive(self, sender: str, text: str) -> None:
        """An incoming message from E.164 digits: stored, and announced."""
        pdu = deliver(sender, text)
        self.do(lambda: self._inside.sending.store(pdu, "+CMTI", self._dialect.incoming))

    def keep(self, storage: str, pdu: bytes) -> None:
        """A message lies in a storage ("SM", "SR", ...), unannounced."""

        def keep() -> None:
            self._state.storage.put(storage, pdu)

        self.do(keep)

    def fill(self, messages: int = STORAGE, *, drafts: bool = False) -> None:
        """Incoming messages, unannounced, or drafts; once the storage is full, nothing can be sent either."""

        def fill() -> None:
            for index in range(1, messages + 1):
                pdu = DRAFT if drafts else deliver("447700900999", f"advertisement {index}")
                self._state.storage.pdus["SM"].setdefault(index, pdu)

        self.do(fill)

    @property
    def stored(self) -> dict[str, tuple[bytes, ...]]:
        """The PDUs in each storage that has some."""
        return {name: tuple(pdus.values()) for name, pdus in self._state.storage.pdus.items() if pdus}

    # --- the network ---

    def register(self, status: int, *, announced: bool = True) -> None:
        """<stat> of 27.007 7.2: 1 home, 2 searching, 3 denied, 5 roaming; announced unasked, or not."""

        def change() -> None:
            self._state.network.registered = status
            if announced:
                self._inside.say(f"+CREG: {status}")

        self.do(change)

    def fade(self, rssi: int) -> None:
        """<rssi> of 27.007 8.5: from 0 (-113 dBm) to 31 (-51 dBm), 99 for unknown."""
        self.do(lambda: setattr(self._state.network, "signal", rssi))

    def count_from(self, reference: int) -> None:
        """The next TP-MR, as if as many messages had been sent."""
        self.do(lambda: self._state.count_from(reference))

    def refuse(self, code: int, times: int = 1, *, kind: str = "CMS", number: str = "") -> None:
        """The next messages, to this number if one is given, end in this error."""
        self.do(lambda: self._faults.errors.extend([(kind, code, number)] * times))

    def accept(self) -> None:
        """Refuse nothing any more."""
        self.do(self._faults.errors.clear)

    def lose_answer(self, accepted: bool) -> None:
        """The next message's answer never comes; whether it was sent."""
        self.do(lambda: self._faults.lost.append(accepted))

    def stall(self, stalled: bool) -> None:
        """The network keeps what it gets, and says nothing, until this is over."""
        self.do(lambda: self._inside.sending.stall(stalled))

    @property
    def sending(self) -> int:
        """How many messages it has whose end it has not said."""
        return len(self._inside.sending.outbox)
