"""The thread of a voice driver: it owns the trunk, the calls and the audio process, and obeys what others ask."""

import contextlib
import logging
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from drivers import Call, CallHandle, CallPhase, DeviceState, StateChanged, TrunkStatus
from drivers.guard import guarded, place
from drivers.pyvoip.calls import Calls, Dial, Located
from drivers.pyvoip.leg import Farewells, Handle
from drivers.pyvoip.options import Options
from drivers.pyvoip.trunk import Locator, Trunk
from drivers.rtp.supervisor import Supervisor
from drivers.sip.address import Timers

log = logging.getLogger("pinwheel.voice")

CLOSE_S = 2.0  # for BYEs and the unregistration to be answered
STILL_S = 4.0  # without a turn, and status says so


@dataclass(frozen=True, slots=True)
class HangUp:
    """A command: end this call, if it is there."""

    handle: Handle


@dataclass(frozen=True, slots=True)
class Close:
    """A command: end all calls and take the registration back."""


Command = Dial | HangUp | Close | Located


class Signalling:
    """The thread, what it owns, and what others may ask of it; `abandon` is for when it no longer answers.

    Only the thread uses the agent. What fails inside one call ends that call. A thread that fails as a whole hangs up
    its calls itself before it ends; one that hangs has its sockets closed, so that it can do nothing when it wakes up,
    and its successor sends what it left for that: its `farewells`.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        timers: Timers,
        locate: Locator,
        listener: Callable[[StateChanged], None],
        farewells: Farewells = (),
    ) -> None:
        self.turns = 0  # goes up while the thread lives, at least once a second
        self._name = name
        self._options = options
        self._listener = listener
        self._turned_at = time.monotonic()
        self._farewells = farewells
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._status = TrunkStatus(DeviceState.STARTING, server=options.server)
        self._closing_at: float | None = None
        self._abandoned = False
        self._over = False
        self._selector = selectors.DefaultSelector()
        self._audio = Supervisor(name, self._selector)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._trunk = Trunk(options, timers, self._selector, self._rouse, locate)
        self._calls = Calls(options, self._trunk, self._audio, self._ask)
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
        status = replace(self._status, calls=len(self._calls))
        if self.dead:
            return replace(status, state=DeviceState.FAILED, detail="signalling died; it is started again", alive=False)
        still = not self._over and time.monotonic() > self._turned_at + STILL_S
        if still or self._abandoned:
            return replace(status, state=DeviceState.FAILED, detail="signalling does not respond", alive=False)
        return status

    def close(self) -> None:
        self._ask(Close())
        self._thread.join(CLOSE_S + 3)

    @property
    def dead(self) -> bool:
        return not self._thread.is_alive() and self._closing_at is None

    def trouble(self) -> tuple[str, int]:
        """What is wrong with it, for the log, and how many calls that costs."""
        return "died" if self.dead else "stuck", len(self._calls)

    def abandon(self) -> Farewells:
        """The thread does not come back: report its calls, and take from it what it could still do harm with.

        For the watch's thread. The agent is left alone; a thread that wakes up finds every socket closed. Returns what
        is to be sent so that the far ends know.
        """
        self._abandoned = True
        self._over = True
        farewells = self._calls.report_lost("signalling stopped responding")
        self._refuse_waiting()
        if self._thread.is_alive():
            self._close_all(self._trunk.cut_off)
        return self._farewells + farewells

    def _ask(self, command: Command) -> None:
        self._commands.put(command)
        if self._over:  # looked at after the put: nobody is left waiting
            self._refuse_waiting()
        self._rouse()

    def _refuse_waiting(self) -> None:
        """Commands that nobody obeys any more."""
        with contextlib.suppress(queue.Empty):
            while True:
                command = self._commands.get_nowait()
                if isinstance(command, Dial):
                    command.handle.refuse("the trunk is not ready")

    def _rouse(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake anyway; closed: nobody is there
            self._wake_out.send(b"!")

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._selector.register(self._wake_in, selectors.EVENT_READ)
            while not self._abandoned and not self._closed():
                self._turn()
        except Exception as exc:  # noqa: BLE001 - the watch starts another thread
            if not self._abandoned:  # else it found its sockets closed
                log.error("voice=%s signalling=failed error=%s at=%s", self._name, type(exc).__name__, place(exc))
        finally:
            self._release()

    def _turn(self) -> None:
        self.turns += 1
        now = self._turned_at = time.monotonic()
        self._trunk.turn(now)
        self._audio.turn(now)
        if self._farewells and self._trunk.agent is not None:
            self._trunk.agent.outbox += self._farewells
            self._farewells = ()
        self._calls.turn(now)
        self._trunk.send()
        self._set_status(self._current_status())
        self._selector.select(min(max(self._deadline() - time.monotonic(), 0), 1.0))
        self._read_wake()
        if not self._abandoned:  # while a command held us up
            self._trunk.receive(time.monotonic())
            self._calls.read_audio()

    def _deadline(self) -> float:
        return min(self._trunk.deadline(), self._audio.deadline(), self._calls.deadline())

    def _read_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_in.recv(4096)
        self._obey()

    def _obey(self) -> None:
        with contextlib.suppress(queue.Empty):
            while not self._abandoned:
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
        status = self._trunk.status()
        if self._audio.problem:
            return replace(status, state=DeviceState.FAILED, detail=f"voice failed: {self._audio.problem}")
        if status.state is DeviceState.READY and not self._audio.ready:
            return replace(status, state=DeviceState.STARTING, detail="the audio process is starting")
        return status

    def _set_status(self, status: TrunkStatus) -> None:
        changed = (status.state, status.detail) != (self._status.state, self._status.detail)
        self._status = status
        if changed:
            self._listener(StateChanged())

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
        quiet = not self._calls and self._trunk.idle
        return quiet or time.monotonic() > self._closing_at + CLOSE_S

    def _release(self) -> None:
        """On the thread itself, as the last thing: what is left ends here, and the far ends are told once."""
        self._over = True
        self._calls.end("" if self._closing_at is not None else "signalling stopped responding")
        with guarded("send"):
            self._trunk.send()
        self._close_all(self._trunk.close)
        self._refuse_waiting()
        with guarded("status"):
            self._set_status(TrunkStatus(DeviceState.CLOSED, server=self._options.server))

    def _close_all(self, close_trunk: Callable[[], None]) -> None:
        """Sockets and processes. Two threads may do this at a time; what the other one has closed is closed."""
        closing = (self._audio.close, close_trunk, self._selector.close, self._wake_in.close, self._wake_out.close)
        for close in closing:
            with guarded("close"):
                close()
