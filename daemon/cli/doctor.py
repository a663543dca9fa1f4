"""`pinwheel doctor`: what is wrong, why, and the command that helps. The checks are in `daemon.operations.doctor`."""

import os
import shlex
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.commands import SAID_NO, UNREACHABLE
from daemon.cli.context import SCREEN, Context, json_flag, pass_context, table, tell
from daemon.resources import DEFAULT_CONFIG

if TYPE_CHECKING:
    from daemon.operations.doctor.facts import Facts
    from daemon.operations.doctor.judging import Check, Result

WORDS = {"ok": "ok", "info": "info", "skipped": "skipped", "warning": "WARNING", "error": "ERROR"}
INDENT = 9
FIX_S = 60.0


def _list(context: Context) -> None:
    from daemon.operations.doctor.registry import CHECKS

    rows = [{"check": each.name, "looks_at": each.title, "slow": each.slow, "fix": each.fixes} for each in CHECKS]
    lines = [(each.name, each.title, "--fix" * each.fixes) for each in CHECKS]
    context.show({"checks": rows}, lambda: table(("check", "looks_at", ""), lines, flexible=("looks_at",)))


@click.command()
@click.argument("checks", nargs=-1, metavar="[CHECK]...")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The daemon's configuration file.",
)
@click.option("--all", "show_all", is_flag=True, help="Show every check, also those that found nothing.")
@click.option("--quick", is_flag=True, help="Ask neither the trunk nor the modems.")
@click.option("--fix", is_flag=True, help="Run the commands that help, each after a question; as root.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--strict", is_flag=True, help="Exit 1 for warnings, too.")
@click.option("--bundle", type=click.Path(dir_okay=False, path_type=Path), help="Write a report for who helps you.")
@json_flag
@click.option("--list", "list_only", is_flag=True, help="List the checks, and do nothing.")
@pass_context
def doctor(
    context: Context,
    /,
    checks: tuple[str, ...],
    path: Path,
    *,
    show_all: bool,
    quick: bool,
    fix: bool,
    yes: bool,
    strict: bool,
    bundle: Path | None,
    list_only: bool,
) -> None:
    """Look for what is wrong with this gateway, and say what to do; as root it sees most.

    Only causes are shown, with the command that helps; what merely follows from one is skipped. CHECK: only these.
    The report of --bundle holds no secret and no whole number.

    Exit codes: 0 no error, 1 an error (with --strict: or a warning), 2 wrong usage, 3 the daemon does not answer.
    """
    from daemon.operations.doctor.judging import chosen
    from daemon.operations.doctor.registry import CHECKS

    if list_only:
        _list(context)
        return
    try:
        rows = chosen(CHECKS, checks)
    except KeyError as exc:
        raise click.UsageError(f"there is no check {exc}; see: pinwheel doctor --list") from exc
    if context.as_json and fix and not yes:
        raise click.UsageError("--fix asks questions; with --json, give --yes, too")
    facts, results = _examined(context, path, rows, quick=quick)
    shown = [each for each in results if not checks or each.check.name in checks]
    if fix:
        _fix(context, shown, ask=not yes)
        facts, results = _examined(context, path, rows, quick=quick)
        shown = [each for each in results if not checks or each.check.name in checks]
    if bundle is not None:
        _bundle(context, bundle, results, path)
    context.show(_document(shown, facts), lambda: _show(shown, show_all=show_all))
    click.get_current_context().exit(_exit_code(shown, facts, strict=strict, named=bool(checks)))


def _examined(context: Context, path: Path, rows: "Sequence[Check]", *, quick: bool) -> "tuple[Facts, list[Result]]":
    from daemon.operations.doctor.judging import judged
    from daemon.operations.doctor.probing import Subject, gathered

    slow = not quick and any(check.slow for check in rows)
    subject = Subject(path, context.client, say=lambda text: click.echo(text, err=True))
    facts = gathered(subject, slow=slow)
    return facts, judged(rows, facts)


