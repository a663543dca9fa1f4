"""How much a SIM may send: SMS an hour and a day, and distinct recipients a month, by which carriers bar SIMs.

Pure: times are arguments. The windows slide. A recipient who had a message this month costs nothing.
What is under way counts already: two messages at a time, say a test beside a request, must not both be the last one.
"""

from collections import deque
from dataclasses import dataclass

from daemon.core.milliseconds import Ms, seconds

HOUR, DAY, MONTH = seconds(3600), seconds(86_400), seconds(30 * 86_400)
RECIPIENTS = "the monthly limit of new recipients"


@dataclass(frozen=True, slots=True)
class Limits:
    """0: no limit."""

    hourly: int = 0
    daily: int = 0
    monthly_recipients: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """SMS in the last hour and day; recipients of the last 30 days, 0 where they have no limit."""

    hour: int
    day: int
    recipients: int


class Quota:
    """What one SIM has sent. Tell it in the order of time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._hour: deque[Ms] = deque()
        self._day: deque[Ms] = deque()
        self._recipients: dict[str, Ms] = {}  # the last time of each, the longest ago first
        self._under_way: list[str] = []

    @property
    def under_way(self) -> int:
        """Messages that have begun and not ended."""
        return len(self._under_way)

    def begin(self, number: str) -> None:
        """A message is about to go out."""
        self._under_way.append(number)

    def end(self, at: Ms, number: str, parts: int) -> None:
        """What was begun has ended; parts: of it that may have gone out, for each is an SMS to the carrier."""
        self._under_way.remove(number)
        for _ in range(parts):
            self.sent(at, number)

    def sent(self, at: Ms, number: str) -> None:
        """An SMS may have gone out."""
        self._hour.append(at)
        self._day.append(at)
        if self.limits.monthly_recipients:
            self._recipients.pop(number, None)
            self._recipients[number] = at

    def take_back(self) -> None:
        """The last SMS that was told was not sent after all; its recipient stays known."""
        for window in (self._hour, self._day):
            if window:
                window.pop()

    def used(self, at: Ms) -> Used:
        self._forget(at)
        more = self.under_way
        new = len(set(self._under_way) - self._recipients.keys()) if self.limits.monthly_recipients else 0
        return Used(len(self._hour) + more, len(self._day) + more, len(self._recipients) + new)

    def allows(self, at: Ms, number: str) -> bool:
        """Whether a message may go out to this number now."""
        full = self.full(at)
        return not full or (full == RECIPIENTS and (number in self._recipients or number in self._under_way))

    def full(self, at: Ms) -> str:
        """The limit that is reached, as an operator would say it; "" if none is."""
        used, limits = self.used(at), self.limits
        if limits.hourly and used.hour >= limits.hourly:
            return "the hourly limit"
        if limits.daily and used.day >= limits.daily:
            return "the daily limit"
        full = limits.monthly_recipients and used.recipients >= limits.monthly_recipients
        return RECIPIENTS if full else ""

    def _forget(self, at: Ms) -> None:
        for window, length in ((self._hour, HOUR), (self._day, DAY)):
            while window and window[0] <= at - length:
                window.popleft()
        while self._recipients and next(iter(self._recipients.values())) <= at - MONTH:
            del self._recipients[next(iter(self._recipients))]
