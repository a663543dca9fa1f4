"""When a connection is read from, and when it is cut off since its client does not read what it asked for."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

UNREAD_S = 60.0  # for what is more than the buffers take, and for all of it once the connection is to end


class Flow(FlowControl):
    """uvicorn's, which pauses the transport; its own reasons to read on do not count while somebody holds it."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self._held = False
        self._lost = False
        self._cut_off: asyncio.TimerHandle | None = None

    def hold(self) -> None:
        """Read nothing until `release`: what has been read is not used up yet."""
        self._held = True
        if not self._transport.is_closing():
            self.pause_reading()

    def release(self) -> None:
        """Whoever needs more octets may read them again."""
        self._held = False

    def resume_reading(self) -> None:
        if not self._held:
            super().resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._give_time()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._transport.is_closing():
            self._stop_the_clock()

    def close(self) -> None:
        """End the connection once its client has read everything, or not in time."""
        self._transport.close()
        self._give_time()

    def lost(self) -> None:
        """The connection has ended."""
        self._lost = True
        self._stop_the_clock()

    def _give_time(self) -> None:
        if self._cut_off is None and not self._lost:
            self._cut_off = self._loop.call_later(UNREAD_S, self._transport.abort)

    def _stop_the_clock(self) -> None:
        if self._cut_off is not None:
            self._cut_off.cancel()
            self._cut_off = None
