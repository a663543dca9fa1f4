"""Waiting within an event loop, as `tests.gateway.until` does outside of one."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
