"""When an operator gets an alert, and how often: not at once, not for ever, and not for trouble that he knows.

A trouble that goes away for less than `after` counts as one that stayed: a modem that comes and goes makes one alert.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from daemon.core.milliseconds import DAY, Ms
from daemon.core.phrases import Announcement
from daemon.core.values import value

TIME = re.compile(r"[0-9]{1,15}")
MOST_LETTERS = 125  # with the gateway's name before it and a count behind it, one SMS
TRY_AGAIN, MOST_TRIES = Ms(60_000), 8  # the pause after the first try doubles with each


@value
class Rules:
    """after: how long a trouble lasts before its alert; again: until the next alert; a_day: messages."""

    after: Ms
    again: Ms
    a_day: int


@value
class Trouble:
    """name: by which it is known again; subject: the device that it is about, or ""."""

    name: str
    subject: str
    text: str


@value
class Seen:
    """A trouble since when, and since when it is gone again. alerted: when last; acknowledged: no more alerts of it."""

    trouble: Trouble
    since: Ms
    gone: Ms | None = None
    alerted: Ms | None = None
    acknowledged: bool = False


@value
class Missed:
    """numbers that did not get a message. tries: so far; then: not before. reached: others have got it."""

    message: "AlertMessage"
    numbers: tuple[str, ...] = field(repr=False)
    tries: int
    then: Ms
    reached: bool


@value
class Alerts:
    """What is known. sent: when the messages of the last day were sent."""

    seen: Mapping[tuple[str, str], Seen] = field(default_factory=dict)
    sent: tuple[Ms, ...] = ()

    @property
    def alerted(self) -> tuple[Seen, ...]:
        """The troubles that the operator had an alert of, and that are not over."""
        return tuple(each for each in self.seen.values() if each.alerted is not None)


@value
class AlertMessage:
    """An alert. says: what a call says of it. about: troubles, by name and subject; none: all is over."""

    text: str
    says: Announcement
    about: frozenset[tuple[str, str]] = frozenset()

    @property
    def subjects(self) -> frozenset[str]:
        return frozenset(subject for _, subject in self.about)


OVER = AlertMessage("all is well again", Announcement.OVER)
TEST = AlertMessage("this is a test of [alert]", Announcement.TEST)


def looked(alerts: Alerts, troubles: Iterable[Trouble], now: Ms, rules: Rules) -> tuple[Alerts, AlertMessage | None]:
    """What is known after a look at the troubles that are there, and the alert that is due."""
    there = {(each.name, each.subject): each for each in troubles}
    seen = {key: each for key, each in alerts.seen.items() if key in there or not _over(each, now, rules)}
    for key, each in seen.items():
        seen[key] = replace(each, gone=None if key in there else each.gone or now)
    for key, trouble in there.items():
        seen[key] = replace(seen[key], trouble=trouble) if key in seen else Seen(trouble, now)
    known = Alerts(seen, tuple(at for at in alerts.sent if now - DAY < at <= now))
    if len(known.sent) >= rules.a_day:
        return known, None
    due = [each for each in seen.values() if _due(each, now, rules)]
    if due:
        about = frozenset(key for key, each in seen.items() if each in due)
        return known, AlertMessage(_text(due), Announcement.TROUBLE, about)
    return known, OVER if alerts.alerted and not known.alerted else None


def _over(seen: Seen, now: Ms, rules: Rules) -> bool:
    return seen.gone is not None and now - seen.gone >= rules.after


def _due(seen: Seen, now: Ms, rules: Rules) -> bool:
    if seen.gone is not None or seen.acknowledged:
        return False
    return now - seen.since >= rules.after if seen.alerted is None else now - seen.alerted >= rules.again


def _text(due: list[Seen]) -> str:
    """The oldest trouble first; what does not fit is counted."""
    texts = [each.trouble.text for each in sorted(due, key=lambda each: each.since)]
    shown = texts[:1]
    while len(shown) < len(texts) and len("; ".join([*shown, texts[len(shown)]])) <= MOST_LETTERS:
        shown.append(texts[len(shown)])
    more = f"; {len(texts) - len(shown)} more" if len(shown) < len(texts) else ""
    return "; ".join(shown)[:MOST_LETTERS] + more


def went_out(alerts: Alerts, message: AlertMessage, now: Ms) -> Alerts:
    """After the message has gone out."""
    seen = {key: replace(each, alerted=now) if key in message.about else each for key, each in alerts.seen.items()}
    return Alerts(seen, (*alerts.sent, now))


def written(sent: Iterable[Ms]) -> str:
    """When messages were sent, as a setting of the database: a restart begins no new day."""
    return " ".join(str(int(at)) for at in sent)


def read(text: str) -> tuple[Ms, ...]:
    """What `written` made; what is no time is left out."""
    return tuple(Ms(int(word)) for word in text.split() if TIME.fullmatch(word))


def acknowledged(alerts: Alerts) -> Alerts:
    """The operator knows what there is: no more alerts of it until it is over and comes back."""
    return replace(alerts, seen={key: replace(each, acknowledged=True) for key, each in alerts.seen.items()})


def addressees(
    message: AlertMessage | None, missed: Missed | None, numbers: Iterable[str], now: Ms
) -> tuple[AlertMessage | None, tuple[str, ...]]:
    """What is to be sent now, and to whom: an alert that is due, else one that was missed.

    Who was reached gets nothing twice. Whoever cannot be reached is tried more and more seldom, but for new trouble.
    """
    resting = missed if missed is not None and now < missed.then else None
    if message is not None:
        return (None, ()) if resting is not None and _known(message, resting) else (message, tuple(numbers))
    if missed is None or resting is not None or not missed.reached:
        return None, ()
    return missed.message, tuple(number for number in numbers if number in missed.numbers)


def missed_by(
    message: AlertMessage, numbers: Iterable[str], reached: bool, before: Missed | None, now: Ms, rules: Rules
) -> Missed | None:
    """After a try; None where nobody is left, or after the last try. reached: somebody got it now. before: this try.

    What has reached nobody is tried for as long as the trouble is there.
    """
    left = tuple(numbers)
    tries = before.tries + 1 if before is not None and _known(message, before) else 1
    reached = reached or not message.about or (tries > 1 and before is not None and before.reached)
    if not left or (reached and tries >= MOST_TRIES):
        return None
    return Missed(message, left, tries, Ms(now + min(TRY_AGAIN * 2 ** min(tries - 1, 20), rules.again)), reached)


def _known(message: AlertMessage, missed: Missed) -> bool:
    """Whether it says no more than the one that was missed."""
    return message.about <= missed.message.about and bool(message.about) == bool(missed.message.about)
