"""Make the virtual environment of the package what dpkg should own: no build path, no stray file, all bytecode.

usage: bundle.py VENV PACKAGE_ROOT; VENV is PACKAGE_ROOT/usr/lib/pinwheel.
"""

import compileall
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

DROPPED = {
    "*.dist-info/RECORD": "dpkg knows the files; pip's list has the build path in it, and hashes from before the strip",
    "*.dist-info/direct_url.json": "the build path",
    "*.dist-info/REQUESTED": "what pip was asked for",
    "**/tests": "tests of libraries",
    "**/*.a": "for linking only",
    "**/*.h": "for compiling only",
    "**/*.c": "for compiling only",
    "**/*.pxd": "for compiling only",
    "**/*.pyx": "for compiling only",
    "**/*.pyi": "for type checkers only",
}
INTERPRETERS = "python*"


def main(venv: Path, root: Path) -> None:
    site = next(venv.glob("lib/python3.*/site-packages"))
    _drop(_stray_files(venv, site))
    _without_build_path(venv / "pyvenv.cfg")
    for installer in site.glob("*.dist-info/INSTALLER"):
        installer.write_text("dpkg\n")
    for module in site.rglob("*.py"):
        _without_interpreter_line(module)
    _compile(site, root)


def _stray_files(venv: Path, site: Path) -> Iterator[Path]:
    """Scripts that libraries bring, activation for shells, and `DROPPED`."""
    yield from (path for path in (venv / "bin").iterdir() if not path.match(INTERPRETERS))
    yield venv / "include"
    yield venv / "share" / "man"
    for pattern in DROPPED:
        yield from sorted(site.glob(pattern))


def _drop(paths: Iterator[Path]) -> None:
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _without_build_path(config: Path) -> None:
    """pyvenv.cfg without the command that made it (Python needs `home` only)."""
    kept = [line for line in config.read_text().splitlines() if not line.startswith("command")]
    config.write_text("\n".join(kept) + "\n")


def _without_interpreter_line(module: Path) -> None:
    """A module is imported, not run."""
    content = module.read_bytes()
    if content.startswith(b"#!"):
        module.write_bytes(b"#" + content[2:])  # a comment: the numbers of the lines stay


def _compile(site: Path, root: Path) -> None:
    """Bytecode that Python never checks or writes anew: dpkg owns every file, so that purge leaves none."""
    good = compileall.compile_dir(
        site,
        quiet=2,
        stripdir=str(root.resolve()),
        prependdir="/",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        maxlevels=30,
    )
    if not good:
        raise SystemExit(f"cannot compile every module below {site}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
