"""One module is loaded from another file, in this Python and in those that it starts: their PYTHONPATH leads here."""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType

MODULE, SOURCE = "PINWHEEL_MUTATED_MODULE", "PINWHEEL_MUTATED_SOURCE"


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - of the base class
        with open(os.environ[SOURCE], encoding="utf-8") as file:
            return compile(file.read(), self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != os.environ[MODULE]:
            return None
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


def install() -> None:
    """Needs both variables in the environment."""
    sys.meta_path.insert(0, _Finder())


if MODULE in os.environ:
    install()
