"""A figure that is slow to find is not searched for at every question."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from daemon.store.cached_figure import CachedFigure


class Searches:
    """Each search takes 2 s by a clock in the hand, and finds its own number."""

    def __init__(self) -> None:
        self.count = 0
        self.clock = 100.0
        self.failing = False

    async def find(self) -> int:
        self.count += 1
        await asyncio.sleep(0)
        self.clock += 2
        if self.failing:
            raise OSError
        return self.count


def run(story: Callable[[Searches, "CachedFigure[int]"], Awaitable[None]]) -> None:
    async def main() -> None:
        searches = Searches()
        await story(searches, CachedFigure(searches.find, lambda: searches.clock))

    asyncio.run(main())


def test_whoever_asks_meanwhile_gets_the_same_figure() -> None:
    """There used to be a count of all requests for each who asked for the status: 65 ms of a core at 200,000."""

    async def story(_: Searches, costly: "CachedFigure[int]") -> None:
        assert await asyncio.gather(*(costly.get() for _ in range(5))) == [1] * 5

    run(story)


def test_a_figure_is_used_again_in_proportion_to_its_cost() -> None:
    async def story(searches: Searches, costly: "CachedFigure[int]") -> None:
        await costly.get()
        searches.clock += 19.5
        assert await costly.get() == 1
        searches.clock += 0.5
        assert await costly.get() == 2

    run(story)


def test_one_who_leaves_takes_the_figure_from_nobody() -> None:
    async def story(_: Searches, costly: "CachedFigure[int]") -> None:
        leaves, stays = asyncio.ensure_future(costly.get()), asyncio.ensure_future(costly.get())
        await asyncio.sleep(0)
        leaves.cancel()
        assert await stays == 1

    run(story)


def test_a_search_that_failed_is_made_again() -> None:
    async def story(searches: Searches, costly: "CachedFigure[int]") -> None:
        searches.failing = True
        with pytest.raises(OSError):
            await costly.get()
        searches.failing = False
        assert await costly.get() == 2

    run(story)
