"""How much a SIM may send: SMS an hour and a day, and distinct recipients a month, by which carriers bar SIMs.

Pure: times are arguments. The windows slide. A recipient who had a message this month costs nothing.
"""

from collections import Counter, deque

from daemon.core.milliseconds import DAY, Ms, seconds
from daemon.core.values import value

HOUR, MONTH = seconds(3600), seconds(30 * 86_400)
RECIPIENTS = "the monthly limit of new recipients"


@value
class Limits:
    """0: no limit."""

    hourly: int = 0
    daily: int = 0
    monthly_recipients: int = 0


@value
class Used:
    """SMS in the last hour and day; recipients of the last 30 days, 0 where they have no limit."""

    hour: int
    day: int
    recipients: int


class Quota:
    """What one SIM has sent: a projection of the rows, so charge and refund follow their commit, in the order of time.

    A reservation stands for a charge that is not durable yet, so that two messages cannot both be the last one.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._hour: deque[tuple[Ms, str]] = deque()  # each SMS: when, to whom
        self._day: deque[tuple[Ms, str]] = deque()
        self._month: deque[tuple[Ms, str]] = deque()  # only where recipients have a limit
        self._recipients: Counter[str] = Counter()  # SMS of the month to each
        self._reserved: list[str] = []

    def reserve(self, number: str) -> None:
        """A message to this number is about to be charged."""
        self._reserved.append(number)

    def release(self, number: str) -> None:
        """It was not charged; if it was, nothing is reserved any more."""
        if number in self._reserved:
            self._reserved.remove(number)

    def charge(self, at: Ms, number: str, count: int = 1) -> None:
        """So many SMS may go out, or may have gone out. The first takes the place of its reservation."""
        self.release(number)
        charged = [(at, number)] * count
        self._hour.extend(charged)
        self._day.extend(charged)
        if self.limits.monthly_recipients:
            self._month.extend(charged)
            self._recipients[number] += count

    def refund(self, number: str, count: int = 1) -> None:
        """The last so many SMS to this number have not gone out."""
        for _ in range(count):
            _remove_last(self._hour, number)
            _remove_last(self._day, number)
            if _remove_last(self._month, number):
                self._forget_recipient(number)

    def used(self, at: Ms) -> Used:
        self._forget(at)
        more = len(self._reserved)
        # "- keys()" would go through all recipients of the month.
        new = (
            sum(number not in self._recipients for number in set(self._reserved))
            if self.limits.monthly_recipients
            else 0
        )
        return Used(len(self._hour) + more, len(self._day) + more, len(self._recipients) + new)

    def allows(self, at: Ms, number: str) -> bool:
        """Whether a message may go out to this number now."""
        full = self.full(at)
        return not full or (full == RECIPIENTS and (number in self._recipients or number in self._reserved))

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
            while window and window[0][0] <= at - length:
                window.popleft()
        while self._month and self._month[0][0] <= at - MONTH:
            self._forget_recipient(self._month.popleft()[1])

    def _forget_recipient(self, number: str) -> None:
        self._recipients[number] -= 1
        if not self._recipients[number]:
            del self._recipients[number]


def _remove_last(window: deque[tuple[Ms, str]], number: str) -> bool:
    """Take out the newest SMS to this number; whether there was one."""
    for place in reversed(range(len(window))):
        if window[place][1] == number:
            del window[place]
            return True
    return False
