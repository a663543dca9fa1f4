"""What is measured as pure is pure: it has no clock, no input and output, no thread and no log."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = sorted(
    path.relative_to(ROOT)
    for pattern in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]["include"]
    for path in ROOT.glob(pattern)
)
OWN = ("daemon", "drivers")
CONTRACTS = {"drivers", "drivers.codecs.g711", "drivers.settings", "drivers.survey"}
"""What anybody may import, though it is not measured."""
STANDARD = {
    "array",
    "bisect",
    "collections",
    "concurrent",
    "contextlib",
    "dataclasses",
    "decimal",
    "enum",
    "functools",
    "itertools",
    "operator",
}
STANDARD |= {
    "base64",
    "copy",
    "hashlib",
    "ipaddress",
    "json",
    "math",
    "re",
    "shlex",
    "string",
    "struct",
    "typing",
    "unicodedata",
    "urllib",
    "zlib",
}
STANDARD |= {"random", "secrets"}  # tags, branches, keys and RTP's first numbers have to be unguessable
"""Of the standard library."""


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports; of a name that is a module itself, that one."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if file_of(inner) else node.module


def file_of(module: str) -> Path | None:
    path = Path(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((each for each in candidates if (ROOT / each).is_file()), None)


def test_every_pattern_fits() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]["include"]
    assert [pattern for pattern in patterns if not any(ROOT.glob(pattern))] == []
    assert len(set(patterns)) == len(patterns)


@pytest.mark.parametrize("path", PURE, ids=str)
def test_a_pure_module_imports_only_what_is_pure(path: Path) -> None:
    for module in imported(path):
        room = module.partition(".")[0]
        if room in OWN:
            assert file_of(module) in PURE or module in CONTRACTS, module
        elif room in sys.stdlib_module_names:
            assert room in STANDARD, module
