"""Who sends requests: an address of ours, and the chain of requests under one Call-ID (RFC 3261 8.1.1)."""

import copy
import secrets
from dataclasses import dataclass, field, replace
from typing import Self

from drivers.sip.address import TransportKind
from drivers.sip.digest import CREDENTIALS, Account, Credentials
from drivers.sip.message import Message


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls, and from where: our URI, our user at `host` ("address:port"), our account or None.

    headers: more for each INVITE, such as P-Asserted-Identity (RFC 3325).
    """

    uri: str
    user: str
    host: str
    kind: TransportKind = TransportKind.UDP
    display: str = ""
    account: Account | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def contact(self) -> str:
        """The URI at which we are reached (8.1.1.8)."""
        return f"sip:{self.user}@{self.host}" + (f";transport={self.kind}" if self.kind.reliable else "")

    def via(self) -> str:
        """A Via of a new transaction, that asks for the port we are seen at (8.1.1.7, RFC 3581 3)."""
        return f"SIP/2.0/{self.kind.upper()} {self.host};branch=z9hG4bK{secrets.token_hex(10)};rport"


@dataclass(slots=True)
class Requester:
    """The requests of one call, registration or probe: its Call-ID, tag, CSeq and credentials."""

    identity: Identity
    call_id: str = field(default_factory=lambda: secrets.token_hex(16))
    tag: str = field(default_factory=lambda: secrets.token_hex(8))
    credentials: Credentials = field(init=False)
    _cseq: int = 0

    def __post_init__(self) -> None:
        self.credentials = Credentials(self.identity.account)

    def apart(self) -> Self:
        """A copy: what it makes is not counted here."""
        made = copy.copy(self)
        made.credentials = self.credentials.apart()
        return made

    def request(
        self, method: str, uri: str, to: str, *headers: tuple[str, str], route: tuple[str, ...] = (), body: bytes = b""
    ) -> Message:
        """With the next CSeq and a new branch, signed once we were challenged (22.2)."""
        self._cseq += 1
        made = self._made(method, uri, to, route, self._cseq, (*headers, *self.credentials.headers(method, uri)))
        return replace(made, body=body)

    def ack(self, invite: Message, uri: str, to: str, route: tuple[str, ...]) -> Message:
        """For a 2xx to an INVITE of ours: with its CSeq number and its credentials (13.2.2.4)."""
        signature = tuple(header for header in invite.headers if header[0] in CREDENTIALS)
        return self._made("ACK", uri, to, route, invite.cseq[0], signature)

    def _made(
        self, method: str, uri: str, to: str, route: tuple[str, ...], cseq: int, more: tuple[tuple[str, str], ...]
    ) -> Message:
        display = f'"{self.identity.display}" ' if self.identity.display else ""
        common = (
            ("via", self.identity.via()),
            ("max-forwards", "70"),
            *(("route", value) for value in route),
            ("from", f"{display}<{self.identity.uri}>;tag={self.tag}"),
            ("to", to),
            ("call-id", self.call_id),
            ("cseq", f"{cseq} {method}"),
            ("user-agent", "Pinwheel"),
        )
        return Message((*common, *more), method=method, uri=uri)

    def again(self, request: Message) -> Message:
        """A request that was challenged, once more: the same but for its branch, CSeq and credentials (22.2)."""
        self._cseq += 1
        fresh = {"via": self.identity.via(), "cseq": f"{self._cseq} {request.method}"}
        kept = ((name, fresh.get(name, value)) for name, value in request.headers if name not in CREDENTIALS)
        return replace(request, headers=(*kept, *self.credentials.headers(request.method, request.uri)))
