"""How often hypothesis tries a property: a few times in `make test`, many times as often in `make soak`."""

import os
from typing import Any

from hypothesis import settings

VARIABLE = "PINWHEEL_EXAMPLES"  # so many times as often
TIMES = int(os.environ.get(VARIABLE, "1"))


def examples(count: int, **more: Any) -> settings:
    """Settings of a property that is not tried 50 times. A slow machine fails none: there is no deadline."""
    return settings(max_examples=count * TIMES, deadline=None, **more)


settings.register_profile("pinwheel", examples(50))
