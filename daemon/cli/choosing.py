"""Which lines of history `pinwheel events` prints."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CARRIED = 10_000  # deliveries of which the device is remembered


@dataclass(slots=True)
class Choice:
    """kinds, request_id, device: each of them narrows it, where it is given. It is asked for each line, in their order.

    A line names its device only where a delivery is given to one: what comes after that is of the same device, until
    the delivery is given to another.
    """

    kinds: Collection[str] = ()
    request_id: str | None = None
    device: str | None = None
    _devices: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def everything(self) -> bool:
        return not self.kinds and self.request_id is None and self.device is None

    def newest(self, lines: Iterable[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
        """The last lines that are wanted, the oldest of them first."""
        wanted = [line for line in lines if self.wants(line)]
        return wanted[len(wanted) - most :] if most < len(wanted) else wanted

    def wants(self, line: Mapping[str, Any]) -> bool:
        return (
            self._of_device(line)
            and (not self.kinds or line["kind"] in self.kinds)
            and self.request_id in (None, line["request_id"])
        )

    def _of_device(self, line: Mapping[str, Any]) -> bool:
        if self.device is None:
            return True
        if line["step"] is None:
            return line["kind"] == "incoming" and str(line["detail"]).startswith(f"{self.device} from ")
        delivery = (line["request_id"], line["step"])
        if line["kind"] == "sending":
            self._devices.pop(delivery, None)
            self._devices[delivery] = str(line["detail"])
            if len(self._devices) > CARRIED:
                del self._devices[next(iter(self._devices))]
        return self._devices.get(delivery) == self.device
