"""How long answers take, by route and class of status. Pure: spans are arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.core.histogram import Histogram

OTHER = "other"  # routes that are not counted apart
HTTP_S = (0.005, 0.025, 0.1, 1.0)  # bounds; few, as each route and class has them
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


@dataclass(slots=True)
class HttpTimes:
    """routes: those that are counted apart, there from the start. A class of status is there once it was answered."""

    routes: frozenset[str]
    _found: dict[tuple[str, int], Histogram] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for route in (*sorted(self.routes), OTHER):
            self._found[route, 2] = Histogram(HTTP_S)

    def observe(self, path: str, status: int, seconds: float) -> None:
        """status: of HTTP."""
        key = (path if path in self.routes else OTHER, status // 100)
        found = self._found.get(key)
        if found is None:
            found = self._found.setdefault(key, Histogram(HTTP_S))
        found.observe(seconds)

    def copy(self) -> Mapping[tuple[str, str], Histogram]:
        """By route and class, for another thread."""
        return {(route, CLASSES[kind - 1]): each.copy() for (route, kind), each in self._found.items()}
