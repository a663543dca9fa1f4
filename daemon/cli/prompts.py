"""`pinwheel prompts`: what calls say, heard and checked without a daemon."""

import tomllib
import wave
from pathlib import Path
from typing import Any

import click

from daemon import config as configuration
from daemon.core.phrases import DEFAULT_LOCALE, call_plan
from daemon.prompts import NEEDED, RATE, PromptLibrary, PromptsUnusable, load_phrases, shipped_prompts
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


@prompts.command()
@click.argument("locales", nargs=-1, required=True, metavar="LOCALE...")
@directory_option
@click.option("--engine", "engine_name", type=click.Choice(["gtts", "piper", "espeak"]), default="gtts")
@click.option("--voice", default="", help="Of piper: its .onnx file.")
@click.option("--brand", "brands", multiple=True, help="A brand that gets a welcome of its own; may be repeated.")
def render(locales: tuple[str, ...], directory: Path, engine_name: str, voice: str, brands: tuple[str, ...]) -> None:
    """Render the clips of each LOCALE ahead of time; no other command ever uses an engine."""
    try:
        from daemon import render as renderer
    except ImportError as exc:
        raise click.ClickException(f"rendering needs {exc.name}; run: pip install 'pinwheel[render]'") from exc
    try:
        book = load_phrases()
        for locale in locales:
            if locale not in book.by_locale:
                raise click.ClickException(f"no phrases for {locale}; write config/phrases/{locale}.toml first")
            speaker = renderer.engine(engine_name, voice)
            made = renderer.render(book.by_locale[locale], brands, speaker, directory, _told)
            click.echo(f"{made}: ready; reload with: systemctl restart pinwheel")
    except (renderer.RenderError, PromptsUnusable) as exc:
        raise click.ClickException(str(exc)) from exc


def _told(clip: Any) -> None:
    click.echo(f"  {clip.name:12} {clip.seconds:5.2f} s  {clip.text}")
