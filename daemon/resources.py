"""Where the files of config/ are: beside the code in a checkout, under share/pinwheel once installed."""

import sys
from pathlib import Path

DEFAULT_CONFIG = Path("/etc/pinwheel/pinwheel.toml")


def how_to_install(extra: str) -> str:
    """The command for an optional part of ours. By its path: on PyPI, our name is a stranger's package."""
    return f"in the directory of Pinwheel's source, run: {sys.prefix}/bin/pip install '.[{extra}]'"


def config_path(*parts: str) -> Path:
    """A file or directory of config/."""
    checkout = Path(__file__).resolve().parents[1] / "config"
    root = checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "pinwheel" / "config"
    return root.joinpath(*parts)
