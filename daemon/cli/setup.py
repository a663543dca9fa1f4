"""`pinwheel setup`: from a stick and a trunk to a verified number. Here it is printed and read; the rest is in
`daemon.operations.setup`.
"""

import contextlib
import logging
import os
import signal
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.commands import SAID_NO
from daemon.cli.context import Context, json_flag, pass_context, table, tell
from daemon.cli.setup_screens import Screen
from daemon.resources import DEFAULT_CONFIG, config_path

if TYPE_CHECKING:
    from daemon.cli.setup_rehearsal import Rehearsal
    from daemon.config import Config
    from daemon.operations.setup.model import Known
    from daemon.operations.setup.tasks import Worker

GOODBYE = """
Done. Verify a number:
  sudo pinwheel start {number} --brand Acme
  sudo pinwheel check REQUEST_ID CODE
"""
WELCOME = (
    "Pinwheel setup: a modem, a trunk, and a test of each.",
    "Enter takes what stands in [ ]. Ctrl-C stops. Nothing is written unasked.",
)


def _answers(_: click.Context, __: click.Parameter, path: Path | None) -> dict[str, str]:
    """Of a TOML file: texts; true is "yes", false is "no"."""
    if path is None:
        return {}
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise click.ClickException(f"cannot read the answers in {path}: {exc.strerror}") from exc
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise click.ClickException(f"cannot use the answers in {path}: {exc}") from exc
    words = {True: "yes", False: "no"}
    return {name: words[value] if isinstance(value, bool) else str(value) for name, value in found.items()}


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file that is changed, or made.",
)
@click.option(
    "--answers",
    callback=_answers,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file with answers; what is missing in it is asked.",
)
@click.option("--dry-run", is_flag=True, help="Ask, and show what would change; send, call and write nothing.")
@click.option("--simulated", is_flag=True, help="Rehearse with a simulated modem and phone; changes nothing here.")
@click.option("--list-modems", is_flag=True, help="Only list the modems that are found.")
@click.option("--list-trunks", is_flag=True, help="Only list the kinds of trunks, and what was tested of each.")
@json_flag
@pass_context
def setup(
    context: Context,
    path: Path,
    answers: dict[str, str],
    dry_run: bool,
    simulated: bool,
    list_modems: bool,
    list_trunks: bool,
) -> None:
    """Set up a modem and a trunk: find them, try each for real, write the configuration, start the daemon.

    It sends an SMS to your own phone and calls it, each with a code that you type here. Nothing is written before you
    agree. Run it again to change or add something: what is there is the default. In a file of answers each line
    is the name of a question and its answer, such as number = "+447700900123"; an answer that is missing without
    a terminal is named.
    """
    logging.getLogger("pinwheel").addHandler(logging.NullHandler())  # the drivers' log; setup says what matters
    if list_trunks:
        _list_trunks(context)
        return
    if list_modems:
        _list_modems(context, path)
        return
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGHUP, signal.SIGTERM):  # a terminal that is closed: as Ctrl-C, what was begun is undone
            stack.callback(signal.signal, number, signal.signal(number, signal.default_int_handler))
        if simulated:
            from daemon.cli.setup_rehearsal import Rehearsal

            stage = stack.enter_context(Rehearsal())
            finished = _run(context, stage.config, answers, stage, dry_run=dry_run)
        else:
            finished = _run(context, path.resolve(), answers, None, dry_run=dry_run)
    click.get_current_context().exit(0 if finished else SAID_NO)


def _run(context: Context, path: Path, answers: dict[str, str], stage: "Rehearsal | None", *, dry_run: bool) -> bool:
    """Whether it came to its end."""
    from daemon.operations.setup.dialogue import Stopped, names
    from daemon.operations.setup.service import Service
    from daemon.operations.setup.tasks import Place, Worker

    if path == DEFAULT_CONFIG and os.geteuid() and not dry_run:
        raise click.ClickException("run it as root: sudo pinwheel setup (or with --dry-run, or --simulated)")
    before = _text(path)
    config = _parsed(before, path)
    known = _known(before, config, dry_run, stage.defaults if stage else {})
    _insist_on(names(known), answers)
    root = stage.root if stage else Path("/")
    service = Service(context.client, path, root)
    screen = Screen(answers, stage.before if stage else lambda _: None)
    tell(*WELCOME, *(stage.welcome if stage else ()))
    memory = "/run" if os.access("/run", os.W_OK) else None  # a secret that was only tried comes on no disk
    with tempfile.TemporaryDirectory(prefix="pinwheel-setup-", dir=memory) as trial:
        worker = Worker(Place(path, before, Path(trial), root, config), service, screen.meanwhile)
        try:
            known = _walk(known, screen, worker)
        except Stopped:
            tell("", "Stopped.")
            return False
        finally:
            service.give_back()
    _say_goodbye(known, simulated=stage is not None)
    return not _taken_back(known)


