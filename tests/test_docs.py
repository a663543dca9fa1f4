"""What the documents promise: links lead somewhere, files and commands exist, configurations can be read."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from daemon.cli import main as pinwheel
from daemon.config import parse
from daemon.main import main as pinwheeld
from tests import reference

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/*.md")),
]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RETIRED = re.compile(
    r"\b(told|tells?|anew|mend(s|ed)?|doubts?|outstanding|whose word|at last|gives? up on|given up on)\b", re.I
)
"""Words that readers had to guess the meaning of: shows, again, corrects, unanswered ... are clearer."""
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
OF_THE_CHECKOUT = ("daemon/", "drivers/", "tests/", "config/", "docs/", "systemd/", "debian/", ".ci/")


def prose(text: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^    .*$", "", FENCED.sub("", text), flags=re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(name: str) -> None:
    document = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (document.parent / place).resolve() if place else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text()), target


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_a_document_names_exists(name: str) -> None:
    """CONTRIBUTING used to name files by where they had been before they moved."""
    for quoted in re.findall(r"`([^`\n]+)`", prose((ROOT / name).read_text())):
        if quoted.startswith(OF_THE_CHECKOUT) and not re.search(r"[ <*]|NAME", quoted):
            assert (ROOT / quoted).exists(), quoted


def configurations() -> Iterator[tuple[str, str]]:
    for name in NAMES:
        for language, block in FENCED.findall((ROOT / name).read_text()):
            if language == "toml":
                yield name, block


@pytest.mark.parametrize(("name", "block"), list(configurations()))
def test_every_configuration_in_a_document_can_be_read(name: str, block: str) -> None:
    """Sections, keys, types, bounds and contradictions; what it names lies on the reader's machine."""
    assert parse(block, Path(name))


def calls() -> list[str]:
    """What the blocks of code type to our two commands, without sudo and remarks."""
    typed = re.compile(r"^    (?:sudo )?(pinwheel.+)$", re.MULTILINE)
    lines = [line for document in DOCUMENTS for line in typed.findall(document.read_text())]
    return [
        call.strip() for line in lines for call in line.partition(" # ")[0].split(" && ") if "systemctl" not in call
    ]


def helps(command: click.Command, words: str) -> Iterator[tuple[str, str]]:
    """The help of a command and of every command below it."""
    context = click.Context(command)
    yield words, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from helps(within(command, name), f"{words} {name}")


def within(group: click.Group, name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None, name
    return found


def texts_for_operators() -> Iterator[tuple[str, str]]:
    files = [*DOCUMENTS, ROOT / "Makefile", ROOT / "config" / "pinwheel.toml", *sorted((ROOT / "systemd").iterdir())]
    yield from ((str(file.relative_to(ROOT)), file.read_text()) for file in files)
    yield from helps(pinwheel, "pinwheel")
    yield from helps(pinwheeld, "pinwheeld")


@pytest.mark.parametrize(("name", "text"), [pytest.param(*each, id=each[0]) for each in texts_for_operators()])
def test_operators_read_plain_words(name: str, text: str) -> None:
    assert [line for line in text.splitlines() if RETIRED.search(line)] == [], name


def test_comments_and_docstrings_use_plain_words() -> None:
    """`tell` is what a command prints by."""
    for file in [*ROOT.glob("daemon/**/*.py"), *ROOT.glob("drivers/**/*.py")]:
        text = file.read_text()
        nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED))
        said = [*map(ast.get_docstring, nodes), *re.findall(r"# .*$", text, re.MULTILINE)]
        found = [line for line in said if line and RETIRED.search(line.replace("tell: ", ""))]
        assert found == [], file


def step(group: click.Group, words: list[str]) -> tuple[click.Group, click.Command, list[str]]:
    """The command that the words name, the group it belongs to, and its arguments."""
    found = within(group, words[0])
    return step(found, words[1:]) if isinstance(found, click.Group) and words[1:] else (group, found, words[1:])


@pytest.mark.parametrize("call", calls())
def test_every_command_in_a_document_exists_with_its_options(call: str) -> None:
    """`one A | other B` are two commands of one group."""
    program, _, rest = call.partition(" ")
    group: click.Command = {"pinwheel": pinwheel, "pinwheeld": pinwheeld}[program]
    for words in map(shlex.split, rest.split(" | ")):
        if isinstance(group, click.Group):
            group, command, arguments = step(group, words)
        else:
            command, arguments = group, words
        options = {option for param in command.params for option in param.opts}
        assert {word for word in arguments if word.startswith("--")} <= options, call


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    """If it is not: python -m tests.reference"""
    text = (ROOT / name).read_text()
    assert reference.made(text) == text


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    assert [name for name in NAMES if name.startswith("docs/") and f"({Path(name).name})" not in index] == [
        "docs/README.md"
    ]


def test_the_changelog_is_sorted_as_keep_a_changelog_asks() -> None:
    """Each version has each kind of change once, in this order. There used to be one list of 170 lines."""
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for version in re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert found == sorted(set(found), key=kinds.index)


def test_the_package_has_every_document_that_the_readme_links_to() -> None:
    shipped = (ROOT / "debian" / "pinwheel.docs").read_text().split()
    for target in re.findall(r"\]\(([^)\s#]+)", prose((ROOT / "README.md").read_text())):
        assert target.partition("/")[0] in shipped, target
