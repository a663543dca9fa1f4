"""Where the files of config/ are: beside the code in a checkout, under share/pinwheel once installed."""

import sys
from pathlib import Path

DEFAULT_CONFIG = Path("/etc/pinwheel/pinwheel.toml")
DEFAULT_SOCKET = Path("/run/pinwheel/control.sock")

CHECKOUT = "the Debian package does not bring it; in a checkout of Pinwheel's source, run: make setup"


def how_to_install(extra: str) -> str:
    """The command for an optional part of ours. By its path: on PyPI, our name is a stranger's package."""
    return f"in the directory of Pinwheel's source, run: {_pip()} install '.[{extra}]'" if _pip().exists() else CHECKOUT


def how_to_add(packages: str) -> str:
    """The command for other people's Python packages, to where we are installed."""
    return f"run: {_pip()} install {packages}" if _pip().exists() else f"{CHECKOUT} && .venv/bin/pip install {packages}"


def _pip() -> Path:
    """The installer of our virtual environment; the Debian package has none."""
    return Path(sys.prefix, "bin", "pip")


def config_path(*parts: str) -> Path:
    """A file or directory of config/."""
    checkout = Path(__file__).resolve().parents[1] / "config"
    root = checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "pinwheel" / "config"
    return root.joinpath(*parts)