def _walk(known: "Known", screen: Screen, worker: "Worker") -> "Known":
    """From one question or task to the next, until nothing is lacking. Raises Stopped."""
    from daemon.operations.setup.dialogue import SECTION_OF, following, take
    from daemon.operations.setup.model import Task

    while (lacks := following(known)) is not None:
        if isinstance(lacks, Task):
            screen.begin(lacks, SECTION_OF[lacks])
            outcome = worker.do(lacks, known)
            screen.came(outcome)
            known = known.done(lacks, outcome)
        else:
            known = take(known, lacks, screen.ask(lacks))
    return known


def _text(path: Path) -> str:
    """Of the configuration as it is; the shipped one where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return config_path("pinwheel.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = getattr(exc, "strerror", None) or "it is not UTF-8"
        raise click.ClickException(f"cannot read {path}: {why}; run it as root: sudo pinwheel setup") from exc


def _parsed(text: str, path: Path) -> "Config":
    from daemon.config import ConfigErrors, parse

    try:
        return parse(text, path)
    except ConfigErrors as exc:
        raise click.ClickException(f"{exc}\ncorrect that first, then run setup again") from exc


def _known(before: str, config: "Config", dry_run: bool, defaults: Mapping[str, str]) -> "Known":
    from daemon.operations.setup.model import Known
    from daemon.operations.setup.plan import present
    from daemon.operations.setup.profiles import load_profiles
    from daemon.operations.setup.tasks import mistake

    return Known(load_profiles(), present(before, config), mistake, dry_run, earlier=defaults)


def _insist_on(names: set[str], answers: Mapping[str, str]) -> None:
    """Raises ClickException for an answer that no question asks for."""
    for name in answers:
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"
            raise click.ClickException(f"no question is called {name!r}; {hint}")


def _say_goodbye(known: "Known", *, simulated: bool) -> None:
    from daemon.operations.setup.model import Task

    if simulated:
        tell("", "That was a rehearsal. With your own modem and trunk: sudo pinwheel setup")
    elif known.worked(Task.START):
        number = known.number or "+447700900123"
        tell(*GOODBYE.format(number=number).splitlines())
    elif _taken_back(known):
        tell("", "The configuration is as it was before.")
    elif known.worked(Task.WRITE):
        tell("", "Written, but not started.")
    else:
        tell("", "Nothing was written.")


def _taken_back(known: "Known") -> bool:
    """The daemon could not use what was written."""
    from daemon.operations.setup.model import Task

    return known.worked(Task.WRITE) and Task.START in known.outcomes and not known.outcomes[Task.START].started


def _list_trunks(context: Context) -> None:
    from daemon.operations.setup.profiles import load_profiles

    found = [asdict(profile) for profile in load_profiles()]
    shown = [{key: row[key] for key in ("name", "title", "tested", "source")} for row in found]
    columns = ("name", "title", "tested", "source")
    context.show({"trunks": shown}, lambda: table(columns, ([row[c] for c in columns] for row in shown), columns[1:]))


def _list_modems(context: Context, path: Path) -> None:
    from daemon.operations.setup.model import Known, Task
    from daemon.operations.setup.service import Service
    from daemon.operations.setup.tasks import Place, Worker

    before = _text(path)
    place = Place(path, before, Path("/nonexistent"), Path("/"), _parsed(before, path))
    outcome = Worker(place, Service(context.client, path, Path("/")), lambda _: None).do(Task.FIND, Known(()))
    rows = [(stick.title, stick.port or "none", stick.trouble or "usable") for stick in outcome.sticks]
    found = [{"device": title, "port": port, "state": state} for title, port, state in rows]
    context.show(
        {"modems": found},
        lambda: (
            table(("device", "port", "state"), rows, ("device", "port", "state")) if rows else tell("no modem found")
        ),
    )
