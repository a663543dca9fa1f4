"""Which lines of history are of a modem, of a kind, of a request."""

import pytest

from daemon.cli.choosing import CARRIED, Choice

Line = dict[str, object]


def line(request_id: str, kind: str, step: int | None = None, detail: str = "") -> Line:
    return {"request_id": request_id, "kind": kind, "step": step, "detail": detail}


HISTORY = [
    line("a", "started"),
    line("a", "event", 0, "sms A"),
    line("a", "sending", 0, "sim1"),
    line("b", "sending", 0, "sim2"),
    line("", "incoming", None, "sim1 from 447700900123: hello"),
    line("", "incoming", None, "sim10 from 447700900123: hello"),
    line("a", "uncertain", 0),
    line("a", "sending", 0, "sim2"),
    line("a", "sent", 0),
    line("a", "sending", 1, "voice"),
    line("a", "ringing", 1),
    line("a", "success"),
]


@pytest.mark.parametrize(
    ("choice", "which"),
    [
        (Choice(), list(range(12))),
        (Choice(device="sim1"), [2, 4, 6]),
        (Choice(device="sim2"), [3, 7, 8]),
        (Choice(device="sim10"), [5]),
        (Choice(device="voice"), [9, 10]),
        (Choice(device="sim2", request_id="a"), [7, 8]),
        (Choice(kinds=("sending",), request_id="b"), [3]),
        (Choice(kinds=("sending",), device="sim1"), [2]),
    ],
)
def test_a_line_is_of_the_device_that_had_the_delivery_then(choice: Choice, which: list[int]) -> None:
    assert choice.newest(HISTORY, 99) == [HISTORY[n] for n in which]
    assert choice.everything == (len(which) == 12)


def test_the_newest_lines_are_the_newest_of_those_that_are_wanted() -> None:
    assert Choice(device="sim1").newest(HISTORY, 1) == [HISTORY[6]]
    assert Choice(device="sim1").newest(HISTORY, 0) == []


def test_a_delivery_of_long_ago_is_forgotten() -> None:
    choice = Choice(device="sim1")
    assert choice.newest([line(str(n), "sending", 0, "sim1") for n in range(CARRIED + 1)], 1)
    assert [choice.wants(line(name, "delivered", 0)) for name in ("0", "1")] == [False, True]
