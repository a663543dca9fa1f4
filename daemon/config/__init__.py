"""The configuration: one TOML file. `keys` declares what there is, `reading` reads it, `rules` judges it as a whole."""

from daemon.config.keys import SECTIONS, TABLE_ARRAYS, Account, Config, Modem, Security, Voice
from daemon.config.reading import DEFAULT_FILE, ConfigErrors, load, parse

__all__ = [
    "DEFAULT_FILE",
    "SECTIONS",
    "TABLE_ARRAYS",
    "Account",
    "Config",
    "ConfigErrors",
    "Modem",
    "Security",
    "Voice",
    "load",
    "parse",
]
