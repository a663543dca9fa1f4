"""The master key before the one in use: it goes when the last live request that began under it has ended."""

import asyncio
import logging

from daemon.core.commands import SetMeta
from daemon.engine import Engine
from daemon.master_key import OLD_ID, identity
from daemon.master_key_files import KeyPlace, KeyUnusable, alone, read_key
from daemon.store.contract import Reading, StoreUnusable

log = logging.getLogger("pinwheel")

LOOK_S = 600.0


class OldKey:
    """Of one daemon. in_use: the id of the key that it uses."""

    def __init__(self, engine: Engine, place: KeyPlace, in_use: str) -> None:
        self._engine = engine
        self._place = place
        self._in_use = in_use
        self._logged = False

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Delete the old key if nothing needs it."""
        pins = self._engine.pins
        if pins.old is not None:
            try:
                live = await self._engine.store.browse(self._live)
            except StoreUnusable:
                return  # it is looked at again
            if live:
                return
            pins.old = None
            self._engine.do(SetMeta(OLD_ID, ""))
        await asyncio.to_thread(self._remove_what_is_left_behind)

    def _live(self, reading: Reading) -> int:
        return reading.live(self._engine.pins.number - 1)

    def _remove_what_is_left_behind(self) -> None:
        try:
            with alone(self._place.path.parent):  # else a rotation could be half done
                if self._left_behind():
                    self._remove()
        except OSError as exc:
            log.debug("key=not_looked_at error=%r", str(exc))

    def _left_behind(self) -> bool:
        """Whether the file is there, and is not of a rotation that waits for the next start."""
        try:
            key = read_key(self._place.path, private=self._place.private)
        except KeyUnusable:
            return False
        return self._place.old.exists() and identity(key) == self._in_use

    def _remove(self) -> None:
        old = self._place.old
        try:
            if not self._place.ours:
                raise PermissionError(1, "it is not the daemon's file")
            old.unlink()
        except OSError as exc:
            if not self._logged:  # once is enough
                log.warning("key=unneeded path=%s error=%r; no request needs it any more; delete it", old, exc.strerror)
            self._logged = True
        else:
            log.info("key=deleted path=%s; no request needs it any more", old)
