"""What ends a call whose user agent is lost, as a value for the next one to carry out."""

from dataclasses import dataclass, field

from drivers.sip.address import Address
from drivers.sip.call_requests import CallRequests
from drivers.sip.message import Message


@dataclass(frozen=True, slots=True)
class CallEnding:
    """request: the BYE, ready; or an INVITE that has no final response yet, to be cancelled as soon as it may be.

    provisional: the INVITE has had a response, so it may be cancelled now (RFC 3261 9.1).
    requests: of its call, apart from it: they sign what is challenged, and answer who answers the INVITE after all.
    """

    request: Message = field(repr=False)
    destination: Address
    requests: CallRequests = field(repr=False)
    provisional: bool = False
