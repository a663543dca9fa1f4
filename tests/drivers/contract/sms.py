"""What drivers/__init__.py promises of an SMS driver, as tests: one class, for every driver of this kind.

A driver passes by a class `TestMyDriver(SmsContract)` with a fixture `bench`: the driver, not yet open, on a device of
which the tests can say what it does.
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Protocol

import pytest

from drivers import (
    REFERENCES,
    Delivery,
    DeviceState,
    DriverError,
    IncomingSms,
    LateAnswer,
    LeftBehind,
    Receipt,
    Refused,
    Sms,
    SmsDriver,
    SmsEvent,
    StateChanged,
    StatusReport,
    Unavailable,
    Uncertain,
)
from tests.gateway import until

BOUND_S = 20.0
NUMBER, OTHER = "447700900123", "447700900145"
TEXT = "Acme code: 1234."


class SmsBench(Protocol):
    """A driver that is not open yet, and its device.

    refused, congested, unanswered: numbers that the network refuses for good, refuses once for now, and takes without
    that an answer comes. question: what the device answers and does not change it; command: what would change it.
    """

    driver: SmsDriver
    refused: str
    congested: str
    unanswered: str
    question: str
    command: str

    def again(self) -> SmsDriver:
        """Another driver for the device, as after a restart of the daemon."""

    def taken(self) -> list[tuple[str, str]]:
        """(number, text) of the messages that the network has, in its order."""

    def hold(self, held: bool) -> None:
        """The network says nothing to the message that it gets, until this is over."""

    def busy(self) -> bool:
        """The network has a message, and has said nothing yet."""

    def receive(self, sender: str, text: str) -> None: ...

    def plug(self, there: bool) -> None:
        """The device comes or goes."""


class Listener:
    """Keeps every event, and answers whether it is safe. keeps: what it answers; acts: what else it does with each."""

    def __init__(self, acts: Callable[[SmsEvent], None] = lambda _: None) -> None:
        self.events: list[SmsEvent] = []
        self.keeps = True
        self._acts = acts

    def __call__(self, event: SmsEvent) -> Future[bool]:
        self.events.append(event)
        self._acts(event)
        answer: Future[bool] = Future()
        answer.set_result(self.keeps)
        return answer

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@contextmanager
def opened(bench: SmsBench, listener: Listener | None = None, state: DeviceState = DeviceState.READY) -> Any:
    """The open driver, once it is in that state."""
    bench.driver.open(listener or Listener())
    try:
        wait(bench.driver, state)
        yield bench.driver
    finally:
        bench.hold(False)
        bench.driver.close()


def wait(driver: SmsDriver, state: DeviceState) -> None:
    until(lambda: driver.status().state is state, f"{state}, not {driver.status()}", BOUND_S)


def sms(number: str = NUMBER, text: str = TEXT) -> Sms:
    return Sms(number, text, 300)


def ended(future: Future[Receipt]) -> Receipt | BaseException:
    return future.exception(BOUND_S) or future.result()


class SmsContract:
    @pytest.fixture
    def bench(self) -> SmsBench:
        raise NotImplementedError("the class of a driver gives its own")

    # --- states ---

    def test_the_constructor_does_no_work(self, bench: SmsBench) -> None:
        assert bench.driver.name
        assert bench.driver.status().state is DeviceState.CLOSED
        bench.driver.close()

    def test_a_device_that_is_not_there_is_waited_for(self, bench: SmsBench) -> None:
        bench.plug(False)
        with opened(bench, state=DeviceState.ABSENT) as driver:
            assert driver.status().detail
            assert isinstance(ended(driver.send(sms())), Unavailable)
            bench.plug(True)
            wait(driver, DeviceState.READY)
            assert isinstance(ended(driver.send(sms(OTHER))), Receipt)
        assert [number for number, _ in bench.taken()] == [OTHER]

    def test_a_device_that_goes_is_a_state_and_no_exception(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            bench.plug(False)
            wait(driver, DeviceState.ABSENT)
            bench.plug(True)
            wait(driver, DeviceState.READY)
            assert isinstance(ended(driver.send(sms())), Receipt)

    def test_every_change_of_state_is_news_after_which_status_says_it(self, bench: SmsBench) -> None:
        states: list[DeviceState] = []
        listener = Listener(lambda _: states.append(bench.driver.status().state))
        with opened(bench, listener):
            bench.plug(False)
            wait(bench.driver, DeviceState.ABSENT)
            until(lambda: DeviceState.ABSENT in states, "the news", BOUND_S)
        until(lambda: states[-1] is DeviceState.CLOSED, "the last news", BOUND_S)
        assert DeviceState.READY in states
        assert listener.of(StateChanged)

    # --- outcomes ---

    @pytest.mark.parametrize("text", [TEXT, "x" * 400, "Код 1234", ""])
    def test_a_message_that_is_sent_ends_in_a_receipt(self, bench: SmsBench, text: str) -> None:
        with opened(bench) as driver:
            receipt = ended(driver.send(sms(text=text)))
        assert isinstance(receipt, Receipt)
        assert receipt.references
        assert all(0 <= reference < REFERENCES for reference in receipt.references)
        assert bench.taken() == [(NUMBER, text)]

    def test_messages_go_out_in_the_order_in_which_they_were_given(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            futures = [driver.send(sms(f"4477009001{place:02}")) for place in range(5)]
            receipts = [future.result(BOUND_S) for future in futures]
        assert [number for number, _ in bench.taken()] == [f"4477009001{place:02}" for place in range(5)]
        numbers = [receipt.references[-1] for receipt in receipts]
        assert all((after - before) % REFERENCES == 1 for before, after in pairwise(numbers))

    def test_each_end_has_its_own_exception_and_the_next_message_goes_out(self, bench: SmsBench) -> None:
        kinds = {bench.refused: Refused, bench.congested: Unavailable, bench.unanswered: Uncertain}
        with opened(bench) as driver:
            for number, kind in kinds.items():
                wait(driver, DeviceState.READY)
                end = ended(driver.send(sms(number)))
                assert isinstance(end, kind), (number, end)
                assert isinstance(end, DriverError)
                told = f"{end} {end!r} {end.__cause__!r}"
                assert number not in told
                assert "1234" not in told
            wait(driver, DeviceState.READY)
            assert isinstance(ended(driver.send(sms())), Receipt)
        assert [number for number, _ in bench.taken()] == [bench.unanswered, NUMBER]

    def test_what_is_unavailable_was_not_sent_and_may_be_tried_again(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            assert isinstance(ended(driver.send(sms(bench.congested))), Unavailable)
            assert bench.taken() == []
            assert isinstance(ended(driver.send(sms(bench.congested))), Receipt)

    def test_an_uncertain_message_that_is_answered_late_is_news(self, bench: SmsBench) -> None:
        listener, message = Listener(), sms()
        with opened(bench, listener) as driver:
            bench.hold(True)
            end = ended(driver.send(message))
            assert isinstance(end, Uncertain)
            assert end.parts >= 1
            bench.hold(False)
            (late,) = until(lambda: listener.of(LateAnswer), "the late answer", BOUND_S)
        assert late.sms is message
        assert isinstance(late.answer, Receipt)

    def test_a_message_that_an_earlier_run_left_gets_its_late_answer(self, bench: SmsBench) -> None:
        """Nobody used to know it after the daemon was killed, so that its answer was the next message's."""
        bench.driver.open(Listener())
        wait(bench.driver, DeviceState.READY)
        bench.hold(True)
        future = bench.driver.send(sms())
        until(bench.busy, "the network has it", BOUND_S)
        bench.driver.close()
        assert isinstance(ended(future), Uncertain)
        listener, left, driver = Listener(), sms(), bench.again()
        driver.open(listener, [LeftBehind(left, 1.0)])
        try:
            wait(driver, DeviceState.READY)
            bench.hold(False)
            (late,) = until(lambda: listener.of(LateAnswer), "the late answer", BOUND_S)
        finally:
            driver.close()
        assert late.sms is left
        assert isinstance(late.answer, Receipt)

    # --- cancelling ---

    def test_a_message_can_be_cancelled_until_it_is_its_turn(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            bench.hold(True)
            first, second = driver.send(sms()), driver.send(sms(OTHER))
            until(bench.busy, "the network has the first", BOUND_S)
            assert not first.cancel()
            assert second.cancel()
            bench.hold(False)
            assert isinstance(ended(first), Receipt)
            with pytest.raises(CancelledError):
                second.result(BOUND_S)
            driver.send(sms("447700900167")).result(BOUND_S)
        assert [number for number, _ in bench.taken()] == [NUMBER, "447700900167"]

    # --- closing ---

    def test_closing_ends_what_is_under_way(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            bench.hold(True)
            futures = [driver.send(sms()), driver.send(sms(OTHER))]
            until(bench.busy, "the network has the first", BOUND_S)
            closing = threading.Thread(target=driver.close)
            closing.start()
            closing.join(BOUND_S)
            assert not closing.is_alive()
            assert driver.status().state is DeviceState.CLOSED
            on_the_wire, waiting = (future.exception(0) for future in futures)
        assert isinstance(on_the_wire, Uncertain)
        assert isinstance(waiting, Unavailable)
        bench.hold(False)
        assert OTHER not in [number for number, _ in bench.taken()]

    def test_a_closed_driver_sends_nothing_and_can_be_opened_again(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            driver.close()
            assert isinstance(ended(driver.send(sms())), Unavailable)
            assert isinstance(driver.ask(bench.question).exception(BOUND_S), Unavailable)
            driver.close()
        with opened(bench) as driver:
            assert isinstance(ended(driver.send(sms(OTHER))), Receipt)
        assert [number for number, _ in bench.taken()] == [OTHER]

    def test_closing_leaves_no_thread(self, bench: SmsBench) -> None:
        before = set(threading.enumerate())
        with opened(bench) as driver:
            driver.send(sms()).result(BOUND_S)
        assert not [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]

    # --- news ---

    def test_deliveries_are_reported_in_the_order_in_which_they_were_made(self, bench: SmsBench) -> None:
        listener = Listener()
        with opened(bench, listener) as driver:
            receipts = [driver.send(sms(number)).result(BOUND_S) for number in (NUMBER, OTHER)]
            until(lambda: len(listener.of(StatusReport)) == 2, "two reports", BOUND_S)
        reports = listener.of(StatusReport)
        assert [report.reference for report in reports] == [receipt.references[-1] for receipt in receipts]
        assert [report.number for report in reports] == [NUMBER, OTHER]
        assert {report.delivery for report in reports} == {Delivery.DELIVERED}

    def test_a_message_that_came_is_handed_over_until_it_is_safe(self, bench: SmsBench) -> None:
        listener = Listener()
        listener.keeps = False
        with opened(bench, listener):
            bench.receive("447700900999", "Привет")
            until(lambda: listener.of(IncomingSms), "the message", BOUND_S)
            listener.keeps = True
            stored = listener.of(IncomingSms)[0].stored
            count = len(listener.of(IncomingSms))
            if stored:
                until(lambda: len(listener.of(IncomingSms)) > count, "it comes again", BOUND_S)
        assert {(each.sender, each.text) for each in listener.of(IncomingSms)} == {("447700900999", "Привет")}
        again = Listener()
        with opened(bench, again) as driver:
            driver.send(sms()).result(BOUND_S)
        assert again.of(IncomingSms) == []

    # --- threads ---

    def test_nothing_that_is_asked_waits_for_the_device(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            bench.hold(True)
            futures = [driver.send(sms(f"4477009001{place:02}")) for place in range(3)]
            question = driver.ask(bench.question)
            assert driver.status().state is DeviceState.READY
            assert not any(future.done() for future in futures)
            bench.hold(False)
            assert all(isinstance(ended(future), Receipt) for future in futures)
            assert question.exception(BOUND_S) is None or isinstance(question.exception(), Unavailable)

    def test_many_threads_may_send_at_once(self, bench: SmsBench) -> None:
        ends: list[Receipt | BaseException] = []
        with opened(bench) as driver:
            threads = [threading.Thread(target=lambda: ends.append(ended(driver.send(sms())))) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(BOUND_S)
        assert len(bench.taken()) == len(ends) == 8
        assert all(isinstance(end, Receipt) for end in ends)

    def test_who_listens_may_ask_the_driver_for_more(self, bench: SmsBench) -> None:
        """From the news as from the end of a message: the driver holds no lock meanwhile."""
        more: list[Future[Receipt]] = []

        def act(event: SmsEvent) -> None:
            if isinstance(event, StatusReport) and not more:
                more.append(bench.driver.send(sms(OTHER)))

        with opened(bench, Listener(act)) as driver:
            first = driver.send(sms())
            first.add_done_callback(lambda _: driver.status())
            until(lambda: more, "the report", BOUND_S)
            assert isinstance(ended(more[0]), Receipt)

    # --- an operator's question ---

    def test_a_question_is_answered_and_a_command_refused(self, bench: SmsBench) -> None:
        with opened(bench) as driver:
            assert driver.ask(bench.question).result(BOUND_S)
            assert isinstance(driver.ask(bench.command).exception(BOUND_S), Refused)
