"""The group of commands."""

import click

from daemon.cli.command_list import Listing
from daemon.cli.prompts.check import check
from daemon.cli.prompts.play import play
from daemon.cli.prompts.recordings import import_recordings
from daemon.cli.prompts.render import render
from daemon.cli.prompts.texts import texts


@click.group(cls=Listing)
def prompts() -> None:
    """The spoken prompts: render them, import recordings, check them, listen to them.

    Calls are put together from clips that were made before; no call needs an engine or a network for them.
    """


for command in (render, import_recordings, check, play, texts):
    prompts.add_command(command)
