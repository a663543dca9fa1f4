"""The serial driver on a modem behind a pseudo-terminal: how tests open it, send by it and read its news."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from drivers import DeviceState, Receipt, Sms, SmsEvent
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.serial.timing import Timing
from tests.gateway import until

NUMBER = "447700900123"

BOUND_S = 20.0

FAST = Timing(
    alive=0.3,
    alive_tries=4,
    command=1.0,
    prompt=0.4,
    answer=0.6,
    listen=3.0,
    probe=0.3,
    busy=0.1,
    health=0.5,
    absent=0.1,
    retry=(0.05, 0.1),
    blocked=0.3,
    close=1.0,
)


def safe(kept: bool = True) -> Future[bool]:
    """What a listener answers who has kept the news already, or cannot."""
    future: Future[bool] = Future()
    future.set_result(kept)
    return future


class News:
    """The news of a driver."""

    def __init__(self) -> None:
        self.events: list[SmsEvent] = []

    def __call__(self, event: SmsEvent) -> Future[bool]:
        self.events.append(event)
        return safe()

    def first(self, kind: type, matching: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first event of the kind, once it has come."""
        return until(
            lambda: next((e for e in self.events if isinstance(e, kind) and matching(e)), None), kind.__name__, BOUND_S
        )


@contextmanager
def opened(port: str, news: News | None = None, timing: Timing = FAST, **options: Any) -> Iterator[Driver]:
    driver = Driver("sim1", Options(port=port, **options), timing)
    driver.open(news or News())
    try:
        yield driver
    finally:
        driver.close()


def ready(driver: Driver) -> Driver:
    return in_state(driver, DeviceState.READY)


def in_state(driver: Driver, state: DeviceState) -> Driver:
    until(lambda: driver.status().state is state, f"{state}, not {driver.status()}", BOUND_S)
    return driver


def sms(number: str = NUMBER, text: str = "Acme code: 1234.") -> Sms:
    return Sms(number, text, 300)


def send(driver: Driver, message: Sms) -> Receipt:
    return driver.send(message).result(BOUND_S)


OTHER, SILENT_HANDSET = "447700900145", "447700900186"

PATIENT = replace(FAST, answer=1.0)

SOON = replace(FAST, alive=0.1, alive_tries=2, pulse=0.3, recovery=(0.3, 0.3), retry=(0.05,))
