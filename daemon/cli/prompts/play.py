"""`pinwheel prompts play`."""

from collections.abc import Sequence
from pathlib import Path

import click

from daemon.cli.context import Context, json_flag, pass_context, table
from daemon.cli.output_files import not_written
from daemon.cli.prompts.common import check_locales, configured, directory_of, making
from daemon.config import Config
from daemon.core.phrases import QUESTION
from daemon.core.speech_plan import BYE_PLAN, QUESTION_PLAN, Silence, speech_plan
from daemon.prompts.library import OFFER, Passage, PromptLibrary, PromptsUnusable, joined, shipped_prompts
from daemon.prompts.making.sets import active_dbfs, write_clip
from drivers import KEY_S, RATE
from drivers.codecs.g711 import alaw_decode, ulaw_decode


@click.command()
@click.argument("locale")
@click.argument("pin")
@click.option("--brand", default="", help="The brand that the welcome names.")
@click.option("--out", type=click.Path(dir_okay=False, readable=False, path_type=Path), help="Write it as WAV.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="Draw it as PNG, with clips, gaps and levels.",
)
@click.option("--law", type=click.Choice(["ulaw", "alaw"]), default="ulaw", show_default=True, help="The law of G.711.")
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
    """Make the audio of a call with this PIN, exactly as it is sent.

    The callee presses 1 where [voice] confirm asks for it, and no key when offered to hear the PIN again.
    """
    check_locales([locale])
    spoken, utterances = _call(locale, pin, brand, config, directory_of(config, directory))
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
            picture = making("picture")
            picture.draw([picture.Stretch(*stretch) for stretch in stretches], pcm, title, plot)
    except OSError as exc:
        raise not_written(exc, out, plot) from exc


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
    wait = Silence(round(KEY_S * 1000))
    plans = [QUESTION_PLAN] * asked + [speech_plan(pin, offer=offer)] + [(wait,), BYE_PLAN] * offer
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
