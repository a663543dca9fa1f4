"""Who asks: by which account, and whether as an operator."""

from dataclasses import dataclass

from daemon.core.model import Request


@dataclass(frozen=True, slots=True)
class Caller:
    """Goes with every command and query. account: "" for none. operator: may look after the gateway itself.

    origin: the address or the user that the call came from.
    """

    account: str = ""
    operator: bool = False
    origin: str = ""

    def owns(self, request: Request) -> bool:
        """Whether the request is this caller's. An operator who names no account may touch them all.

        To anybody else a foreign request does not exist.
        """
        return request.account == self.account or (self.operator and not self.account)