def _exit_code(results: "Iterable[Result]", facts: "Facts", *, strict: bool, named: bool) -> int:
    from daemon.operations.doctor.judging import Place

    states = {str(result.state) for result in results}
    asked = not named or any(
        each.check.place is Place.DAEMON or each.check.name == "daemon-answers" for each in results
    )
    if facts.away and asked:
        return UNREACHABLE
    return SAID_NO if "error" in states or (strict and "warning" in states) else 0


# --- what is shown ---------------------------------------------------------------------------------------------


def _document(results: "Sequence[Result]", facts: "Facts") -> dict[str, Any]:
    from daemon.operations.doctor.self_check import shown

    rows = [{**shown(each), "because": each.because, "fix": [list(w) for w in each.verdict.fix]} for each in results]
    return {"daemon": facts.away or "answers", "counts": _counts(results), "checks": rows}


def _counts(results: "Iterable[Result]") -> dict[str, int]:
    """Of checks, by the worst that each has found."""
    order = list(WORDS)
    worst: dict[str, str] = {}
    for result in results:
        state = str(result.state)
        before = worst.get(result.check.name, order[0])
        worst[result.check.name] = max(before, state, key=order.index)
    counts = Counter(worst.values())
    return {state: counts[state] for state in order}


def _show(results: "Sequence[Result]", *, show_all: bool) -> None:
    from daemon.operations.doctor.judging import problems

    for result in results if show_all else problems(results):
        _tell(result)
    counts = _counts(results)
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    total = sum(counts.values())
    more = "" if show_all or not counts["info"] + counts["skipped"] else "; --all shows the rest"
    click.echo(f"{total} check{'s' * (total != 1)}: {', '.join(parts)}{more}")


def _tell(result: "Result", instead: Iterable[str] = ()) -> None:
    """instead: of the remedy."""
    verdict = result.verdict
    text = f"{result.check.name}: {verdict.text or result.check.title}"
    tell(*_wrapped(f"{WORDS[str(result.state)]:{INDENT}}", text))
    for line in [*instead] or ([f"> {verdict.remedy}"] if verdict.remedy else []):
        tell(*_wrapped(f"{'':{INDENT}}{line[:2]}", line[2:]))


def _wrapped(begin: str, text: str) -> list[str]:
    """Words, such as paths, are not broken: what is to be typed stays whole."""
    after = " " * len(begin)
    return textwrap.wrap(
        text, SCREEN, initial_indent=begin, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )


# --- what is done ----------------------------------------------------------------------------------------------


def _fix(context: Context, results: "Iterable[Result]", *, ask: bool) -> None:
    from daemon.operations.doctor.judging import problems

    mendable = [result for result in problems(results) if result.verdict.fix]
    if not mendable and not context.as_json:
        click.echo("there is nothing that --fix may do")
    if mendable and os.geteuid():
        raise click.ClickException("only root may do that; run: sudo pinwheel doctor --fix")
    for result in mendable:
        if not ask or _agreed(result):
            _run(result)


def _agreed(result: "Result") -> bool:
    _tell(result, (f"$ {_typed(words)}" for words in result.verdict.fix))
    return click.confirm(" " * INDENT + "Run that?", default=False, err=True)


def _typed(words: Sequence[str]) -> str:
    """As in a shell; of a text that goes into a file only the file."""
    return f"write {words[-1]}" if any("\n" in word for word in words) else shlex.join(words)


def _run(result: "Result") -> None:
    for words in result.verdict.fix:
        click.echo(f"{'':{INDENT}}$ {_typed(words)}", err=True)
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=FIX_S, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as exc:
            click.echo(f"{'':{INDENT}}{getattr(exc, 'strerror', None) or 'it does not end'}", err=True)
            return
        if done.returncode:
            said = done.stderr.strip().splitlines()
            click.echo(f"{'':{INDENT}}it failed: {said[-1] if said else done.returncode}", err=True)
            return


def _bundle(context: Context, target: Path, results: "Iterable[Result]", path: Path) -> None:
    from daemon.config import inspect
    from daemon.operations.doctor import bundle

    found = inspect(path)
    try:
        bundle.write(target, results, found.config if found.readable else None)
    except OSError as exc:
        raise click.ClickException(f"cannot write {target}: {exc.strerror}") from exc
    if not context.as_json:
        click.echo(f"wrote {target}; look at it before you send it", err=True)
