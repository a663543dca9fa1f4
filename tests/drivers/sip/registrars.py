"""Registrars of a test, for more than one file."""

from dataclasses import dataclass, field

from drivers.sip.message import Message, parameters, uri_of

OLD = "sip:gw@192.0.2.9:40001"


@dataclass
class OneContact:
    """A registrar as Asterisk is with max_contacts=1 and remove_existing=no; each nonce is good for `uses` requests."""

    uses: int = 1_000_000
    bound: list[str] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)
    _nonces: int = 0
    _left: int = 0

    def answer(self, request: Message) -> tuple[int, tuple[tuple[str, str], ...]]:
        self.heard.append(request)
        signature = request.get("authorization")
        if f'nonce="n{self._nonces}"' not in signature or self._left == 0:
            stale = ", stale=true" if signature else ""
            self._nonces, self._left = self._nonces + 1, self.uses
            return 401, (("www-authenticate", f'Digest realm="asterisk", nonce="n{self._nonces}"{stale}'),)
        self._left -= 1
        return self._bind(request) if request.method == "REGISTER" else (200, ())

    def _bind(self, request: Message) -> tuple[int, tuple[tuple[str, str], ...]]:
        kept = list(self.bound)
        for value in request.all("contact"):
            uri, expires = uri_of(value), parameters(value).get("expires", request.get("expires"))
            kept = [each for each in kept if each != uri] + ([uri] if expires != "0" else [])
        if len(kept) > 1:
            return 403, ()
        self.bound = kept
        return 200, tuple(("contact", f"<{uri}>;expires=300") for uri in kept)
