"""Settings that a restart, or flight mode, changes: not every modem says a banner when it restarts. Pure."""

from collections.abc import Iterator

from drivers.serial import at

CLEARED = (("AT+CMEE?", "+CMEE"), ("AT+CNMI?", "+CNMI"), ("AT+CFUN?", "+CFUN"))
"""The queries, and the names that begin their answers."""


class Settings:
    """One modem's in one session, as they were when all had been set up."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, line: str) -> None:
        """The answer to one of CLEARED, now that all is set up."""
        self._known[at.name_of(line)] = line

    def forget(self) -> None:
        self._known.clear()

    @property
    def queries(self) -> Iterator[tuple[str, str]]:
        """Those of CLEARED that the modem is known to answer."""
        return ((command, answer) for command, answer in CLEARED if answer in self._known)

    def differ(self, line: str) -> bool:
        """Whether this answer to one of them is another than when all was set up."""
        known = self._known.get(at.name_of(line))
        return known is not None and line != known
