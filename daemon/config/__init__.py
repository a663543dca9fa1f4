"""The configuration: one TOML file.

`keys` declares what there is, with a check each; `reading` reads it, `syntax` explains what is no TOML, `rules`
compares keys, and `probing` looks whether what they name is there.
"""

from daemon.config.findings import ConfigErrors, Finding
from daemon.config.keys import (
    SECTIONS,
    TABLE_ARRAYS,
    Account,
    Alert,
    Api,
    Config,
    Modem,
    Operator,
    Retention,
    Security,
    Voice,
)
from daemon.config.reading import Inspection, inspect, load, parse, read

__all__ = [
    "SECTIONS",
    "TABLE_ARRAYS",
    "Account",
    "Alert",
    "Api",
    "Config",
    "ConfigErrors",
    "Finding",
    "Inspection",
    "Modem",
    "Operator",
    "Retention",
    "Security",
    "Voice",
    "inspect",
    "load",
    "parse",
    "read",
]
