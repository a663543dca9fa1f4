"""The lane of a channel for which no device is configured: whatever is to go out there is refused at once."""

import asyncio

from daemon.core.commands import GiveUp
from daemon.core.milliseconds import Ms
from daemon.core.model import Channel, Verdict
from daemon.engine import Engine, Job
from daemon.lanes.window import sweep

NEVER = Ms(2**62)
DEVICES = {Channel.SMS: "modem", Channel.TTS: "voice driver"}


class NoDevice:
    """Every method is for the event loop's thread."""

    def __init__(self, engine: Engine, channel: Channel) -> None:
        self._engine = engine
        self._channel = channel
        self._why = f"no {DEVICES[channel]} is configured"
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return 0

    def recover(self) -> None:
        """Refuse what the last run left, however much, beside everything else."""
        refusing = sweep(self._engine, self._channel, NEVER, self.put)
        self._sweeping = asyncio.get_running_loop().create_task(refusing, name=f"{self._channel}-sweep")

    def put(self, job: Job) -> None:
        self._engine.do(GiveUp(job.request_id, job.step, Verdict.REFUSED, self._why))

    def stop(self, request_id: str) -> None:
        """Nothing to do: nothing goes out."""
