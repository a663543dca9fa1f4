"""Which lines of history `pinwheel events` prints."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CARRIED = 10_000  # deliveries of which the device is remembered


@dataclass(slots=True)
class Devices:
    """Of which device a line is. It is asked for each line, in their order.

    A line names its device only where a delivery is given to one: what comes after that is of the same device, until
    the delivery is given to another.
    """

    _given_to: dict[tuple[str, int], str] = field(default_factory=dict)

    def device_of(self, line: Mapping[str, Any]) -> str:
        """The name of a modem, wording.TRUNK, or ""."""
        if line["step"] is None:
            modem, received, _ = str(line["detail"]).partition(" from ")
            return modem if line["kind"] == "incoming" and received else ""
        delivery = (line["request_id"], line["step"])
        if line["kind"] == "sending":
            self._given_to.pop(delivery, None)
            self._given_to[delivery] = str(line["detail"])
            if len(self._given_to) > CARRIED:
                del self._given_to[next(iter(self._given_to))]
        return self._given_to.get(delivery, "")


@dataclass(slots=True)
class Choice:
    """kinds, request_id, device: each of them narrows it, where it is given. It is asked as Devices are."""

    kinds: Collection[str] = ()
    request_id: str | None = None
    device: str | None = None
    _devices: Devices = field(default_factory=Devices)

    @property
    def everything(self) -> bool:
        return not self.kinds and self.request_id is None and self.device is None

    def newest(self, lines: Iterable[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
        """The last lines that are wanted, the oldest of them first."""
        wanted = [line for line in lines if self.wants(line)]
        return wanted[len(wanted) - most :] if most < len(wanted) else wanted

    def wants(self, line: Mapping[str, Any]) -> bool:
        device = self._devices.device_of(line)
        return (
            self.device in (None, device)
            and (not self.kinds or line["kind"] in self.kinds)
            and self.request_id in (None, line["request_id"])
        )
