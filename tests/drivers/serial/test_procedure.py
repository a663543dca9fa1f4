"""A procedure orders, and gets what came of it: it neither waits nor reads a clock."""

import ast
from pathlib import Path

from drivers import DeviceState, Reason, serial
from drivers.serial.dialogue import MOST_LINES, ask
from drivers.serial.imei import same
from drivers.serial.modem_status import Condition
from drivers.serial.procedure import Begin, Came, Order, PinRead, Procedure, Time, run
from tests.drivers.serial.hand import Hand, done

KINDS = {"Talk", "Procedure"}


def test_each_order_is_carried_out_in_its_turn() -> None:
    ordered: list[Order] = []

    def carry_out(order: Order) -> Came:
        ordered.append(order)
        return Came(7.0 + len(ordered))

    def work() -> Procedure[list[float]]:
        return [(yield Time()).now, (yield Begin("AT")).now]

    assert run(work(), carry_out) == [8.0, 9.0]
    assert ordered == [Time(), Begin("AT")]


def test_what_orders_nothing_ends_at_once() -> None:
    def nothing() -> Procedure[str]:
        yield from ()
        return "ended"

    assert done(nothing()) == "ended"


def test_the_pin_of_a_sim_shows_in_no_order_and_no_answer() -> None:
    assert "4711" not in repr([Begin('AT+CPIN="4711"'), PinRead("4711"), Came(1.0, PinRead("4711"))])


def test_a_state_is_news_only_where_it_or_its_reason_is_another() -> None:
    news: list[str] = []
    condition = Condition(lambda: news.append(condition.now.detail))
    condition.become(DeviceState.ABSENT, "no port", Reason.NO_PORT)
    condition.become(DeviceState.ABSENT, "no port")
    condition.become(DeviceState.READY)
    condition.know(model="a modem")
    assert news == ["no port", ""]
    assert (condition.now.model, condition.now.state) == ("a modem", DeviceState.READY)


def test_the_same_imei_may_end_in_a_check_digit_or_a_version() -> None:
    assert same("356938035643809", "35693803564380")
    assert not same("356938035643809", "356938035643819")


def is_procedure(node: ast.FunctionDef) -> bool:
    returns = node.returns
    return isinstance(returns, ast.Subscript) and isinstance(returns.value, ast.Name) and returns.value.id in KINDS


def test_no_procedure_is_called_and_then_forgotten() -> None:
    """Without `yield from` nothing of it would be done, and nobody would notice. So its name is no other function's."""
    procedures: set[tuple[str, str]] = set()
    forgotten: set[tuple[str, str]] = set()
    for path in Path(serial.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and is_procedure(node):
                procedures.add((path.name if node.name.startswith("_") else "", node.name))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                called = node.value.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                forgotten |= {(path.name, name), ("", name)}
    assert {"ask", "initialise", "step", "make_room"} <= {name for _, name in procedures}
    assert procedures & forgotten == set()


def test_an_answer_without_end_is_no_memory_without_end() -> None:
    """There used to be 120 s in which a listing's lines were all kept."""
    hand = Hand({"AT+CMGL=4": [[*(f"+CMGR: {index}" for index in range(MOST_LINES + 5)), "OK"]]})
    reply = hand.run(ask("AT+CMGL=4", "+CMGR", timeout_s=1.0))
    assert reply.ok
    assert len(reply.answers) == MOST_LINES
