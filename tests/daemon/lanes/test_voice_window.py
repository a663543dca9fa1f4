"""However many calls wait, the lane keeps a few hundred; the first whose PIN dies goes first."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from daemon.clock import Clock
from daemon.core.commands import Decision, Policy
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import AttemptState, Channel, Request
from daemon.engine import Engine
from daemon.lanes.voice import Manner, VoiceLane
from daemon.lanes.window import PAGE
from daemon.pins import Pins
from daemon.prompts.library import PromptLibrary, shipped_prompts
from daemon.store.store import Store
from drivers import Refused, Unavailable
from tests.daemon.core.story import request, started
from tests.daemon.lanes.waiting import until
from tests.daemon.store.writes import insert, run
from tests.drivers.contract.memory_voice import Driver, Options

NO_PROMPTS = PromptLibrary({})  # so each call ends as soon as it is to be spoken


def waiting(number: int, dies: Ms) -> Request:
    """A request whose call waits."""
    plain = started(request(7))
    assert plain.attempts[0].channel is Channel.TTS
    return replace(plain, id=f"{number:032x}", attempts=(replace(plain.attempts[0], not_after=dies),))


def lane(store: Store, *watchers: Callable[[Decision, Ms], None], a_second: float = 1000) -> VoiceLane:
    """Its driver is not open yet, so it has no trunk."""
    engine = Engine(store, Clock(), Pins(b"k" * 32), Policy())
    engine.watchers += watchers
    driver = Driver("trunk", Options())
    made = engine.lanes[Channel.TTS] = VoiceLane(engine, driver, NO_PROMPTS, Manner(), max_calls=3, a_second=a_second)
    return made


def test_of_many_calls_that_wait_for_a_trunk_a_few_hundred_are_in_memory_and_each_is_made_once(store: Store) -> None:
    """Each call that waited used to have a task and a copy: a million of them took minutes and half a gigabyte."""
    count, later = PAGE + 50, Clock().now() + s(600)
    run(store, *(insert(waiting(number, later + Ms(50 * (count - number)))) for number in range(count)))
    begun: list[int] = []

    def watch(decision: Decision, _: Ms) -> None:
        after = decision.after
        if after is not None and after.attempts[0].state is AttemptState.SENDING:
            begun.append(int(after.id, 16))

    async def main() -> None:
        made = lane(store, watch)
        made.recover()
        await until(lambda: made.snapshot().waiting == count)
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("call-")] == []
        made.open()  # the trunk is there
        await until(lambda: made.snapshot().waiting == 0 and not made.lines.busy)
        await made.close()

    asyncio.run(main())
    assert begun[:PAGE] == list(reversed(range(count)))[:PAGE]  # the first to die first
    assert sorted(begun) == list(range(count))


def test_a_call_whose_pin_has_died_while_it_waited_is_dropped(store: Store) -> None:
    now = Clock().now()
    run(store, *(insert(waiting(number, now + Ms(left))) for number, left in enumerate((-1, 300, 99_000))))

    def outcome(number: int) -> str:
        found = store.reading.request(f"{number:032x}")
        assert found is not None
        return f"{found[1].attempts[0].state} {found[1].attempts[0].detail}"

    async def main() -> None:
        made = lane(store)
        made.recover()
        await until(lambda: outcome(0) == outcome(1) == "dropped the PIN expired before a device was free")
        assert outcome(2) == "queued "
        assert made.snapshot().waiting == 1
        await made.close()

    asyncio.run(main())


def test_a_call_that_is_no_pins_is_not_made_while_pins_wait_or_there_is_no_trunk(store: Store) -> None:
    later = Clock().now() + s(600)
    run(store, *(insert(waiting(number, later)) for number in range(2)))

    async def refusal(made: VoiceLane) -> str:
        try:
            await anext(made.tests.call("447700900190", "1234", "en-us"))
        except (Refused, Unavailable) as exc:
            return str(exc)
        return ""

    async def main() -> None:
        made = lane(store, a_second=0.001)  # one call, and then none for long
        assert not made.spares(time.monotonic())
        made.recover()
        made.open()
        await until(lambda: made.snapshot().waiting == 1 and not made.lines.busy)
        assert not made.spares(time.monotonic())
        assert "no prompts" in await refusal(made)
        made.speaker.prompts = PromptLibrary.open([shipped_prompts()])
        assert "calls wait for the trunk" in await refusal(made)
        await made.close()

    asyncio.run(main())
