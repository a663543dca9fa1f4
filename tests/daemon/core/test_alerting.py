"""When an operator gets an alert."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.alerting import MOST_LETTERS, Alerts, Message, Rules, Trouble, acknowledged, looked, went_out
from daemon.core.milliseconds import Ms, seconds

RULES = Rules(seconds(300), seconds(3600), 5)
MODEM = Trouble("modem-absent", "sim1", "modem sim1 is absent: no such port")
TRUNK = Trouble("trunk", "[voice]", "voice is waiting: no answer")


class Operator:
    """Looks at the times given, and takes each message."""

    def __init__(self) -> None:
        self.alerts = Alerts()

    def look(self, at_s: int, *troubles: Trouble, taken: bool = True) -> str | None:
        self.alerts, message = looked(self.alerts, troubles, seconds(at_s), RULES)
        if message is not None and taken:
            self.alerts = went_out(self.alerts, message, seconds(at_s))
        return message.text if message is not None else None


def test_an_alert_comes_when_trouble_has_lasted_and_again_while_it_stays() -> None:
    operator = Operator()
    assert [operator.look(at, MODEM) for at in (0, 299)] == [None, None]
    assert operator.look(300, MODEM) == MODEM.text
    assert [operator.look(at, MODEM) for at in (301, 3899)] == [None, None]
    assert operator.look(3900, MODEM) == MODEM.text


def test_trouble_that_comes_and_goes_is_one_trouble() -> None:
    operator = Operator()
    assert [operator.look(at, *[MODEM] * (at % 20 == 0)) for at in range(0, 300, 10)] == [None] * 30
    assert operator.look(300, MODEM) == MODEM.text
    assert [operator.look(at, *[MODEM] * (at % 20 == 0)) for at in range(310, 3000, 10)] == [None] * 269


def test_short_trouble_makes_no_alert() -> None:
    operator = Operator()
    assert operator.look(0, MODEM) is None
    assert [operator.look(at) for at in (10, 300, 310, 1000)] == [None] * 4
    assert operator.alerts == Alerts()


def test_the_end_of_trouble_makes_one_alert() -> None:
    operator = Operator()
    operator.look(0, MODEM, TRUNK)
    assert operator.look(300, MODEM, TRUNK) == f"{MODEM.text}; {TRUNK.text}"
    assert [operator.look(at, TRUNK) for at in (400, 700)] == [None, None]
    assert [operator.look(at) for at in (710, 1009)] == [None, None]
    assert operator.look(1010) == "all is well again"
    assert operator.look(1020) is None


def test_a_message_that_nobody_took_is_tried_again() -> None:
    operator = Operator()
    operator.look(0, MODEM)
    assert operator.look(300, MODEM, taken=False) == MODEM.text
    assert operator.look(360, MODEM) == MODEM.text


def test_what_the_operator_knows_makes_no_alert_until_it_has_come_back() -> None:
    operator = Operator()
    operator.look(0, MODEM)
    operator.look(300, MODEM)
    operator.alerts = acknowledged(operator.alerts)
    assert operator.look(5000, MODEM) is None
    operator.look(5010)
    assert operator.look(5310) == "all is well again"
    operator.look(6000, MODEM)
    assert operator.look(6300, MODEM) == MODEM.text


def test_a_message_says_what_fits_and_counts_the_rest() -> None:
    operator = Operator()
    many = [Trouble("modem-absent", f"sim{i}", f"modem sim{i} is absent: no such port") for i in range(9)]
    operator.look(0, *many)
    text = operator.look(300, *many) or ""
    assert text.endswith("; 5 more")
    assert len(text) < 160
    long = Operator()
    long.look(0, Trouble("x", "", "x" * 500))
    assert long.look(300, Trouble("x", "", "x" * 500)) == "x" * MOST_LETTERS


def test_a_message_knows_its_devices() -> None:
    assert Message("x", frozenset({("a", "sim1"), ("b", "")})).subjects == {"sim1", ""}


@given(st.lists(st.tuples(st.integers(1, 4000), st.sets(st.sampled_from([MODEM, TRUNK]))), max_size=120))
def test_no_day_has_more_messages_than_the_rules_allow(looks: list[tuple[int, set[Trouble]]]) -> None:
    operator, now, sent = Operator(), 0, list[int]()
    for wait, troubles in looks:
        now += wait
        if operator.look(now, *troubles) is not None:
            sent.append(now)
    assert all(later - sooner >= 86_400 for sooner, later in zip(sent, sent[RULES.a_day :], strict=False))


@pytest.mark.parametrize("after", [0, 1])
def test_messages_of_more_than_a_day_ago_count_no_more(after: int) -> None:
    alerts = Alerts(sent=(Ms(0),) * RULES.a_day)
    known, _ = looked(alerts, [], Ms(86_399_999 + after), RULES)
    assert len(known.sent) == RULES.a_day * (1 - after)
