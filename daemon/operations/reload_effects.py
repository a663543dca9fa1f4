"""What a reload can do with each key of the configuration: take it up at once, or name it as needing a restart.

Every key has its row, those of the drivers by the row "..." of their section; a test goes through config/pinwheel.toml.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """When a changed key takes effect."""

    LIVE = "live"  # with the reload
    RESTART = "restart"
    COMMANDS = "commands"  # the daemon does not use it: the next command does


L, R, C = Effect.LIVE, Effect.RESTART, Effect.COMMANDS
DRIVER = "..."  # any key of the section's driver

EFFECTS: Mapping[str, Mapping[str, Effect]] = {
    "api": {
        "socket": R,
        "socket_mode": R,
        "allow_uids": L,
        "operator_uids": L,
        "tcp": R,
        "tls_cert": R,
        "tls_key": R,
        "console": R,
    },
    "store": {"url": R, "password_file": R},
    "retention": {"numbers": L, "requests": L, "history": L, "incoming": L},
    "security": {
        "key_file": R,
        "max_active_per_number": L,
        "cancel_after": L,
        "cancel_before_event": L,
        "on_refused": L,
        "allow_prefixes": L,
        "deny_prefixes": L,
        "requests_per_second": L,
    },
    "account": {"key": L, "secret_file": L, "uids": L, "gids": L},
    "operator": {"name": L, "secret_file": L},
    "modem": {
        "name": L,
        "driver": L,
        DRIVER: L,  # the modem is closed, once its message is finished, and opened again
        "hourly_limit": L,
        "daily_limit": L,
        "monthly_recipients": R,  # without a limit, the recipients of the month are not kept
        "on_uncertain": L,
        "balance_low": L,
        "number": L,
    },
    "alert": {"numbers": L, "name": L, "after": L, "again": L, "a_day": L},
    "canary": {"every": L, "number": L},
    "sms": {"flash": L, "least_life": R, "on_dropped": L, "origin": L},
    "voice": {
        "driver": R,
        DRIVER: R,
        "ring_seconds": L,
        "repeats": L,
        "confirm": L,
        "machine": L,
        "limit_seconds": L,
        "max_calls": L,
        "calls_per_second": L,
    },
    "prompts": {"directory": L, "engine": C, "brands": C, "level": C, "emphasis": C},
    "log": {"level": L},  # unless --log-level was given
    "workflow": {"id": L, "steps": L},
    "clock": {"speed": R},
}
"""By the name of the section, then of the key."""

ROW_NAMES: Mapping[str, str] = {"modem": "name", "account": "key", "operator": "name", "workflow": "id"}
"""By which key the rows of a section are distinguished."""

Tables = Mapping[str, Mapping[str, Any]]
"""Keys with their values by table: "[api]", or "[[modem]] sim1"."""


def effect(table: str, key: str) -> Effect:
    keys = EFFECTS[table.strip("[]").split("]]")[0]]
    return keys[key] if key in keys else keys[DRIVER]


def changed(before: Tables, after: Tables) -> Iterator[tuple[str, Effect]]:
    """What differs, and what a reload does with it: "[api] tcp"; a row that only one has as "[[modem]] sim1"."""
    for table in dict.fromkeys((*before, *after)):
        if table not in before or table not in after:
            yield table, _whole(table, before, after)
            continue
        names = dict.fromkeys((*before[table], *after[table]))
        for key in names:
            if before[table].get(key) != after[table].get(key):
                yield f"{table} {key}", effect(table, key)


def _whole(table: str, before: Tables, after: Tables) -> Effect:
    """Of a row that is added or removed: live, but for the first modem, or the last, which has no lane to go to."""
    section = table.partition("]]")[0]
    return L if section != "[[modem" or all(_has(section, each) for each in (before, after)) else R


def _has(section: str, tables: Iterable[str]) -> bool:
    return any(table.startswith(section) for table in tables)
