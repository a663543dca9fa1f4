"""Whose a request is: who asks, by which account, and whether as an operator."""

from collections.abc import Iterable

from daemon.core.model import Request
from daemon.core.values import value


@value
class Caller:
    """Goes with every command and query. account: its key, or who asks without one (see `unnamed`).

    operator: may look after the gateway itself. origin: the address or the user that the call came from.
    """

    account: str = ""
    operator: bool = False
    origin: str = ""

    def owns(self, request: Request) -> bool:
        """Whether the request is this caller's. An operator who names no account may touch them all.

        To anybody else a foreign request does not exist.
        """
        return request.account == self.account or (self.operator and not self.account)


MARK = ":"  # no key has one: in HTTP Basic it ends the key


def unnamed(keys: Iterable[str]) -> str:
    """In place of an account where the users of the accounts with these keys name none: "" for users of none.

    So what they start is theirs, and not everybody's who names no account.
    """
    return "".join(f"{MARK}{key}" for key in keys)


def account_id(account: str) -> str:
    """The key of an account as it is shown; "" where none was named."""
    return "" if account.startswith(MARK) else account
