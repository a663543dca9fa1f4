"""What distinguishes one modem from another: its IMEI (3GPP 23.003 6.2). Pure."""

import re

IMEI = re.compile(r"[0-9]{14,17}")  # in an answer
SAME_IMEI = 14  # digits; what follows is a check digit or the software's version


def same(one: str, other: str) -> bool:
    """Whether two belong to the same modem."""
    return one[:SAME_IMEI] == other[:SAME_IMEI]
