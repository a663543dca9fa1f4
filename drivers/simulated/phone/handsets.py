"""What a called number does: the table of handsets, by the last two digits."""

from dataclasses import dataclass

TRYING_S = 0.1  # between 100 and 180: the network looks for the handset


@dataclass(frozen=True, slots=True)
class Handset:
    """How a called number behaves. final: its last word to an INVITE, None for never; talks_s: hangs up after that."""

    does: str
    final: int | None = 200
    rings_after_s: float | None = TRYING_S  # None: never rings, the final response comes at once
    talks_s: float | None = None
    early_media: bool = False
    mute: bool = False


HANDSETS = {
    "89": Handset("answers, but no audio comes from it, as through a firewall.", mute=True),
    "90": Handset("is busy (486).", 486, None),
    "91": Handset("rings for ever; nobody answers, until the caller cancels.", None),
    "92": Handset("rings, then declines the call (603).", 603),
    "93": Handset("does not exist (404).", 404, None),
    "94": Handset("answers and hangs up two seconds later.", talks_s=2.0),
    "95": Handset("answers and hangs up at once.", talks_s=0.0),
    "96": Handset("cannot be reached: the trunk is out of service (503).", 503, None),
    "97": Handset("is slow: it rings only after three seconds, then answers.", rings_after_s=3.0),
    "98": Handset("sends early media (183 and a tone) instead of ringing, then answers.", early_media=True),
    "99": Handset("may not be called: the trunk forbids it (403).", 403, None),
}
"""By the last two digits of the called number."""
ORDINARY = Handset("rings, answers, and listens until the caller hangs up.")
