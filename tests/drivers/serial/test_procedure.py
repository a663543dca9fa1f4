"""A procedure orders, and gets what came of it: it neither waits nor reads a clock."""

from drivers import DeviceState, Reason
from drivers.serial.imei import same
from drivers.serial.modem_status import Condition
from drivers.serial.procedure import Begin, Came, Order, PinRead, Procedure, Time, run
from tests.drivers.serial.hand import done


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
