"""`pinwheel prompts import`."""

from pathlib import Path

import click

from daemon.cli.context import Context, json_flag, pass_context, table
from daemon.cli.prompts.common import RELOAD, configured, directory_of, length_and_level, making, sound_of
from daemon.config import Config
from daemon.core.phrases import LOCALES
from daemon.prompts.making.sets import SetUnusable


@click.command(name="import")
@click.argument("source", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--locale",
    type=click.Choice(sorted(LOCALES)),
    metavar="LOCALE",
    help="The locale of DIR/CLIP.wav; without this, DIR/LOCALE/CLIP.wav is read.",
)
@click.option("--dry-run", is_flag=True, help="Read and check everything, print what would happen, and change nothing.")
@configured
@json_flag
@pass_context
def import_recordings(
    context: Context, source: Path, locale: str | None, dry_run: bool, config: Config, directory: Path | None
) -> None:
    """Make clips of your own recordings in DIR: WAV, FLAC, MP3 or OGG, any rate, mono or stereo.

    Files are named after their clips: welcome, again, bye, press_1, question, alert, alert_over, alert_test,
    digit_0 ... digit_9, and welcome-BRAND.
    They are levelled, trimmed and brought to 8 kHz like rendered ones, replace the clips of the same name, and stay
    when you render. If one of them cannot be used, nothing is imported.
    """
    importing = making("importing")
    folder = directory_of(config, directory)
    try:
        found = importing.recordings(source, locale, folder, sound_of(config))
        if not dry_run:
            importing.adopt(found, folder)
    except (importing.ImportFailed, SetUnusable) as exc:
        raise click.ClickException(str(exc)) from exc
    rows = [
        (r.locale, r.clip, *length_and_level(r.made), r.path.name, "replaces" if r.replaces else "new") for r in found
    ]
    message = "nothing was changed" if dry_run else f"imported into {folder}; to use them in a running daemon: {RELOAD}"
    named = [{"locale": r.locale, "clip": r.clip, "from": str(r.path), "replaces": r.replaces} for r in found]

    def human() -> None:
        table(("locale", "clip", "length", "level", "from", ""), rows)
        click.echo(message)

    context.show({"clips": named, "directory": str(folder), "changed": not dry_run}, human)
