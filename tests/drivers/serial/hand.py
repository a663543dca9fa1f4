"""The thread, the modem and the clock in the hand: what a procedure orders is carried out here, without any waiting."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from drivers.serial import at, procedure
from drivers.serial.dialogue import NEVER_UNASKED
from drivers.serial.procedure import Came, HandedOver, Order, PinRead, Procedure, run

T = TypeVar("T")

Answers = Sequence[str | float]
"""Lines, each with what comes before it: a number is so many seconds of silence."""


def done(steps: Procedure[T]) -> T:
    """Of a procedure that orders nothing."""

    def none(order: Order) -> Came:
        raise AssertionError(order)

    return run(steps, none)


class Hand:
    """answers: of each command, in turn where there are several, and then always the last; "OK" of any other command.

    did: the orders but those to wait and for the time. notices: what the modem said by itself. wrote: the commands.
    """

    def __init__(self, answers: Mapping[str, Sequence[Answers]], now: float = 100.0) -> None:
        self.answers = dict(answers)
        self.now = self.received_at = now
        self.did: list[Order] = []
        self.wrote: list[str] = []
        self.notices: list[at.Notice] = []
        self.handed_over: Callable[[procedure.HandOver], HandedOver] = lambda _: HandedOver(None)
        self.pin = PinRead("1234")
        self._parser = at.Parser()
        self._parser.watched = NEVER_UNASKED
        self._coming: deque[tuple[float, str]] = deque()
        self._events: deque[at.Event] = deque()
        self._clear_at = now  # when the modem has said all

    def run(self, steps: Procedure[T]) -> T:
        return run(steps, self)

    def says(self, *lines: str | float) -> None:
        """From now on, or once it has said what it is saying."""
        self._clear_at = max(self._clear_at, self.now)
        for line in lines:
            if isinstance(line, str):
                self._coming.append((self._clear_at, line))
            else:
                self._clear_at += line

    def __call__(self, order: Order) -> Came:
        event: at.Event | PinRead | HandedOver | None = None
        match order:
            case procedure.Listen():
                event = self._next(order.until)
            case procedure.Idle():
                self._hear(order.until)
                self._hand_on()
            case procedure.Time():
                pass
            case _:
                self.did.append(order)
                event = self._carry_out(order)
        return Came(self.now, event, self.received_at)

    def _carry_out(self, order: Order) -> PinRead | HandedOver | None:
        match order:
            case procedure.Begin():
                while self._coming and self._coming[0][0] <= self.now:
                    self._hear(self.now)
                self._hand_on()
                self.wrote.append(order.command)
                self._parser.command(order.command, order.answer, free_text=order.free_text, prompt=order.prompt)
                first, *others = self.answers.get(order.command, [["OK"]])
                if others:
                    self.answers[order.command] = others
                self.says(*first)
            case procedure.Beside():
                self.wrote.append(order.query)
                self._parser.beside(order.query, order.answer)
            case procedure.Expect():
                self._parser.expect(order.answer, prompt=order.prompt)
            case procedure.Escape() | procedure.Drop():
                self._parser.forget()
            case procedure.Unexpected():
                self.notices.append(order.notice)
            case procedure.ReadPin():
                return self.pin
            case procedure.HandOver():
                return self.handed_over(order)
        return None

    def _next(self, until: float) -> at.Event | None:
        while True:
            while self._events:
                event = self._events.popleft()
                if not isinstance(event, at.Notice):
                    return event
                self.notices.append(event)
            if not self._hear(until):
                return None

    def _hear(self, until: float) -> bool:
        """The next line, if it comes until then."""
        if not self._coming or self._coming[0][0] > until:
            self.now = max(self.now, until)
            return False
        when, line = self._coming.popleft()
        self.now = self.received_at = max(self.now, when)
        self._events += self._parser.feed(line.encode("latin-1") + b"\r\n")
        return True

    def _hand_on(self) -> None:
        self.notices += [event for event in self._events if isinstance(event, at.Notice)]
        self._events.clear()
