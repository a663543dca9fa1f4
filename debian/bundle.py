"""Make the virtual environment of the package what dpkg should own: no build path, no stray file, all bytecode.

usage: bundle.py VENV PACKAGE_ROOT; VENV is PACKAGE_ROOT/usr/lib/pinwheel.
"""

import compileall
import hashlib
import shutil
import subprocess
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
    "**/_*_tests.*.so": "tests of numpy",
}
INTERPRETERS = "python*"


def main(venv: Path, root: Path) -> None:
    site = next(venv.glob("lib/python3.*/site-packages"))
    _drop(_stray_files(venv, site))
    _without_build_path(venv / "pyvenv.cfg")
    for installer in site.glob("*.dist-info/INSTALLER"):
        installer.write_text("dpkg\n")
    for module in site.rglob("*.py"):
        _is_no_script(module)
    for folder in sorted({library.parent for library in site.rglob("*.so*")}):
        _one_copy_of_each_library(folder)
    for library in sorted(site.rglob("*.so*")):
        _searches_only_beside_itself(library)
    _compile(site, root)


def _stray_files(venv: Path, site: Path) -> Iterator[Path]:
    """Scripts and pages that libraries bring, activation for shells, and `DROPPED`."""
    yield from (path for path in (venv / "bin").iterdir() if not path.match(INTERPRETERS))
    yield venv / "include"
    yield venv / "share" / "man"
    yield venv / ".gitignore"
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


def _is_no_script(module: Path) -> None:
    """A module is imported, not run."""
    module.chmod(0o644)
    content = module.read_bytes()
    if content.startswith(b"#!"):
        module.write_bytes(b"#" + content[2:])  # a comment: the numbers of the lines stay


def _one_copy_of_each_library(folder: Path) -> None:
    """A wheel cannot hold links: libx.so, libx.so.1 and libx.so.1.2 are three equal files in it."""
    first: dict[str, Path] = {}
    for library in sorted(folder.glob("*.so*"), key=lambda path: (-len(path.name), path.name)):
        kept = first.setdefault(hashlib.sha256(library.read_bytes()).hexdigest(), library)
        if kept != library:
            library.unlink()
            library.symlink_to(kept.name)


def _searches_only_beside_itself(library: Path) -> None:
    """No folder of the machine that built a library: whoever may create it here could have us load code of theirs."""
    printed = subprocess.run(["patchelf", "--print-rpath", library], capture_output=True, text=True, check=True).stdout
    folders = [folder for folder in printed.strip().split(":") if folder]
    beside = [folder for folder in folders if folder.startswith("$ORIGIN")]
    if folders != beside:
        change = ["--set-rpath", ":".join(beside)] if beside else ["--remove-rpath"]
        subprocess.run(["patchelf", *change, library], check=True)


def _compile(site: Path, root: Path) -> None:
    """Bytecode that Python never checks or writes again: dpkg owns every file, so that purge leaves none."""
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
