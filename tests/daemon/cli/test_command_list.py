"""The list of commands in `--help`."""

from collections.abc import Iterator

import click
from click.testing import CliRunner

from daemon.cli import main
from daemon.cli.command_list import PARTS, summary


def test_every_command_stands_once_under_what_it_is_for() -> None:
    listed = [name for names in PARTS.values() for name in names]
    assert sorted(listed) == main.list_commands(click.Context(main))


def test_no_summary_is_cut() -> None:
    """There used to be "Remove NUMBER (international, such as +447700900123) from..."."""
    said = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    assert [each.name for each in commands if each is not None and summary(each) not in said] == []
    assert "..." not in said.partition("Verify:")[2]


def helps(group: click.Command, words: tuple[str, ...] = ()) -> Iterator[str]:
    yield CliRunner().invoke(main, [*words, "--help"]).output
    if isinstance(group, click.Group):
        for name in group.list_commands(click.Context(group)):
            below = group.get_command(click.Context(group), name)
            assert below is not None
            yield from helps(below, (*words, name))


def test_no_help_is_wider_than_a_terminal() -> None:
    """There used to be lines of 113 columns."""
    assert [line for text in helps(main) for line in text.splitlines() if len(line) > 80] == []
