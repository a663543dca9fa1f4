"""Calls to operators: to try the trunk, with digits that are no PIN, and alerts. They belong to no request."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from daemon.clock import Clock
from daemon.core.phrases import Announcement
from daemon.lanes.voice.call_record import times_spoken
from daemon.lanes.voice.lines import Lines
from daemon.lanes.voice.one_call import Speaker
from daemon.prompts.library import PromptsUnusable, Speech
from drivers import CallPhase, CallResult, Refused, Unavailable

BRAND = "Pinwheel"
WAITING = "calls wait for the trunk: try again when they have been made"
BUSY = "all lines are busy: try again when a call has ended"
UNDER_WAY = "a test call is under way: wait for its end"


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """What became of a test call. locale: it was spoken in; spoken: how often what it had to say was said, 0 to 2."""

    result: CallResult
    locale: str
    spoken: int


Steps = AsyncGenerator[CallPhase | TrialEnd, None]


class TrialCalls:
    """Every method is for the event loop's thread.

    obstacle: why no call can be made now, or ""; freed: called when a line is free again.
    """

    def __init__(
        self, speaker: Speaker, lines: Lines, clock: Clock, obstacle: Callable[[], str], freed: Callable[[], None]
    ) -> None:
        self._speaker = speaker
        self._lines = lines
        self._clock = clock
        self._obstacle = obstacle
        self._freed = freed
        self._under_way = False

    def call(self, number: str, digits: str, locale: str) -> Steps:
        """A call that says digits: each phase as it is reached, then the end; whoever stops listening hangs up.

        Raises Unavailable or Refused before the first phase.
        """
        return self._made(number, lambda: self._speaker.speech(locale, digits, BRAND))

    def alert(self, number: str, says: Announcement, locale: str) -> Steps:
        """As `call`; it says a sentence, and asks for no key."""
        return self._made(number, lambda: self._speaker.prompts.announcement(locale, says))

    async def _made(self, number: str, said: Callable[[], Speech]) -> Steps:
        if self._under_way:
            raise Unavailable(UNDER_WAY)
        try:
            speech = said()
        except PromptsUnusable as exc:
            raise Refused(str(exc)) from None
        self._under_way = True
        try:
            await self._line()
            try:
                async with aclosing(self._called(number, speech)) as steps:
                    async for step in steps:
                        yield step
            finally:
                self._lines.free()
        finally:
            self._under_way = False
            self._freed()

    async def _line(self) -> None:
        """Take a line, at the pace of all calls. Raises Unavailable."""
        while True:
            obstacle = self._obstacle()
            wait_s = self._lines.wait_s(self._clock.monotonic())
            if obstacle or wait_s == float("inf"):
                raise Unavailable(obstacle or BUSY)
            if wait_s == 0:
                break
            await asyncio.sleep(wait_s)
        self._lines.take(self._clock.monotonic())

    async def _called(self, number: str, speech: Speech) -> Steps:
        loop = asyncio.get_running_loop()
        phases: asyncio.Queue[CallPhase | None] = asyncio.Queue()

        def note(phase: CallPhase | None) -> None:
            loop.call_soon_threadsafe(phases.put_nowait, phase)

        handle = self._speaker.dial(number, speech, note)
        handle.result.add_done_callback(lambda _: note(None))
        try:
            while (phase := await phases.get()) is not None:
                yield phase
        finally:
            handle.hang_up()
        result = handle.result.result()
        self._speaker.counts.ended(result)
        yield TrialEnd(result, speech.locale, times_spoken(result, speech))
