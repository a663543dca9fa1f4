"""A call that ends by a defect of our own is settled, as a message is."""

import asyncio
from collections.abc import Callable

from daemon.clock import Clock
from daemon.core.commands import Policy, Start
from daemon.core.model import Attempt, AttemptState, Channel
from daemon.core.ownership import Caller
from daemon.engine import Engine
from daemon.lanes.voice import Manner, VoiceLane
from daemon.pins import Pins
from daemon.prompts.library import NEEDED, PromptLibrary
from daemon.store.store import Store
from drivers import Call, CallHandle, CallPhase, DeviceState, StateChanged, TrunkStatus
from tests.daemon.core.story import request


class Ready:
    """A voice driver that has a trunk, and is never called."""

    name = "ready"

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        listener(StateChanged())

    def status(self) -> TrunkStatus:
        return TrunkStatus(DeviceState.READY)

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:  # noqa: ARG002
        raise AssertionError("nothing was to be said")

    def close(self) -> None: ...


async def called(store: Store, prompts: PromptLibrary) -> Attempt:
    """What became of the only call of a request."""
    engine = Engine(store, Clock(), Pins(b"k" * 32), Policy())
    lane = engine.lanes[Channel.TTS] = VoiceLane(engine, Ready(), prompts, Manner(), max_calls=1, a_second=9)
    lane.open()
    await engine.do(Start(Caller(), request(7)))
    async with asyncio.timeout(20):
        while True:
            found = store.reading.request(request(7).id)
            assert found is not None
            if found[1].attempts[0].state not in (AttemptState.QUEUED, AttemptState.SENDING):
                break
            await engine.wait_for_news(0.2)
    await lane.close()
    return found[1].attempts[0]


def test_a_defect_in_making_the_speech_fails_its_call_alone(store: Store) -> None:
    """There used to be calls that stayed in "sending" until the daemon was started again."""
    no_audio = {"en-gb": dict.fromkeys(NEEDED, "not audio")}
    attempt = asyncio.run(called(store, PromptLibrary(no_audio)))  # type: ignore[arg-type]
    assert (attempt.state, attempt.detail) == (AttemptState.FAILED, "a defect: report the log")
