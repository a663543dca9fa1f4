"""How a configuration key is declared: a field of a frozen dataclass, with its help, unit and bounds."""

from collections.abc import Callable
from dataclasses import field
from typing import Any


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    check: Callable[[str], str] | None = None,
    required: bool = False,
) -> Any:
    """A configuration key: its default, one sentence, unit, bounds or choices; check: the mistake in a text, or ""."""
    metadata = {
        "help": help,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "check": check,
        "required": required,
    }
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)
