"""Client transactions (RFC 3261 17.1): when to send again, when to give up. Time is an argument."""

from dataclasses import dataclass, field

from drivers.sip.address import Address, Timers
from drivers.sip.message import Message


@dataclass(slots=True)
class Transaction:
    """One request under way; `poll` says what to send now, `receive` whether a response is news.

    reliable: over TCP or TLS, where nothing is sent twice and nothing lingers (17.1.1.2, 17.1.2.2).
    """

    request: Message
    destination: Address
    timers: Timers
    started: float
    reliable: bool = False
    interval: float = field(init=False)
    next_at: float | None = field(init=False)
    ends_at: float = field(init=False)
    answered: int = 0  # the highest status so far
    timed_out: bool = False

    def __post_init__(self) -> None:
        self.interval = self.timers.t1
        self.next_at = self.started
        self.ends_at = self.started + self.timers.give_up

    @property
    def invite(self) -> bool:
        return self.request.method == "INVITE"

    @property
    def final(self) -> bool:
        return self.answered >= 200

    @property
    def _t4(self) -> float:
        """Timer K; an INVITE lingers in any case, as a 2xx is sent again end to end (13.3.1.4)."""
        return 0.0 if self.reliable else self.timers.t4

    def deadline(self) -> float:
        """When to poll again."""
        return self.ends_at if self.next_at is None else min(self.next_at, self.ends_at)

    def poll(self, now: float) -> bool:
        """True if the request is to be sent (again) now; sets `timed_out` once nobody has answered in time."""
        if now >= self.ends_at and not self.final:
            self.timed_out = True
            return False
        if self.next_at is None or now < self.next_at:
            return False
        first = now <= self.started
        if not first:
            self.interval = self.interval * 2 if self.invite else min(self.interval * 2, self.timers.t2)
        self.next_at = None if self.reliable else now + self.interval
        return True

    def repeat(self, now: float) -> None:
        """What was sent did not get through: send it again after a pause, each time a longer one."""
        self.next_at = now + self.interval

    def rest(self) -> None:
        """Send it no more; an answer may still come."""
        self.next_at = None

    def receive(self, status: int, now: float) -> bool:
        """Take a response; True the first time it says something new."""
        if self.final or (status < 200 and status <= self.answered):
            return False
        self.answered = status
        if status >= 200:
            self.next_at = None
            self.ends_at = now + (self.timers.linger if self.invite else self._t4)
        elif self.invite:
            self.next_at = None
            self.ends_at = float("inf")  # the caller's own ring time-out rules from here (17.1.1.2)
        else:
            self.interval = self.timers.t2
        return True

    def over(self, now: float) -> bool:
        """Nothing more to expect: forget it."""
        return self.timed_out or (self.final and now >= self.ends_at)


def acknowledge(invite: Message, response: Message) -> Message:
    """The ACK to a final response of 300 and above: part of the transaction, same branch (17.1.1.3)."""
    headers = [(name, value) for name, value in invite.headers if name in ("from", "call-id", "max-forwards", "route")]
    headers += [("via", invite.all("via")[0]), ("to", response.get("to"))]
    headers += [("cseq", f"{invite.cseq[0]} ACK")]
    return Message(tuple(headers), method="ACK", uri=invite.uri)


def cancel(invite: Message) -> Message:
    """The CANCEL of an INVITE that has had a provisional response: same branch, same CSeq number (9.1)."""
    kept = ("from", "to", "call-id", "max-forwards", "route")
    headers = [(name, value) for name, value in invite.headers if name in kept]
    headers += [("via", invite.all("via")[0]), ("cseq", f"{invite.cseq[0]} CANCEL")]
    return Message(tuple(headers), method="CANCEL", uri=invite.uri)
