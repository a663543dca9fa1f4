"""What happened, how long, how strong: in words and signs for people."""

from collections.abc import Mapping
from typing import Any

SIGNAL_BARS = ((-73, "▂▄▆█"), (-83, "▂▄▆ "), (-93, "▂▄  "), (-113, "▂   "))  # the least dBm of each

OF_A_DELIVERY: Mapping[str, str] = {
    "event": "begins",
    "queued": "waits again",
    "sending": "given to the device",
    "sent": "accepted by the network",
    "delivered": "delivered",
    "refused": "refused",
    "uncertain": "may have been sent, or not",
    "failed": "failed",
    "dropped": "withdrawn before it was sent",
    "dialling": "dialling",
    "ringing": "the phone rings",
    "answered": "answered",
}
OF_A_REQUEST: Mapping[str, str] = {
    "started": "request started",
    "check": "a code was typed",
    "success": "verified",
    "failed": "ended, not verified",
    "expired": "ended, too late",
    "cancelled": "cancelled",
    "incoming": "incoming SMS",
}
TRUNK = "voice"
"""What a delivery calls the trunk, where it names its device."""
CHANNELS: Mapping[str, str] = {"sms": "SMS", "tts": "call"}


def channel_word(channel: str) -> str:
    """As people say it; as it is, where that is not known here."""
    return CHANNELS.get(channel, channel)


def words(line: Mapping[str, Any]) -> str:
    """A line of history (see `HistoryLine`) as a sentence; its kind as it is, where that is not known here."""
    kind, step, detail = str(line["kind"]), line["step"], str(line["detail"] or "")
    if kind == "event":
        channel, _, letter = detail.partition(" ")
        detail = f"{channel_word(channel)} with PIN {letter}" if letter else detail
    what = OF_A_REQUEST.get(kind, kind) if step is None else OF_A_DELIVERY.get(kind, kind)
    of_what = "" if step is None else f"event {int(step) + 1} "
    if kind == "sending" and detail:
        return f"{of_what}given to {'the trunk' if detail == TRUNK else detail}"
    return f"{of_what}{what}" + (f": {detail}" if detail else "")


def bars(dbm: int | None) -> str:
    """The strength of a signal; "none" where it is not known."""
    return next((bars for least, bars in SIGNAL_BARS if dbm is not None and dbm >= least), "none")


def span(seconds: float) -> str:
    """How long, by the two largest units: "4 s", "3 min 20 s", "2 d 5 h"."""
    left = int(seconds)
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min {left % 60} s"
    if left < 86_400:
        return f"{left // 3600} h {left % 3600 // 60} min"
    return f"{left // 86_400} d {left % 86_400 // 3600} h"
