"""Which requests are refused for how they are written, and which responses are dropped (RFC 3261 8.1.3.3, 8.2)."""

from drivers.sip.body import too_large
from drivers.sip.message import Malformed, Message
from drivers.sip.uri import uri_from

SINGLE = ("from", "to", "call-id", "cseq")
"""Headers that stand in every request once (RFC 3261 8.1.1)."""
BAD_REQUEST = (400, "Bad Request")


def refusal(request: Message) -> tuple[int, str] | None:
    """Status and reason of the answer to a request that cannot be used; None for one that can."""
    if request.version != "SIP/2.0":
        return 505, "Version Not Supported"
    names = [name for name, _ in request.headers]
    if any(names.count(name) != 1 for name in SINGLE) or request.cseq[1] != request.method:
        return BAD_REQUEST
    if request.uri.partition(":")[0].lower() not in ("sip", "sips"):
        return 416, "Unsupported URI Scheme"
    try:
        uri_from(request.uri)
    except Malformed:
        return BAD_REQUEST
    if too_large(request):
        return 413, "Request Entity Too Large"
    return None if request.complete else BAD_REQUEST


def for_us(response: Message) -> bool:
    """It is for us alone: one with two Vias went astray (RFC 3261 8.1.3.3)."""
    return len(response.all("via")) == 1
