"""From Ctrl-Z to what the network says of a message (3GPP 27.005 3.5.1), with the habits that modems have there."""

import contextlib
import time
from collections.abc import Callable

from drivers import DriverError, Uncertain
from drivers.serial import at
from drivers.serial.attention import Attention
from drivers.serial.dialogue import QUIET_S
from drivers.serial.line import Line, Silent
from drivers.serial.modem import Modem
from drivers.serial.timing import Timing
from drivers.serial.whose_answer import Answer


class NetworkAnswer:
    """One modem's, over all its sessions. refusal: what an error result means for the message."""

    def __init__(self, timing: Timing, refusal: Callable[[at.Final], DriverError]) -> None:
        self._timing, self._refusal = timing, refusal
        self.attention = Attention(timing.attention)
        self._says_cms = False  # in this session it has told an error of a message by number or in words
        self._ok_first = False  # it says OK before +CMGS
        self._ok_alone = False  # the last message got OK without a reference
        self._behind_ok: int | None = None  # the reference that followed
        self.missing = ""  # why the last message has no answer

    def new_session(self) -> None:
        self._says_cms = False

    def wait(self, modem: Modem, deadline: float) -> Answer | None:
        """The next result and what it says of a message; None if there is none. Raises Silent of a mute modem."""
        self._ok_alone, self.missing = False, f"no answer from the network within {self._timing.answer:g} s"
        self.attention.begin(time.monotonic())
        reference: int | None = None
        while not isinstance(event := self._next(modem, deadline), at.Final):
            if isinstance(event, at.Answer):
                with contextlib.suppress(at.Malformed):
                    reference = at.message_reference(event.text)
                    deadline = min(deadline, time.monotonic() + self._timing.probe)  # its OK may be lost
            elif event is None and reference is not None:
                modem.dialogue.give_up(at.MESSAGE_REFERENCE)
                break
            elif event is None:
                return None
        self.attention.over()
        if event is None:
            return reference
        if event.kind == "ERROR" and not self._says_cms:
            return Uncertain("the modem said ERROR, which may be about the message or not")
        if not event.ok:
            self._says_cms |= event.kind == "CMS"
            return self._refusal(event)
        return self._reference_behind_ok(modem.line, deadline) if reference is None else reference

    def _next(self, modem: Modem, deadline: float) -> at.Event | None:
        """The next of the message's own events; meanwhile the modem is asked whether it is there, and the same."""
        while True:
            query = next(iter(modem.signs_of_life), None)
            event = modem.line.next(min(deadline, self.attention.due) if query else deadline)
            now = time.monotonic()
            if isinstance(event, at.Aside):
                modem.dialogue.answered_beside(at.name_of(event.text))
                self.attention.answered(now)
                if modem.differs(event.text):
                    self.missing = "the modem seems to have restarted before the network answered"
                    return None
            elif event is not None:
                return event
            elif self.attention.mute(now):
                raise Silent("no answer to any query")
            elif now >= deadline or query is None:
                return None
            else:
                modem.dialogue.ask_beside(*query)
                self.attention.asked(now)

    def _reference_behind_ok(self, line: Line, deadline: float) -> Answer:
        """Some say OK before +CMGS, and perhaps again behind it; a Siemens MC35i says OK alone when it has failed."""
        self._ok_alone, self._behind_ok = True, None
        if not self._ok_first:
            deadline = min(deadline, time.monotonic() + self._timing.prompt)
        while self._behind_ok is None and time.monotonic() < deadline:
            line.idle(deadline)
        if self._behind_ok is None:
            return Uncertain("the modem said OK without a message reference")
        line.idle(time.monotonic() + QUIET_S)
        return self._behind_ok

    def overheard(self, reference: int) -> bool:
        """+CMGS to no command under way: whether it is that of the last message, which had OK without one."""
        mine, self._ok_alone = self._ok_alone, False
        self._ok_first |= mine
        if mine:
            self._behind_ok = reference
        return mine
