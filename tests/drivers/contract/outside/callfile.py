"""A driver that somebody might add: writes the speech of each call into a file, as if all were answered."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from drivers import (
    Call,
    CallHandle,
    CallOutcome,
    CallPhase,
    CallResult,
    DeviceState,
    StateChanged,
    TrunkStatus,
    Unavailable,
)
from drivers.checks import whole_path
from drivers.settings import setting


@dataclass(frozen=True, slots=True)
class Options:
    directory: str = setting("", "Where calls are written.", required=True, check=whole_path)


@dataclass(slots=True)
class Handle(CallHandle):
    """It has ended when its caller gets it."""

    result: Future[CallResult] = field(default_factory=Future)

    def hang_up(self) -> None:
        """There is nothing left to stop."""


class Driver:
    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._directory = Path(options.directory)
        self._state = DeviceState.CLOSED
        self._listener: Callable[[StateChanged], None] = lambda _: None

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        self._listener = listener
        self._become(DeviceState.READY)

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        handle = Handle()
        if self._state is not DeviceState.READY:
            handle.result.set_exception(Unavailable("the driver is closed"))
            return handle
        progress(CallPhase.DIALLING)
        (self._directory / f"{call.number}.ulaw").write_bytes(call.audio.pcmu)
        progress(CallPhase.ANSWERED)
        handle.result.set_result(CallResult(CallOutcome.ANSWERED, played_s=call.audio.seconds))
        return handle

    def status(self) -> TrunkStatus:
        return TrunkStatus(self._state)

    def close(self) -> None:
        self._become(DeviceState.CLOSED)

    def _become(self, state: DeviceState) -> None:
        self._state = state
        self._listener(StateChanged())
