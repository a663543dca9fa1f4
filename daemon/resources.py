"""Where the files of config/ are: beside the code in a checkout, under share/pinwheel once installed."""

import sys
from pathlib import Path

DEFAULT_CONFIG = Path("/etc/pinwheel/pinwheel.toml")


def config_path(*parts: str) -> Path:
    """A file or directory of config/."""
    checkout = Path(__file__).resolve().parents[1] / "config"
    root = checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "pinwheel" / "config"
    return root.joinpath(*parts)
