"""What the commands of `pinwheel prompts` share."""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from daemon.cli.configured import configuration_option
from daemon.config import Config
from daemon.core.phrases import LOCALES
from daemon.prompts.library import PhraseBook, PromptsUnusable, load_phrases
from daemon.prompts.making.sets import Sound
from daemon.resources import how_to_install

RELOAD = "systemctl reload pinwheel"


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """--config and --directory."""
    directory = click.option(
        "--directory",
        type=click.Path(file_okay=False, readable=False, path_type=Path),
        help="Directory of your prompts; default: [prompts] directory.",
    )
    return configuration_option(directory(command))


def directory_of(config: Config, directory: Path | None) -> Path:
    return directory or Path(config.prompts.directory)


def check_locales(locales: Iterable[str]) -> None:
    """Raises ClickException for one that there is not."""
    for locale in locales:
        if locale not in LOCALES:
            raise click.ClickException(f"no locale {locale!r}; there are {', '.join(sorted(LOCALES))}")


def phrase_book() -> PhraseBook:
    try:
        return load_phrases()
    except PromptsUnusable as exc:
        raise click.ClickException(str(exc)) from exc


def making(name: str) -> ModuleType:
    """A module of daemon.prompts.making; those that touch audio need the extra `render`, pictures need `plot`."""
    import importlib

    try:
        return importlib.import_module(f"daemon.prompts.making.{name}")
    except ImportError as exc:
        extra = "plot" if (exc.name or "").startswith("matplotlib") else "render"
        raise click.ClickException(f"this needs {exc.name}; {how_to_install(extra)}") from exc


def sound_of(config: Config) -> Sound:
    return Sound(config.prompts.level, config.prompts.emphasis)


def length_and_level(clip: Any) -> tuple[str, str]:
    return f"{clip.seconds:.2f} s", f"{clip.dbfs:.1f} dBFS"
