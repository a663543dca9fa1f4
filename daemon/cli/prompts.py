"""`pinwheel prompts`: what calls say, heard and checked without a daemon."""

import tomllib
import wave
from pathlib import Path

import click

from daemon import config as configuration
from daemon.core.phrases import DEFAULT_LOCALE, call_plan
from daemon.prompts import NEEDED, RATE, PromptLibrary, PromptsUnusable, shipped_prompts
from drivers.g711 import ulaw_decode


@click.group()
def prompts() -> None:
    """The spoken prompts: check them, hear them, render them."""


def _library(directory: Path) -> PromptLibrary:
    try:
        return PromptLibrary.open([directory, shipped_prompts()])
    except PromptsUnusable as exc:
        raise click.ClickException(str(exc)) from exc


def _configured_directory() -> Path:
    """[prompts] directory of the system's configuration, where there is one that we may read."""
    try:
        table = tomllib.loads(configuration.DEFAULT_FILE.read_text()).get("prompts", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        table = {}
    return Path(table.get("directory") or configuration.Prompts().directory)


directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=_configured_directory,
    help="Where rendered and imported prompts lie; default: [prompts] directory.",
)


@prompts.command()
@directory_option
def check(directory: Path) -> None:
    """Which locales can be spoken, and what is missing; exits 1 if one is incomplete."""
    library = _library(directory)
    incomplete = 0
    for locale, clips in sorted(library.clips.items()):
        missing = [name for name in NEEDED if name not in clips]
        incomplete += bool(missing)
        brands = sorted(name.removeprefix("welcome-") for name in clips if name.startswith("welcome-"))
        told = f"missing {', '.join(missing)}" if missing else "complete"
        click.echo(f"{locale}  {len(clips)} clips, {told}; brands: {', '.join(brands) or 'none'}")
    click.get_current_context().exit(1 if incomplete else 0)


@prompts.command()
@directory_option
@click.option("--locale", default=DEFAULT_LOCALE, show_default=True)
@click.option("--pin", default="1234", show_default=True, help="Digits to speak.")
@click.option("--brand", default="", help="Whose welcome.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The WAV file to write.")
def play(directory: Path, locale: str, pin: str, brand: str, output: Path) -> None:
    """Write a whole call, as the callee hears it, to a WAV file."""
    try:
        call_plan(pin)
        speech = _library(directory).speech(locale, pin, brand)
    except (ValueError, PromptsUnusable) as exc:
        raise click.ClickException(str(exc)) from exc
    try:
        with wave.open(str(output), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(RATE)
            wav.writeframes(ulaw_decode(speech.audio.pcmu))
    except OSError as exc:
        raise click.ClickException(f"cannot write {output}: {exc.strerror}") from exc
    click.echo(f"{output}: {speech.audio.seconds:.1f} s, the PIN ends at {speech.first_end_s:.1f} s")
