"""What modems do differently: the table by which a simulated modem behaves as one make or another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """The defaults are a modem that behaves as the standards ask.

    command_s: how long each answer takes. first_s: more for the very first. late: commands, without their
    parameters, that take so many seconds the first time. unknown: commands that end in an error. muted_by_escape:
    ESC in front of a command makes it mute for ever, as ofono's phonesim. prompt_s: how much longer each prompt
    takes. sent: what it says of a message that was sent, with {mr}. starting_s: how long after its start it refuses
    the commands `not_yet`, with the error `not_yet_error`. storages: how many parameters AT+CPMS takes (27.005 3.2.2).
    acknowledged: it sends reports only in phase 2+ (AT+CSMS=1), and the next one only when the last was acknowledged
    (AT+CNMA). meanwhile: it answers commands while the network has a message; multitasking: it takes the next
    message then, too. for_messages: False for a port of a stick that answers AT but takes none. stores_reports: it
    knows no +CDS, so that they go to "SR". keeps_reports: where its stored profile keeps them, "" for nowhere
    (27.005 3.4.1, <ds> 2 or 0). incoming: where it stores messages; announced_incoming: where it says that it does,
    if elsewhere. flight: its radio is off at first. verbose: False for a stored profile with results in digits
    (ATV0).
    """

    command_s: float = 0.0
    first_s: float = 0.0
    late: tuple[tuple[str, float], ...] = ()
    unknown: frozenset[str] = frozenset()
    muted_by_escape: bool = False
    prompt_s: float = 0.0
    starting_s: float = 0.0
    not_yet: frozenset[str] = frozenset()
    not_yet_error: tuple[str, int] = ("ERROR", 0)
    storages: frozenset[int] = frozenset({1, 2, 3})
    acknowledged: bool = False
    meanwhile: bool = False
    multitasking: bool = False
    for_messages: bool = True
    stores_reports: bool = False
    keeps_reports: str = ""
    incoming: str = "SM"
    announced_incoming: str = ""
    flight: bool = False
    verbose: bool = True
    sent: tuple[str, ...] = ("+CMGS: {mr}", "OK")


STANDARD = Dialect()
