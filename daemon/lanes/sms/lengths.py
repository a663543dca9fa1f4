"""How many SMS the text of a request takes."""

from daemon.core.model import Request
from daemon.lanes.sms.sending import SmsText
from drivers.codecs import gsm7

KEPT = 1000
LONGEST_PIN = "0" * 10  # of a caller's own, which is sealed


class Lengths:
    """Of the last texts, by what makes them; the digits of a PIN do not matter."""

    def __init__(self, text: SmsText) -> None:
        self._text = text
        self._known: dict[tuple[object, ...], int] = {}

    def parts(self, request: Request) -> int:
        """1 where the text cannot be made: its message will fail for that, when it is sent."""
        pin = LONGEST_PIN if request.own_pin else "0" * request.code_length
        what = (request.locale, request.brand, request.pin_expiry, len(pin))
        if what not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            try:
                self._known[what] = len(gsm7.in_parts(self._text(request, pin))[1])
            except LookupError:
                return 1
        return self._known[what]
