"""Who may call, and who is registered."""

import re
from collections.abc import Callable

from drivers.simulated.phone.digest import CHALLENGES, Authenticator
from drivers.simulated.phone.events import PhoneEvent
from drivers.simulated.phone.exchange import Exchange
from drivers.simulated.phone.message import Address, Message, uri_of

DEFAULT_S = 3600


class Registrar:
    """Keeps one contact for each address of record; asks for the password, if there is one."""

    def __init__(self, exchange: Exchange, password: str, listener: Callable[[PhoneEvent], None]) -> None:
        self._exchange, self._listener = exchange, listener
        self._authenticator = Authenticator(password) if password else None
        self._contacts: dict[str, str] = {}  # by address of record

    def passes(self, request: Message, source: Address) -> bool:
        """Whether the request shows the password; if not, it has been asked for."""
        if self._authenticator is None:
            return True
        status, header, answer = CHALLENGES[request.method]
        passes, stale = self._authenticator.check(request, answer)
        if not passes:
            self._exchange.reply(request, source, status, (header, self._authenticator.challenge(stale=stale)))
        return passes

    def register(self, request: Message, source: Address) -> None:
        if not self.passes(request, source):
            return
        whose, contact = uri_of(request.first("to")), request.first("contact")
        asked = re.search(r";\s{0,8}expires\s{0,8}=\s{0,8}([0-9]{1,9})", contact.rpartition(">")[2])
        seconds = int(asked[1]) if asked else int(re.sub(r"[^0-9]", "", request.first("expires"))[:9] or DEFAULT_S)
        if contact and seconds:
            self._contacts[whose] = uri_of(contact)
        elif contact:
            self._contacts.pop(whose, None)
        bound = self._contacts.get(whose)
        more = [("Contact", f"<{bound}>;expires={seconds}")] if bound else []
        self._exchange.reply(request, source, 200, *more, ("Expires", str(seconds)))
        if contact and seconds:
            self._listener(PhoneEvent("registered"))
