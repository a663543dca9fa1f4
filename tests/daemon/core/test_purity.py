"""The core imports nothing that could see a clock, chance, a file or the network."""

import ast
from pathlib import Path

import pytest

import daemon.core

ALLOWED = {
    "array",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "typing",
    "re",
    "string",
    "itertools",
    "functools",
    "math",
    "operator",
}
MODULES = sorted(Path(daemon.core.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_of_the_core_imports_only_what_is_pure(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.startswith("daemon.core") or name.partition(".")[0] in ALLOWED, f"{module.name}: {name}"
