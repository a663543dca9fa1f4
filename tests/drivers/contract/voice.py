"""What drivers/__init__.py promises of a voice driver, as tests: one class, for every driver of this kind.

A driver passes by a class `TestMyDriver(VoiceContract)` with a fixture `bench`: the driver, not yet open, on a trunk
behind which the tests know what each number does.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Protocol

import pytest

from drivers import (
    Audio,
    Call,
    CallHandle,
    CallOutcome,
    CallPhase,
    CallResult,
    DeviceState,
    StateChanged,
    Unavailable,
    VoiceDriver,
)
from tests.gateway import until

BOUND_S = 20.0
ALL_PHASES = [CallPhase.DIALLING, CallPhase.RINGING, CallPhase.ANSWERED]


class VoiceBench(Protocol):
    """Two drivers that are not open yet; elsewhere: one whose trunk is not there.

    numbers: one for each way in which a call that is dialled and left alone can end; NO_ANSWER rings for ever.
    """

    driver: VoiceDriver
    elsewhere: VoiceDriver
    numbers: dict[CallOutcome, str]

    def calls(self) -> int:
        """How many calls have reached the far end."""


class Phases:
    """What `progress` was called with. acts: what else is done with each."""

    def __init__(self, acts: Callable[[CallPhase], None] = lambda _: None) -> None:
        self.seen: list[CallPhase] = []
        self._acts = acts

    def __call__(self, phase: CallPhase) -> None:
        self.seen.append(phase)
        self._acts(phase)


def speech(seconds: float = 0.4) -> Audio:
    octets = round(seconds * 8000)
    return Audio(b"\xff" * octets, b"\xd5" * octets)


def wait(driver: VoiceDriver, state: DeviceState) -> None:
    until(lambda: driver.status().state is state, f"{state}, not {driver.status()}", BOUND_S)


@contextmanager
def opened(driver: VoiceDriver, listener: Callable[[StateChanged], None] = lambda _: None) -> Iterator[VoiceDriver]:
    driver.open(listener)
    try:
        yield driver
    finally:
        driver.close()


@contextmanager
def ready(driver: VoiceDriver) -> Iterator[VoiceDriver]:
    with opened(driver):
        wait(driver, DeviceState.READY)
        yield driver


def ended(handle: CallHandle) -> CallResult:
    return handle.result.result(BOUND_S)


class VoiceContract:
    @pytest.fixture
    def bench(self) -> VoiceBench:
        raise NotImplementedError("the class of a driver gives its own")

    # --- states ---

    def test_the_constructor_does_no_work(self, bench: VoiceBench) -> None:
        assert bench.driver.name
        assert bench.driver.status().state is DeviceState.CLOSED
        bench.driver.close()

    def test_a_driver_that_is_not_open_calls_nobody(self, bench: VoiceBench) -> None:
        handle = bench.driver.call(Call(bench.numbers[CallOutcome.ANSWERED], speech()), Phases())
        assert isinstance(handle.result.exception(BOUND_S), Unavailable)
        handle.hang_up()

    def test_a_trunk_that_is_not_there_is_a_state_and_no_exception(self, bench: VoiceBench) -> None:
        phases = Phases()
        with opened(bench.elsewhere) as driver:
            until(lambda: driver.status().detail, "a reason", BOUND_S)
            assert driver.status().state is not DeviceState.READY
            handle = driver.call(Call(bench.numbers[CallOutcome.ANSWERED], speech()), phases)
            assert isinstance(handle.result.exception(BOUND_S), Unavailable)
        assert phases.seen == []

    def test_every_change_of_state_is_news_after_which_status_says_it(self, bench: VoiceBench) -> None:
        states: list[DeviceState] = []
        with opened(bench.driver, lambda _: states.append(bench.driver.status().state)):
            wait(bench.driver, DeviceState.READY)
            until(lambda: DeviceState.READY in states, "the news", BOUND_S)
        assert bench.driver.status().state is DeviceState.CLOSED

    # --- outcomes ---

    def test_a_call_that_is_answered_speaks_and_ends(self, bench: VoiceBench) -> None:
        phases = Phases()
        with ready(bench.driver) as driver:
            result = ended(driver.call(Call(bench.numbers[CallOutcome.ANSWERED], speech()), phases))
        assert result.outcome is CallOutcome.ANSWERED
        assert phases.seen == ALL_PHASES
        assert result.played_s == pytest.approx(0.4, abs=0.03)
        assert result.talk_s > 0
        assert bench.calls() == 1

    @pytest.mark.parametrize(
        "outcome", [CallOutcome.BUSY, CallOutcome.DECLINED, CallOutcome.NOT_FOUND, CallOutcome.NO_ANSWER]
    )
    def test_a_call_that_is_not_answered_says_why(self, bench: VoiceBench, outcome: CallOutcome) -> None:
        phases = Phases()
        with ready(bench.driver) as driver:
            result = ended(driver.call(Call(bench.numbers[outcome], speech(), ring_s=0.5), phases))
        assert result.outcome is outcome
        assert (result.talk_s, result.played_s, result.keys) == (0.0, 0.0, "")
        assert phases.seen == ALL_PHASES[: len(phases.seen)]
        assert CallPhase.ANSWERED not in phases.seen

    def test_calls_at_the_same_time_end_each_in_its_own_way(self, bench: VoiceBench) -> None:
        ways = [CallOutcome.ANSWERED, CallOutcome.BUSY, CallOutcome.DECLINED, CallOutcome.NO_ANSWER] * 2
        with ready(bench.driver) as driver:
            handles = [driver.call(Call(bench.numbers[way], speech(), ring_s=0.8), Phases()) for way in ways]
            assert [ended(handle).outcome for handle in handles] == ways

    # --- hanging up ---

    def test_hanging_up_while_it_rings_cancels(self, bench: VoiceBench) -> None:
        ringing = threading.Event()
        phases = Phases(lambda phase: ringing.set() if phase is CallPhase.RINGING else None)
        with ready(bench.driver) as driver:
            handle = driver.call(Call(bench.numbers[CallOutcome.NO_ANSWER], speech()), phases)
            assert ringing.wait(BOUND_S)
            handle.hang_up()
            assert ended(handle).outcome is CallOutcome.CANCELLED
            handle.hang_up()
        handle.hang_up()

    def test_hanging_up_at_once_ends_the_call(self, bench: VoiceBench) -> None:
        with ready(bench.driver) as driver:
            handle = driver.call(Call(bench.numbers[CallOutcome.NO_ANSWER], speech()), Phases())
            handle.hang_up()
            assert ended(handle).outcome is CallOutcome.CANCELLED

    def test_hanging_up_while_it_speaks_keeps_what_was_played(self, bench: VoiceBench) -> None:
        answered = threading.Event()
        phases = Phases(lambda phase: answered.set() if phase is CallPhase.ANSWERED else None)
        with ready(bench.driver) as driver:
            handle = driver.call(Call(bench.numbers[CallOutcome.ANSWERED], speech(30)), phases)
            assert answered.wait(BOUND_S)
            handle.hang_up()
            result = ended(handle)
        assert result.outcome is CallOutcome.ANSWERED
        assert result.played_s < 30

    # --- closing ---

    def test_closing_hangs_up_what_is_left(self, bench: VoiceBench) -> None:
        answered = threading.Event()
        phases = Phases(lambda phase: answered.set() if phase is CallPhase.ANSWERED else None)
        with ready(bench.driver) as driver:
            speaks = driver.call(Call(bench.numbers[CallOutcome.ANSWERED], speech(30)), phases)
            rings = driver.call(Call(bench.numbers[CallOutcome.NO_ANSWER], speech()), Phases())
            assert answered.wait(BOUND_S)
            driver.close()
            assert speaks.result.result(0).outcome is CallOutcome.ANSWERED
            assert rings.result.result(0).outcome is CallOutcome.CANCELLED
            assert driver.status().state is DeviceState.CLOSED
            assert driver.status().calls == 0

    def test_a_closed_driver_calls_nobody_and_can_be_opened_again(self, bench: VoiceBench) -> None:
        with ready(bench.driver) as driver:
            driver.close()
            handle = driver.call(Call(bench.numbers[CallOutcome.BUSY], speech()), Phases())
            assert isinstance(handle.result.exception(BOUND_S), Unavailable)
            driver.close()
        with ready(bench.driver) as driver:
            handle = driver.call(Call(bench.numbers[CallOutcome.BUSY], speech()), Phases())
            assert ended(handle).outcome is CallOutcome.BUSY
        assert bench.calls() == 1

    def test_closing_leaves_no_thread(self, bench: VoiceBench) -> None:
        before = set(threading.enumerate())
        with ready(bench.driver) as driver:
            ended(driver.call(Call(bench.numbers[CallOutcome.BUSY], speech()), Phases()))
        until(lambda: set(threading.enumerate()) <= before, "its threads end", BOUND_S)

    # --- threads ---

    def test_many_threads_may_call_at_once(self, bench: VoiceBench) -> None:
        results: list[CallResult] = []
        with ready(bench.driver) as driver:

            def call() -> None:
                results.append(ended(driver.call(Call(bench.numbers[CallOutcome.BUSY], speech()), Phases())))

            threads = [threading.Thread(target=call) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(BOUND_S)
        assert [result.outcome for result in results] == [CallOutcome.BUSY] * 6

    def test_who_is_called_back_may_ask_the_driver_for_more(self, bench: VoiceBench) -> None:
        """From a phase as from the end of a call: the driver holds no lock meanwhile."""
        more: Future[CallHandle] = Future()
        with ready(bench.driver) as driver:

            def act(phase: CallPhase) -> None:
                driver.status()
                if phase is CallPhase.RINGING:
                    more.set_result(driver.call(Call(bench.numbers[CallOutcome.BUSY], speech()), Phases()))

            first = driver.call(Call(bench.numbers[CallOutcome.NO_ANSWER], speech()), Phases(act))
            assert ended(more.result(BOUND_S)).outcome is CallOutcome.BUSY
            first.hang_up()
            assert ended(first).outcome is CallOutcome.CANCELLED
