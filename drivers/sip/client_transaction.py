"""Client transactions (RFC 3261 17.1): when a request goes out again, and when nobody waits for it any more.

One function a state; each lists what may happen in it and what follows, and what is not listed changes nothing. Time
is an argument, and the timers are data, as in `server_transaction`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from drivers.sip.address import Address, Timers
from drivers.sip.message import Message


class State(StrEnum):
    """Figures 5 and 6 in one; CALLING is called Trying where the request is no INVITE."""

    CALLING = "calling"  # no response has come
    PROCEEDING = "proceeding"  # a provisional one has
    COMPLETED = "completed"  # a final one has; it may come again
    TERMINATED = "terminated"  # nothing more is expected
    TIMED_OUT = "timed out"  # no final response came in time


class Event(StrEnum):
    """What may happen; of two letters (RFC 3261 table 4) the first is the timer of an INVITE."""

    PROVISIONAL = "a provisional response came"
    FINAL = "a final response came"
    AGAIN = "timer A or E: send the request again"
    NO_ANSWER = "timer B or F: no response came"
    NO_MORE = "timer D or K: no response comes again"


@dataclass(slots=True)
class ClientTransaction:
    """One request under way. status: the highest of its responses; due: the timers that run; deadline: the first.

    reliable: over TCP or TLS, where nothing is sent twice and nothing lingers (17.1.1.2, 17.1.2.2).
    """

    request: Message
    destination: Address
    timers: Timers
    started: float
    reliable: bool = False
    state: State = State.CALLING
    status: int = 0
    due: dict[Event, float] = field(init=False)
    deadline: float = field(init=False)
    _interval: float = field(init=False)

    def __post_init__(self) -> None:
        self._interval = self.timers.t1
        self.due = {Event.NO_ANSWER: self.started + self.timers.give_up}
        self.due |= {} if self.reliable else {Event.AGAIN: self.started + self._interval}
        self._note_deadline()

    @property
    def invite(self) -> bool:
        return self.request.method == "INVITE"

    @property
    def final(self) -> bool:
        """It has its final response."""
        return self.state in (State.COMPLETED, State.TERMINATED)

    def _note_deadline(self) -> None:
        """Hundreds of answered INVITEs linger, and all are looked at in each turn."""
        self.deadline = min(self.due.values(), default=float("inf"))

    def poll(self, now: float) -> bool:
        """Time passed; whether the request is to be sent again."""
        again = False
        for event in [event for event, at in self.due.items() if now >= at]:
            again |= self._on(event, now)
        self._note_deadline()
        return again

    def receive(self, status: int, now: float) -> bool:
        """Take a response; whether it says something new."""
        news = not self.final and (status >= 200 or status > self.status)
        if news:
            self.status = status
            self._on(Event.FINAL if status >= 200 else Event.PROVISIONAL, now)
            self._note_deadline()
        return news

    def repeat(self, now: float) -> None:
        """What was sent did not get through: send it again after a pause, each time a longer one."""
        self.due[Event.AGAIN] = now + self._interval
        self._note_deadline()

    def rest(self) -> None:
        """Send it no more; an answer may still come."""
        self.due.pop(Event.AGAIN, None)
        self._note_deadline()

    def _on(self, event: Event, now: float) -> bool:
        """Whether the request is to be sent again."""
        self.due.pop(event, None)
        match self.state:
            case State.CALLING:
                return self._calling(event, now)
            case State.PROCEEDING:
                return self._proceeding(event, now)
            case State.COMPLETED:
                return self._completed(event)
            case State.TERMINATED | State.TIMED_OUT:
                return False
            case _:
                assert_never(self.state)

    def _calling(self, event: Event, now: float) -> bool:
        """17.1.1.2, 17.1.2.2. An INVITE that was answered rings as long as its caller likes."""
        if event is Event.AGAIN:
            return self._send_again(self._interval * 2 if self.invite else min(self._interval * 2, self.timers.t2), now)
        if event is Event.PROVISIONAL:
            self.state = State.PROCEEDING
            self.due = {} if self.invite else self.due
            return False
        return self._end(event, now)

    def _proceeding(self, event: Event, now: float) -> bool:
        if event is Event.AGAIN:
            return self._send_again(self.timers.t2, now)
        return self._end(event, now)

    def _completed(self, event: Event) -> bool:
        if event is Event.NO_MORE:
            self.state = State.TERMINATED
        return False

    def _send_again(self, interval: float, now: float) -> bool:
        self._interval = interval
        if not self.reliable:
            self.due[Event.AGAIN] = now + interval
        return True

    def _end(self, event: Event, now: float) -> bool:
        """What ends both states. An INVITE lingers in any case, as a 2xx is sent again end to end (13.3.1.4)."""
        if event is Event.FINAL:
            self.state = State.COMPLETED
            k_s = 0.0 if self.reliable else self.timers.t4
            self.due = {Event.NO_MORE: now + (self.timers.linger if self.invite else k_s)}
        elif event is Event.NO_ANSWER:
            self.state, self.due = State.TIMED_OUT, {}
        return False


def acknowledge(invite: Message, response: Message) -> Message:
    """The ACK to a final response of 300 and above: part of the transaction, same branch (17.1.1.3)."""
    return _beside(invite, "ACK", response.get("to"))


def cancel(invite: Message) -> Message:
    """The CANCEL of an INVITE that has had a provisional response: same branch, same CSeq number (9.1)."""
    return _beside(invite, "CANCEL", invite.get("to"))


def _beside(invite: Message, method: str, to: str) -> Message:
    """A request that goes the way of an INVITE, with its branch and CSeq number."""
    kept = ("from", "call-id", "max-forwards", "route")
    headers = [(name, value) for name, value in invite.headers if name in kept]
    headers += [("via", invite.all("via")[0]), ("to", to), ("cseq", f"{invite.cseq[0]} {method}")]
    return Message(tuple(headers), method=method, uri=invite.uri)
