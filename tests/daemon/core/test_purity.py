"""The core imports nothing that could see a clock, chance, a file or the network."""

from pathlib import Path

import pytest

import daemon.core
from tests.test_pure import imported

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
    for name in imported(module):
        assert name.startswith("daemon.core") or name.partition(".")[0] in ALLOWED, f"{module.name}: {name}"
