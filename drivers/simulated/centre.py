"""The service centre behind a simulated modem, and the handsets that it delivers to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from drivers.simulated.pdus import Submit, status_report


@dataclass(frozen=True, slots=True)
class Handset:
    """What becomes of a message to a number. error: +CMS ERROR; reports: TP-ST of each status report."""

    help: str
    error: int | None = None
    once: bool = False  # the error comes only the first time
    extra_s: float = 0.0
    answered: bool = True
    with_reference: bool = True
    restarts: bool = False
    garbage: bool = False
    reports: tuple[int, ...] = (0x00,)


HANDSETS: dict[str, Handset] = {
    "80": Handset("the network refuses it for good (CMS 1, unassigned number)", error=1),
    "81": Handset("the network is congested once (CMS 42), then takes it", error=42, once=True),
    "82": Handset("sent, but the modem never says so; the handset reports delivery", answered=False),
    "83": Handset("sent, and the modem says so 45 s late", extra_s=45.0),
    "84": Handset("switched off: the first report says trying (0x30), the second delivered", reports=(0x30, 0x00)),
    "85": Handset("never reached: the report says failed (0x46, validity period expired)", reports=(0x46,)),
    "86": Handset("sent, and no report ever comes", reports=()),
    "87": Handset("the modem resets while it sends, and nothing is sent", restarts=True),
    "88": Handset("noise on the line in the middle of the modem's answer", garbage=True),
    "89": Handset("the modem says OK without +CMGS, as a Siemens MC35i after a failure", with_reference=False),
}
"""By the last two digits of the number."""
PLAIN = Handset("takes the message and reports delivery")


class ServiceCentre:
    """Knows no time and no modem. accepted: (number, text) of the messages that are whole; submits: their parts.

    arrived: is called with the number and text of each whole message.
    """

    def __init__(self, handsets: Mapping[str, Handset], arrived: Callable[[str, str], None]) -> None:
        self.accepted: list[tuple[str, str]] = []
        self.submits: list[Submit] = []
        self._handsets, self._arrived = handsets, arrived
        self._parts: dict[tuple[str, int], dict[int, str]] = {}
        self._known: set[str] = set()  # numbers whose error or restart has come once

    def handset_of(self, number: str) -> Handset:
        return self._handsets.get(number[-2:], PLAIN)

    def error_of(self, number: str) -> int | None:
        """The +CMS ERROR by which this message is refused."""
        handset, before = self.handset_of(number), number in self._known
        if handset.error is None or (handset.once and before):
            return None
        self._known.add(number)
        return handset.error

    def restarts(self, number: str) -> bool:
        """Whether the modem restarts in the middle of this message: the first time only."""
        first = self.handset_of(number).restarts and number not in self._known
        if first:
            self._known.add(number)
        return first

    def take(self, submit: Submit) -> None:
        """To the handset, once all parts are there."""
        self.submits.append(submit)
        text = submit.text
        if submit.part is not None:
            reference, count, place = submit.part
            parts = self._parts.setdefault((submit.number, reference), {})
            parts[place] = submit.text
            if len(parts) < count:
                return
            text = "".join(parts[number] for number in sorted(parts))
            del self._parts[submit.number, reference]
        self.accepted.append((submit.number, text))
        self._arrived(submit.number, text)

    def reports(self, submit: Submit, reference: int) -> Iterator[bytes]:
        """The PDUs of the status reports that the handset causes, in their order."""
        if submit.wants_report:
            for status in self.handset_of(submit.number).reports:
                yield status_report(reference, submit.number, status)
