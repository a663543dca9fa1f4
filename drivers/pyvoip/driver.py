"""One SIP account: its signalling, and a watch over that."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from drivers import Call, CallHandle, CallPhase, DeviceState, StateChanged, TrunkStatus
from drivers.backoff import Backoff
from drivers.guard import guarded
from drivers.pyvoip.leg import Farewells, Handle
from drivers.pyvoip.locate import locate
from drivers.pyvoip.options import Options
from drivers.pyvoip.signalling import Signalling
from drivers.pyvoip.trunk import Locator
from drivers.sip.address import Timers

log = logging.getLogger("pinwheel.voice")

STILL_LOOKS = 5  # without a turn in between, a second apart, and the thread is given up


class Driver:
    """One SIP account: its signalling, and a watch over that."""

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
        self._options = options
        self._timers = timers or Timers()
        self._locate = locate
        self._check_s = check_s
        self._listener: Callable[[StateChanged], None] = lambda _: None
        self._signalling: Signalling | None = None
        self._closing = threading.Event()
        self._watch_thread: threading.Thread | None = None

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        self._listener = listener
        self._closing.clear()
        self._start()
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
            return TrunkStatus(DeviceState.CLOSED, server=self._options.server)
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

    def _start(self, farewells: Farewells = ()) -> None:
        """What the listener asks of us must be there before it hears anything."""
        self._signalling = Signalling(self.name, self._options, self._timers, self._locate, self._listener, farewells)
        self._signalling.open()

    def _watch(self) -> None:
        """Replace signalling that has died, or has not moved at several looks (not for so long: a suspended host).

        What dies again at once is replaced ever less often.
        """
        watched, turns, still = self._signalling, -1, 0
        backoff, began, not_before = Backoff(self._check_s), time.monotonic(), 0.0
        while not self._closing.wait(self._check_s):
            with guarded("watch"):
                signalling = self._signalling
                assert signalling is not None
                same = signalling is watched and signalling.turns == turns
                watched, turns, still = signalling, signalling.turns, still + 1 if same else 0
                now = time.monotonic()
                if (still >= STILL_LOOKS or signalling.dead) and now >= not_before:
                    not_before, began = now + backoff.pause(now - began), now
                    self._replace(signalling)

    def _replace(self, signalling: Signalling) -> None:
        """Where the new one cannot be started, the next look tries again."""
        log.error("voice=%s signalling=%s calls=%s: begun again", self.name, *signalling.trouble())
        farewells = signalling.abandon()
        with guarded("status"):
            self._listener(StateChanged())
        self._start(farewells)
