"""`python -m tests.installed`: the package in machines that boot, and a table of every recovery."""

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.installed.site import Site
from tests.installed.tree import RELEASES, CannotBoot, Release, needs
from tests.installed.trials import TRIALS, Trial, record, rows
from tests.installed.world import installed_site, package


@click.command(help=__doc__)
@click.option("--release", "names", multiple=True, type=click.Choice(sorted(RELEASES)), help="Default: both.")
@click.option("--short", is_flag=True, help="Only what make test runs.")
@click.argument("wanted", nargs=-1)
def main(names: tuple[str, ...], short: bool, wanted: tuple[str, ...]) -> None:
    """WANTED: names of trials, with _ for a space; default: all."""
    try:
        needs()
    except CannotBoot as exc:
        raise click.ClickException(str(exc)) from exc
    chosen = [t for t in TRIALS if (t.short or not short) and (not wanted or t.run.__name__ in wanted)]
    failed = [name for name in names or tuple(RELEASES) if not _release(RELEASES[name], chosen)]
    sys.exit(1 if failed else 0)


def _release(release: Release, trials: list[Trial]) -> bool:
    """Every trial on one release; whether all held."""
    click.echo(f"\nDebian {release.number} ({release.name}), {package(release).name}")
    results: list[tuple[str, float | None, str]] = []
    directory = Path(tempfile.mkdtemp(prefix=f"pinwheel-{release.name}-"))
    began = time.monotonic()
    good = True
    with installed_site(release, directory) as site:
        results.append(("package to devices ready", time.monotonic() - began, "debootstrap's tree, apt, enable, boot"))
        for trial in trials:
            good &= _run(trial, site, results, directory)
    click.echo(rows(results))
    return good


def _run(trial: Trial, site: Site, results: list[tuple[str, float | None, str]], directory: Path) -> bool:
    try:
        seconds, remark = trial.run(site)
    except Exception as exc:  # noqa: BLE001  # a trial that fails is a row of the table
        kept = directory / trial.run.__name__
        record(kept, site)
        results.append((trial.name, None, f"FAILED: {(str(exc) or repr(exc)).splitlines()[0][:120]} (see {kept})"))
        click.echo(f"  {trial.name}: FAILED: {exc}")
        with contextlib.suppress(Exception):
            site.restore()
        return False
    results.append((trial.name, seconds, remark))
    click.echo(f"  {trial.name}: {remark}")
    return True


if __name__ == "__main__":
    main()
