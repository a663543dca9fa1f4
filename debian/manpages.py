"""Write the manual pages from the commands themselves, and pinwheel.toml(5) from the commented configuration.

usage: manpages.py FOLDER CONFIGURATION VERSION DATE, run by a Python that has Pinwheel.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from daemon.cli import main as pinwheel
from daemon.cli.command_list import summary
from daemon.main import main as pinwheeld

ASIDE = "\b"  # click's mark: the paragraph that follows keeps its lines


ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", '"': "\\(dq", "^": "\\(ha", "~": "\\(ti"}
TEXT = 71  # columns beside man's own margins, on a terminal of 80
SECTION = re.compile(r"(?:# )?\[+[a-z]+\]+")
KEY = re.compile(r"((?:# )?[a-z_0-9]+ = .*?) +# (.*)")


@dataclass(frozen=True, slots=True)
class Edition:
    version: str
    date: str

    def heading(self, name: str, section: int) -> str:
        return f'.TH {roff(name.upper())} {section} "{self.date}" "Pinwheel {self.version}" "Pinwheel"'


def main(folder: Path, configuration: Path, edition: Edition) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        **dict(_tree(pinwheel, "pinwheel", 1, edition)),
        **dict(_tree(pinwheeld, "pinwheeld", 8, edition)),
        "pinwheel.toml.5": "\n".join(_file(configuration, edition)),
    }
    for name, text in pages.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")


def roff(text: str) -> str:
    """Text that roff prints as it is."""
    return re.sub(r"^\.", r"\\&.", "".join(ESCAPES.get(each, each) for each in text), flags=re.MULTILINE)


def _tree(command: click.Command, words: str, section: int, edition: Edition) -> Iterator[tuple[str, str]]:
    """The page of a command and of every command below it, by file name."""
    context = click.Context(command, info_name=words, **command.context_settings)
    yield f"{words.replace(' ', '-')}.{section}", "\n".join(_page(command, context, words, section, edition))
    for name, below in _below(command, context):
        yield from _tree(below, f"{words} {name}", section, edition)


def _below(command: click.Command, context: click.Context) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return []
    found = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [(name, below) for name, below in found if below is not None and not below.hidden]


def _page(command: click.Command, context: click.Context, words: str, section: int, edition: Edition) -> Iterator[str]:
    name = words.replace(" ", "-")
    yield edition.heading(name, section)
    yield f".SH NAME\n{roff(name)} \\- {roff(summary(command))}"
    yield f".SH SYNOPSIS\n.B {roff(words)}\n{roff(' '.join(command.collect_usage_pieces(context)))}"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(command)
    yield ".SH OPTIONS"
    for option, help_text in filter(None, (param.get_help_record(context) for param in command.get_params(context))):
        yield f".TP\n.B {roff(option)}\n{roff(' '.join(help_text.split()))}"
    below = _below(command, context)
    if below:
        yield ".SH COMMANDS"
    for word, under in below:
        yield f".TP\n.BR {roff(f'{name}-{word}')} ({section})\n{roff(summary(under))}."
    yield ".SH FILES\n.TP\n.I /etc/pinwheel/pinwheel.toml\nThe configuration."
    yield ".TP\n.I /run/pinwheel/control.sock\nThe socket; members of the group pinwheel may use it."
    yield ".SH SEE ALSO\n.BR pinwheel (1),\n.BR pinwheeld (8),\n.BR pinwheel.toml (5)"


def _paragraphs(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith(ASIDE):
            lines = paragraph.removeprefix(ASIDE).strip("\n")
            wide = max(map(len, lines.splitlines())) > TEXT
            yield f".PP\n.nf{chr(10) + '.in 2n' if wide else ''}\n{roff(lines)}{chr(10) + '.in' if wide else ''}\n.fi"
        else:
            yield f".PP\n{roff(' '.join(paragraph.split()))}"


def _file(configuration: Path, edition: Edition) -> Iterator[str]:
    yield edition.heading("pinwheel.toml", 5)
    yield ".SH NAME\npinwheel.toml \\- configuration of the Pinwheel phone\\-verification gateway"
    yield ".SH SYNOPSIS\n.I /etc/pinwheel/pinwheel.toml"
    yield ".SH DESCRIPTION\nOne TOML file. What stands behind # here is not set."
    for line in filter(None, configuration.read_text(encoding="utf-8").splitlines()):
        yield _entry(line)
    yield ".SH SEE ALSO\n.BR pinwheel (1),\n.BR pinwheeld (8)"


def _entry(line: str) -> str:
    """A section, a key with its default and its sentence, or a remark, of the commented configuration."""
    if found := SECTION.fullmatch(line):
        return f".SS {roff(found[0])}"
    if found := KEY.fullmatch(line):
        return f".TP\n.B {roff(found[1])}\n{roff(found[2])}"
    return f".PP\n{roff(line.removeprefix('# '))}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Edition(*sys.argv[3:5]))
