"""pinwheeld that says on stderr what each scrape of /metrics costs the event loop: `SCRAPE`, then ms of its thread."""

import sys
import time
from collections.abc import Coroutine, Generator
from typing import Any

from daemon.main import main
from daemon.operations.metrics import Metrics

written = Metrics.text


class Timed:
    """Awaits a coroutine. cpu_s: of the loop's thread, for its steps alone."""

    def __init__(self, coroutine: Coroutine[Any, Any, bytes]) -> None:
        self._coroutine = coroutine
        self.cpu_s = 0.0

    def __await__(self) -> Generator[Any, Any, bytes]:
        steps = self._coroutine.__await__()
        while True:
            began = time.thread_time()
            try:
                waits_for = next(steps)
            except StopIteration as end:
                return bytes(end.value)
            finally:
                self.cpu_s += time.thread_time() - began
            yield waits_for


async def timed(metrics: Metrics) -> bytes:
    scrape = Timed(written(metrics))
    text = await scrape
    print(f"SCRAPE {scrape.cpu_s * 1000:.3f}", file=sys.stderr, flush=True)
    return text


if __name__ == "__main__":
    Metrics.text = timed  # type: ignore[method-assign, assignment]
    main()
