"""`pinwheel prompts check`."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from daemon.cli.commands import SAID_NO
from daemon.cli.context import Context, json_flag, pass_context, table
from daemon.cli.prompts.common import check_locales, configured, directory_of, length_and_level, phrase_book, sound_of
from daemon.config import Config
from daemon.core.phrases import DEFAULT_LOCALE, LOCALES
from daemon.prompts.library import shipped_prompts
from daemon.prompts.making.sets import CLIPS
from daemon.prompts.making.survey import LocaleState, survey
from drivers.permissions import Reader


@click.command()
@click.argument("locales", nargs=-1, metavar="[LOCALE...]")
@click.option("--clips", "by_clip", is_flag=True, help="Print one line for each clip.")
@configured
@json_flag
@pass_context
def check(context: Context, locales: tuple[str, ...], by_clip: bool, config: Config, directory: Path | None) -> None:
    """Check the clips of each LOCALE, or of all: print what is missing or wrong, and the command that helps.

    Exits 1 if a locale that is needed cannot be spoken completely. Needed is each LOCALE that you name; without one,
    en-us, which replaces all that are missing, and every locale that has clips already.
    """
    check_locales(locales)
    folders = [directory_of(config, directory), shipped_prompts()]
    reader = Reader.owner_of(config.store.directory) if directory is None else Reader.of(os.geteuid())
    if folders[0].exists() and not os.access(folders[0], os.R_OK | os.X_OK):
        raise click.ClickException(f"you may not read {folders[0]}; check as root")
    wanted = locales or sorted(LOCALES)
    states = survey(wanted, folders, phrase_book().by_locale, config.prompts.brands, reader, sound_of(config))
    context.show([state.json() for state in states], lambda: _show_clips(states) if by_clip else _show_locales(states))
    needed = [state for state in states if locales or state.begun or state.locale == DEFAULT_LOCALE]
    click.get_current_context().exit(0 if all(state.good for state in needed) else SAID_NO)


def _show_locales(states: Sequence[LocaleState]) -> None:
    table(("locale", "clips", "brands", "engine", "problem"), map(_locale_row, states), ("brands", "engine", "problem"))


def _locale_row(state: LocaleState) -> tuple[str, ...]:
    """problem: and below it, the command that helps."""
    there = [name for name in CLIPS if name in state.clips]
    brands = sorted(name.removeprefix("welcome-") for name in state.clips if name.startswith("welcome-"))
    made = [clip.made for clip in state.clips.values()]
    engines = sorted({f"{m.engine or 'unknown'}{' (last resort)' if m.note else ''}" for m in made})
    problem = "\n".join(filter(None, (_wrong(state), state.remedy)))
    return (state.locale, f"{len(there)}/{len(CLIPS)}", ", ".join(brands), ", ".join(engines), problem)


def _wrong(state: LocaleState) -> str:
    """In few words."""
    problems = []
    if state.missing and state.clips:
        problems.append(
            f"no {', '.join(state.missing[:3])}" + (f" and {len(state.missing) - 3} more" * (len(state.missing) > 3))
        )
    problems += state.troubles[:1]
    problems += [f"{len(state.troubles) - 1} more"] * (len(state.troubles) > 1)
    if state.spoken_in != state.locale:
        problems.append(f"spoken in {state.spoken_in}" if state.spoken_in else "cannot be spoken")
    return "; ".join(problems)


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
            yield (state.locale, name, clip.made.engine, clip.made.voice, *length_and_level(clip), origin, clip.trouble)
