"""Who we are at a trunk: our address of record, our account, and what callees see of us. Pure."""

import uuid
from dataclasses import dataclass, field

from drivers.pyvoip.options import Options
from drivers.sip.address import HostPort, TransportKind, host_port_of
from drivers.sip.digest import Account
from drivers.sip.message import Malformed
from drivers.sip.request_builder import Identity


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Made of the configuration. password: of the account, "" for none."""

    options: Options
    password: str = field(default="", repr=False)

    @property
    def kind(self) -> TransportKind:
        return TransportKind(self.options.transport)

    @property
    def domain(self) -> str:
        """Of our address and of callees."""
        return self.options.domain or str(HostPort(host_in(self.options.server)))

    @property
    def user(self) -> str:
        return self.options.username or "pinwheel"

    @property
    def address_of_record(self) -> str:
        return f"sip:{self.user}@{self.domain}"

    @property
    def account(self) -> Account | None:
        name = self.options.auth_username or self.options.username
        return Account(name, self.password) if name else None

    def instance(self, hostname: str) -> str:
        """The same URN for the same account on the same host, so that a registrar knows us again (RFC 5626 4.1)."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self.address_of_record} {hostname}").urn

    def callee(self, user: str) -> str:
        """The URI of somebody to call."""
        return f"sip:{user}@{self.domain}" + (";user=phone" if self.options.user_phone else "")

    def registrant(self) -> Identity:
        """Who registers; the host is filled in by `UserAgent.move`."""
        return Identity(self.address_of_record, self.user, "", self.kind, account=self.account)

    def caller(self) -> Identity:
        """Who calls, as callees see it and as the trunk learns it; the host is filled in by `UserAgent.move`."""
        options, user, account = self.options, self.user, self.account
        is_number = options.caller_id.lstrip("+").isdecimal()
        uri = f"sip:{options.caller_id if is_number else user}@{self.domain}"
        display = "" if is_number else options.caller_id.replace('"', "")
        asserted = (("p-asserted-identity", f"<{uri}>"),) if options.assert_identity or options.hide_number else ()
        if options.hide_number:
            hidden = (*asserted, ("privacy", "id"))
            anonymous = "sip:anonymous@anonymous.invalid"
            return Identity(anonymous, user, "", self.kind, display="Anonymous", account=account, headers=hidden)
        return Identity(uri, user, "", self.kind, display=display, account=account, headers=asserted)


def host_in(server: str) -> str:
    """The host of "host:port"; text that is none as it is: the look-up says what is wrong with it."""
    try:
        return host_port_of(server.removeprefix("sip:")).host
    except Malformed:
        return server
