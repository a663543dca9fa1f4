"""One SIP account: a generation of signalling, and a watch that starts the next one where the thread is lost."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from drivers import Call, CallHandle, CallPhase, DeviceState, StateChanged, TrunkStatus
from drivers.guard import guarded
from drivers.pyvoip.call_handle import CallEndings, Handle
from drivers.pyvoip.options import Options
from drivers.pyvoip.server_location import locate
from drivers.pyvoip.shared_parts import Locator, SharedParts
from drivers.pyvoip.signalling import Signalling
from drivers.pyvoip.signalling_watch import Watch
from drivers.pyvoip.sip_port import SipPort
from drivers.sip.address import Timers

log = logging.getLogger("pinwheel.voice")


class Driver:
    """The watch reports the calls of a lost generation and starts the next; it touches no agent and no socket."""

    def __init__(
        self,
        name: str,
        options: Options,
        timers: Timers | None = None,
        *,
        locate: Locator = locate,
        check_s: float = 1.0,
    ) -> None:
        self.name = name
        self._port = SipPort()
        self._shared = SharedParts(
            name, options, timers or Timers(), locate, port=self._port, listener=lambda _: None, check_s=check_s
        )
        self._signalling: Signalling | None = None
        self._closing = threading.Event()
        self._watch_thread: threading.Thread | None = None

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        self._shared = replace(self._shared, listener=listener)
        self._closing.clear()
        self._start(1)
        watch = threading.Thread(target=self._watch, name="voice-watch", daemon=True)
        watch.start()
        self._watch_thread = watch  # not before: one that has not started yet looks like one that died

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        if self._signalling is not None:
            return self._signalling.call(call, progress)
        nobody = Handle(lambda _: None)
        nobody.refuse("the driver is not open")
        return nobody

    def status(self) -> TrunkStatus:
        if self._signalling is None:
            return TrunkStatus(DeviceState.CLOSED, server=self._shared.options.server)
        status = self._signalling.status()
        watched = self._watch_thread is None or self._watch_thread.is_alive()
        if status.alive and not watched:
            return replace(status, detail="the watch over signalling died; restart the daemon", alive=False)
        return status

    def close(self) -> None:
        if self._watch_thread is None or self._signalling is None:
            return
        self._closing.set()
        self._watch_thread.join()
        self._watch_thread = None
        self._signalling.close()
        self._port.close()

    def _start(self, generation: int, endings: CallEndings = ()) -> None:
        """What the listener asks of us must be there before it gets any news."""
        self._signalling = Signalling(self._shared, generation, endings)
        self._signalling.open()

    def _watch(self) -> None:
        """Where the next generation cannot be started, the next look tries again."""
        check_s = self._shared.check_s
        watch = Watch(check_s)
        while not self._closing.wait(check_s):
            with guarded("watch"):
                lost = self._signalling
                assert lost is not None
                if watch.look(lost.generation, lost.pulse.turns, time.monotonic(), dead=lost.dead):
                    self._replace(lost)

    def _replace(self, lost: Signalling) -> None:
        endings = lost.abandon()
        with guarded("status"):
            self._shared.listener(StateChanged())
        self._start(lost.generation + 1, endings)
