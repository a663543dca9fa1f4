"""What makes the Debian package (debian/): pages, licences, and what of a virtual environment is shipped."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from daemon.cli import main as pinwheel
from daemon.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
DEBIAN = ROOT / "debian"
UNITS = {
    "pinwheel.service": "pinwheel.service",
    "pinwheel.socket": "pinwheel.socket",
    "pinwheel.pinwheel-backup.service": "pinwheel-backup.service",
    "pinwheel.pinwheel-backup.timer": "pinwheel-backup.timer",
    "pinwheel.sysusers": "sysusers.conf",
    "pinwheel.tmpfiles": "tmpfiles.conf",
    "pinwheel.udev": "udev.rules",
}


def script(name: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, DEBIAN / name, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_program_the_project_and_the_package_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    package = re.match(r"pinwheel \(([^)]+)\)", (DEBIAN / "changelog").read_text())
    assert package is not None
    assert VERSION == project == package[1]


@pytest.mark.parametrize("name", UNITS)
def test_the_package_installs_the_files_of_systemd_and_no_copies(name: str) -> None:
    assert (DEBIAN / name).resolve() == ROOT / "systemd" / UNITS[name]


# --- manual pages ---


def commands(command: click.Command, words: str) -> dict[str, click.Command]:
    found = {words: command}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found |= commands(below, f"{words}-{name}")
    return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    done = script("manpages.py", folder, ROOT / "config" / "pinwheel.toml", VERSION, "2026-11-28")
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_has_a_manual_page(pages: Path) -> None:
    expected = {f"{name}.1" for name in commands(pinwheel, "pinwheel")} | {"pinwheeld.8", "pinwheel.toml.5"}
    assert {page.name for page in pages.iterdir()} == expected


def test_the_name_line_of_a_page_is_a_whole_sentence(pages: Path) -> None:
    """There used to be pages of a generator that cut it: "such..."; apropos prints nothing else of a page."""
    for page in pages.iterdir():
        name, _, told = page.read_text().partition(".SH NAME\n")[2].partition("\n")[0].partition(" \\- ")
        assert name.replace("\\", "") == page.stem
        assert len(told) > 10, page.name
        assert not told.endswith("..."), page.name
        assert ".SH SYNOPSIS\n" in page.read_text()


def test_every_option_of_a_command_is_on_its_page(pages: Path) -> None:
    for name, command in commands(pinwheel, "pinwheel").items():
        text = (pages / f"{name}.1").read_text().replace("\\-", "-")
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert param.opts[0] in text, f"{name} {param.opts[0]}"


def test_the_page_of_the_configuration_has_each_section_key_and_sentence(pages: Path) -> None:
    text = (pages / "pinwheel.toml.5").read_text().replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")
    text = text.replace("\\(dq", '"').replace("\\(ha", "^").replace("\\(ti", "~")
    for line in filter(None, (ROOT / "config" / "pinwheel.toml").read_text().splitlines()):
        key, is_key, sentence = line.removeprefix("# ").partition(" # ")
        assert (sentence if is_key else key.strip()) in text, line
        assert key.strip() in text, line


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed (Debian: groff-base)")
def test_no_page_is_wider_than_a_terminal(pages: Path) -> None:
    """As man runs it. pinwheel.toml(5) used to have lines of 161 columns."""
    command = ["groff", "-man", "-Tutf8", "-P-cbou", "-Kutf8", "-rLL=80n", *map(str, sorted(pages.iterdir()))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert len(lines) > 1000
    assert [line for line in lines if len(line) > 80] == []


# --- licences ---


def bundled(site: Path, name: str, metadata: str, licence: str = "") -> None:
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}\n")
    if licence:
        (folder / "LICENSE").write_text(licence)


def test_the_copyright_names_each_part_with_its_licence_and_text(tmp_path: Path) -> None:
    bundled(tmp_path, "good", "License-Expression: MIT\nHome-page: https://good.example", "Copyright 2026 A. Author")
    done = script("copyright.py", tmp_path)
    assert done.returncode == 0
    assert re.search(
        r"good 1\.0\n +Origin: https://good\.example\n +Licence: MIT\n+ +Copyright 2026 A\. Author", done.stdout
    )


def test_the_text_of_a_common_licence_is_left_to_debian(tmp_path: Path) -> None:
    text = "Copyright 2026 A. Author\n\n   GNU GENERAL PUBLIC LICENSE\n   Version 3\n\nTERMS AND CONDITIONS\n"
    bundled(tmp_path, "free", "License: GPLv3", text)
    printed = script("copyright.py", tmp_path).stdout
    assert "Copyright 2026 A. Author" in printed
    assert "/usr/share/common-licenses/GPL-3" in printed
    assert "TERMS" not in printed


@pytest.mark.parametrize(("metadata", "licence"), [("", "a text"), ("License: MIT", "")], ids=["name", "text"])
def test_a_part_without_the_name_or_the_text_of_its_licence_stops_the_build(
    tmp_path: Path, metadata: str, licence: str
) -> None:
    bundled(tmp_path, "unclear", metadata, licence)
    done = script("copyright.py", tmp_path)
    assert done.returncode == 1
    assert "name the licence of unclear" in done.stderr


def test_a_library_in_a_wheel_whose_licence_nobody_named_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "new.libs").mkdir()
    (tmp_path / "new.libs" / "libnew.so.1").touch()
    done = script("copyright.py", tmp_path)
    assert done.returncode == 1
    assert "name the licence of new.libs/libnew.so.1" in done.stderr


# --- the virtual environment ---


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """One with what must not be shipped, beside a module."""
    venv = tmp_path / "package" / "usr" / "lib" / "pinwheel"
    site = venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    bundled(site, "part", "License: MIT", "a text")
    for name in ("RECORD", "direct_url.json", "INSTALLER"):
        (site / "part-1.0.dist-info" / name).write_text(str(tmp_path))
    (site / "part" / "tests").mkdir(parents=True)
    (site / "part" / "tests" / "test_part.py").write_text("1 / 0\n")
    (site / "part" / "__init__.py").write_text(
        "#!/usr/bin/env python\ndef where():\n    return where.__code__.co_filename\n"
    )
    (site / "part" / "__init__.py").chmod(0o755)
    (venv / "bin").mkdir()
    (venv / "bin" / "python3").symlink_to(sys.executable)
    (venv / "bin" / "activate").write_text(str(venv))
    (venv / "bin" / "part-tool").write_text(f"#!{venv}/bin/python3\n")
    (venv / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = 3.11.2\ncommand = python3 -m venv {venv}\n")
    return venv


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_what_is_shipped_has_neither_stray_files_nor_the_path_of_the_build(venv: Path, tmp_path: Path) -> None:
    done = script("bundle.py", venv, tmp_path / "package")
    assert done.returncode == 0, done.stderr
    shipped = contents(venv)
    assert {Path(name).name for name in shipped} == {
        *("pyvenv.cfg", "METADATA", "LICENSE", "INSTALLER", "__init__.py"),
        f"__init__.{sys.implementation.cache_tag}.pyc",
    }
    assert not [name for name, data in shipped.items() if str(tmp_path).encode() in data]
    assert [path.name for path in (venv / "bin").iterdir()] == ["python3"]


def test_a_run_as_root_writes_no_bytecode_that_dpkg_does_not_know(venv: Path, tmp_path: Path) -> None:
    """There used to be files below /opt/pinwheel after a purge: bytecode that root's first run had written."""
    assert script("bundle.py", venv, tmp_path / "package").returncode == 0
    site = next(venv.glob("lib/*/site-packages"))
    module = site / "part" / "__init__.py"
    assert not module.stat().st_mode & 0o111
    before = contents(venv)
    os.utime(module, (1, 1))  # as after any installation: other times than at the build
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import part"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert contents(venv) == before
