"""The profiles of trunks: config/trunks/NAME.toml, one file each.

A file has title, source, tested, first (lines), [voice] (keys that do not depend on anybody), [[question]] (key, text,
help, default, secret, optional) and [when.KEY.ANSWER] (more keys of [voice]).
"""

import tomllib
from pathlib import Path
from typing import Any

from daemon.operations.setup.model import Blank, Profile
from daemon.resources import config_path

LAST = "other"


def load_profiles(folder: Path | None = None) -> tuple[Profile, ...]:
    """All of them by title, what fits everything last. Raises OSError; a file of ours that is wrong is a defect."""
    paths = (folder or config_path("trunks")).glob("*.toml")
    found = [_profile(path.stem, tomllib.loads(path.read_text(encoding="utf-8"))) for path in paths]
    return tuple(sorted(found, key=lambda each: (each.name == LAST, each.title)))


def _profile(name: str, table: dict[str, Any]) -> Profile:
    return Profile(
        name,
        title=table["title"],
        source=table["source"],
        tested=table["tested"],
        first=tuple(table["first"]),
        voice=table["voice"],
        blanks=tuple(_blank(**row) for row in table["question"]),
        when=table.get("when", {}),
    )


def _blank(
    *, key: str, text: str, help: str = "", default: str = "", secret: bool = False, optional: bool = False
) -> Blank:
    return Blank(key, text, help=help, default=default, hidden=secret, optional=optional)
