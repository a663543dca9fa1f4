"""Whether a modem is registered with its network, by what it says, asked or not (3GPP 27.007 7.2). Pure."""

QUERIES = (("AT+CREG?", "+CREG"), ("AT+CGREG?", "+CGREG"), ("AT+CEREG?", "+CEREG"))
REGISTERED = frozenset({1, 5, 6, 7, 9, 10})
"""Home and roaming, also "SMS only" and "CSFB not preferred" (27.007 7.2)."""
DENIED = frozenset({3, 8, 11})
"""The network does not take the SIM, or only for calls of emergency."""
REASONS = {
    3: "the network denies registration: check that the SIM is active",
    8: "the network allows emergency calls only: check that the SIM is active",
    11: "the network allows restricted local services only: check that the SIM is active",
    2: "searching for a network: check the antenna",
    4: "no network is known: check the antenna",
    0: "not registered and not searching: check the SIM and the antenna",
}
"""Of <stat>, those first that say most."""


class Registrations:
    """<stat> of each domain that the modem has reported; on LTE only one of three may say that it is registered."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def update(self, domain: str, status: int) -> None:
        """domain: as in QUERIES."""
        self._known[domain] = status

    @property
    def registered(self) -> bool:
        """Also of a modem that has said nothing."""
        return not self._known or not REGISTERED.isdisjoint(self._known.values())

    @property
    def reason(self) -> str:
        """Why it is not registered."""
        return next((reason for status, reason in REASONS.items() if status in self._known.values()), "")

    @property
    def denied(self) -> bool:
        """The network does not take the SIM, rather than that there is none to be found."""
        return not DENIED.isdisjoint(self._known.values())
