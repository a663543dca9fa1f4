"""The thread of a voice driver: it owns the trunk, the calls and the audio process, and carries out commands."""

import contextlib
import logging
import queue
import selectors
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from drivers import Call, CallHandle, CallPhase, DeviceState, StateChanged, TrunkStatus
from drivers.guard import guarded, place
from drivers.pyvoip.audio import Audio, Located
from drivers.pyvoip.call_handle import CallEndings, Handle, IfLost, endings_of
from drivers.pyvoip.calls import Calls, Dial
from drivers.pyvoip.lease import Lease
from drivers.pyvoip.shared_parts import SharedParts
from drivers.pyvoip.trunk import Trunk
from drivers.rtp.supervisor import Supervisor
from drivers.sip.agent import UserAgent
from drivers.wake import Wake

log = logging.getLogger("pinwheel.voice")

CLOSE_S = 2.0  # for BYEs and the unregistration to be answered
COMMANDS_A_TURN = 16
STILL_S = 4.0  # without a turn, and status says so


@dataclass(frozen=True, slots=True)
class HangUp:
    """A command: end this call, if it is there."""

    handle: Handle


@dataclass(frozen=True, slots=True)
class Close:
    """A command: end all calls and take the registration back."""


Command = Dial | HangUp | Close | Located


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the thread publishes in each turn, at least once a second. turns: so far; at: when (monotonic)."""

    turns: int
    at: float
    status: TrunkStatus


class Signalling:
    """One generation: the thread, what it owns, and what others may ask of it.

    Only the thread uses agent and sockets. What fails inside one call ends that call. A thread that fails as a whole
    hangs up its calls itself before it ends. One that hangs is left alone: `abandon` ends its lease, so that it can do
    nothing when it wakes up, and the next generation ends its calls by what it left for that: its `endings`.
    """

    def __init__(self, shared: SharedParts, generation: int, endings: CallEndings = ()) -> None:
        self.generation = generation
        self.pulse = Pulse(0, time.monotonic(), TrunkStatus(DeviceState.STARTING, server=shared.options.server))
        self._shared = shared
        self._endings = endings
        self._lease = Lease()
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._closing_at: float | None = None
        self._selector = selectors.DefaultSelector()
        self._wake = Wake()
        self._supervisor = Supervisor(shared.name, self._selector, self._lease.fileno())
        self._trunk = Trunk(shared, self._lease, self._selector, self._wake)
        audio = Audio(shared.options, self._trunk, self._supervisor, self._ask)
        self._calls = Calls(shared.options, self._trunk, self._lease, self._supervisor, audio)
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)

    # --- for other threads ---

    def open(self) -> None:
        self._thread.start()

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        handle = Handle(lambda handle: self._ask(HangUp(handle)))
        self._ask(Dial(handle, call, progress))
        return handle

    def status(self) -> TrunkStatus:
        """Also of a thread that is dead or hangs."""
        pulse = self.pulse
        status = replace(pulse.status, calls=len(self._calls.if_lost))
        ending = status.state is DeviceState.CLOSED  # the last that the thread publishes
        if self.dead or (ending and self._closing_at is None):
            return replace(status, state=DeviceState.FAILED, detail="signalling died; it is started again", alive=False)
        if ending:
            return status
        still = self._lease.ended or time.monotonic() > pulse.at + STILL_S
        if still and self._thread.is_alive():
            return replace(status, state=DeviceState.FAILED, detail="signalling does not respond", alive=False)
        return status

    def close(self) -> None:
        self._ask(Close())
        if not self.join(CLOSE_S + 3):
            log.error("voice=%s signalling=stuck: closed without it", self._shared.name)
            self._report_lost()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def dead(self) -> bool:
        """The thread has ended, though nobody closed it."""
        return not self._thread.is_alive() and self._closing_at is None

    def abandon(self) -> CallEndings:
        """For the watch: this generation is over, its calls are reported as lost.

        Returns what is to be done so that the far ends know.
        """
        log.error(
            "voice=%s signalling=%s calls=%s: the next generation starts",
            self._shared.name,
            "died" if self.dead else "stuck",
            len(self._calls.if_lost),
        )
        return self._endings + endings_of(self._report_lost())

    def _report_lost(self) -> tuple[IfLost, ...]:
        """The calls of this generation, which is over."""
        self._lease.end()
        lost = self._calls.if_lost
        for each in lost:
            each.handle.settle(each.result)
        self._refuse_waiting()
        return lost

    def _ask(self, command: Command) -> None:
        self._commands.put(command)
        if self._lease.ended:  # looked at after the put: nobody is left waiting
            self._refuse_waiting()
        self._wake()

    def _refuse_waiting(self) -> None:
        """Commands that nobody will carry out."""
        with contextlib.suppress(queue.Empty):
            while True:
                command = self._commands.get_nowait()
                if isinstance(command, Dial):
                    command.handle.refuse("the trunk is not ready")

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._selector.register(self._wake, selectors.EVENT_READ)
            while not self._lease.ended and not self._closed():
                self._turn()
        except Exception as exc:  # noqa: BLE001 - the end of the thread; the watch starts the next generation
            if not self._lease.ended:
                log.error(
                    "voice=%s signalling=failed error=%s at=%s", self._shared.name, type(exc).__name__, place(exc)
                )
        finally:
            self._release()

    def _turn(self) -> None:
        now = time.monotonic()
        self._trunk.turn(now)
        self._supervisor.turn(now)
        if self._endings and self._trunk.agent is not None:
            self._take_over(self._trunk.agent, now)
        self._calls.turn(now)
        self._trunk.send()
        self._publish(self._current_status(), now)
        self._selector.select(min(max(self._deadline() - time.monotonic(), 0), self._shared.turn_s))
        self._wake.clear()
        self._obey()
        self._trunk.receive(time.monotonic())
        self._calls.read_audio()

    def _take_over(self, agent: UserAgent, now: float) -> None:
        """End the calls of the generation before, once there is a way to their far ends."""
        endings, self._endings = self._endings, ()
        for ending in endings:
            with guarded("ending"):
                agent.take_over(ending, now)

    def _deadline(self) -> float:
        if not self._commands.empty():
            return 0.0
        return min(self._trunk.deadline(), self._supervisor.deadline(), self._calls.deadline())

    def _obey(self) -> None:
        """Some at a time: a hundred new calls are not to look like a thread that hangs."""
        with contextlib.suppress(queue.Empty):
            for _ in range(COMMANDS_A_TURN):
                if not self._lease.ended:
                    self._do(self._commands.get_nowait())

    def _do(self, command: Command) -> None:
        match command:
            case Dial(handle) if self._closing_at is not None:
                handle.refuse("the driver is closing")
            case Dial():
                self._calls.dial(command, self._current_status())
            case HangUp(handle):
                self._calls.hang_up(handle)
            case Located():
                self._calls.on_located(command)
            case Close():
                self._begin_closing()
            case _:
                assert_never(command)

    def _current_status(self) -> TrunkStatus:
        """The trunk's, but without audio there are no calls."""
        status, audio = self._trunk.status(), self._supervisor
        if audio.problem:
            return replace(status, state=DeviceState.FAILED, detail=f"voice failed: {audio.problem}")
        if status.state is DeviceState.READY and not audio.ready:
            return replace(status, state=DeviceState.STARTING, detail="the audio process is starting")
        return status

    def _publish(self, status: TrunkStatus, now: float) -> None:
        before, self.pulse = self.pulse, Pulse(self.pulse.turns + 1, now, status)
        changed = (status.state, status.detail) != (before.status.state, before.status.detail)
        if changed and not self._lease.ended:
            self._shared.listener(StateChanged())

    # --- the end ---

    def _begin_closing(self) -> None:
        self._closing_at = now = time.monotonic()
        self._calls.hang_up_all(now)
        with guarded("unregister"):
            self._trunk.unregister(now)

    def _closed(self) -> bool:
        """Nothing is left to be answered, or it took too long."""
        if self._closing_at is None:
            return False
        quiet = not self._calls and self._trunk.idle and not self._endings
        return quiet or time.monotonic() > self._closing_at + CLOSE_S

    def _release(self) -> None:
        """On the thread itself, as the last thing: what is left ends here, unless the lease ended before.

        Of a thread that failed, the next generation ends it once more: whether the far end got that is not seen here.
        """
        if self._closing_at is None:
            self._endings += endings_of(self._calls.if_lost)
        self._calls.end("" if self._closing_at is not None else "signalling stopped responding")
        for work in (self._trunk.send, self._trunk.close, self._supervisor.close):
            with guarded("close"):
                work()
        with guarded("status"):
            closed = TrunkStatus(DeviceState.CLOSED, server=self._shared.options.server)
            self._publish(closed, time.monotonic())
        self._lease.end()
        self._refuse_waiting()
        for close in (self._selector.close, self._wake.close, self._lease.close):
            with guarded("close"):
                close()
