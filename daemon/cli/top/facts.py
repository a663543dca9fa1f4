"""What `top` shows in detail of a modem, of the trunk and of a request, from what the daemon says of them."""

from collections.abc import Mapping
from typing import Any

from daemon.cli.top.seen import Facts
from daemon.core.masking import without_numbers
from daemon.operations.wording import bars

ACCOUNT = {True: "registered", False: "not registered", None: ""}


def modem_facts(modem: Mapping[str, Any]) -> Facts:
    """modem: as /v1/modems shows it; an older daemon says less."""
    sent, limits, dbm = modem["sent"], modem["limits"], modem.get("signal_dbm")
    last, over = modem.get("last_error", ""), "over: " if modem.get("last_error_over") else ""
    return _known(
        ("state", _two(modem["state"], modem.get("detail", ""))),
        ("operator", modem.get("operator", "")),
        ("signal", "not known" if dbm is None else f"{bars(dbm)} {dbm} dBm"),
        ("balance", _balance(modem.get("balance"))),
        ("model", modem.get("model", "")),
        ("IMEI", modem.get("imei", "")),
        ("port", modem.get("port", "")),
        ("now", "sends" if modem.get("busy") else ""),
        ("an SMS takes", f"{modem['usual_s']:g} s" if modem.get("usual_s") else ""),
        ("last hour", _of(sent["hour"], limits["hour"])),
        ("last day", _of(sent["day"], limits["day"])),
        ("limit reached", modem.get("limit_reached") or ""),
        ("since the start", _counts(modem.get("outcomes", {}))),
        ("last error", last and f"{over}{modem['last_error_at']} {last}"),
        ("remarks", "; ".join(modem.get("remarks", ()))),
    )


def _balance(known: Mapping[str, Any] | None) -> str:
    """ "12.34 EUR, 2 h ago"."""
    if known is None:
        return ""
    return f"{known['amount']:.2f} {known['currency']}".rstrip() + f", {round(known['age_s'] / 3600)} h ago"


def trunk_facts(voice: Mapping[str, Any]) -> Facts:
    """voice: as /v1/voice shows it."""
    return _known(
        ("state", _two(voice["state"], voice.get("detail", ""))),
        ("server", voice.get("server", "")),
        ("account", ACCOUNT[voice.get("registered")]),
        ("calls", f"{voice.get('calls', 0)} under way, {voice.get('waiting', 0)} waiting"),
        ("since the start", _counts(voice.get("outcomes", {}))),
        ("speaks", ", ".join(voice.get("locales", ()))),
        ("driver", voice.get("driver", "")),
    )


def request_facts(request: Mapping[str, Any]) -> Facts:
    """request: as /v1/requests/ID shows it."""
    return _known(
        ("number", request["number"]),
        ("brand", request["brand"]),
        ("status", f"{request['status'].lower()}, event {request['event']} of {request['events']}"),
        ("workflow", f"{request['workflow_id']}, {request['locale']}"),
        ("submitted", request["submitted"]),
        ("due", request["due"]),
        *((f"event {attempt['event']}", _attempt(attempt)) for attempt in request["attempts"]),
    )


def _attempt(attempt: Mapping[str, Any]) -> str:
    by = f" by {attempt['device']}" if attempt["device"] else ""
    return _two(f"{attempt['channel']}{by}, PIN {attempt['pin']}, {attempt['state']}", attempt["detail"])


def _known(*facts: tuple[str, object]) -> Facts:
    """Those of which something is known, with masked numbers; the digits in the name of a port are none."""
    return tuple((name, str(text) if name == "port" else without_numbers(str(text))) for name, text in facts if text)


def _two(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _of(used: int, limit: int) -> str:
    return f"{used} of {limit}" if limit else str(used)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
