"""pinwheeld: the command. What a daemon is made of is loaded once it is known that one is to run (`start`)."""

import faulthandler
import gc
from pathlib import Path

import click

from daemon.program import Program
from daemon.resources import DEFAULT_CONFIG
from daemon.version import VERSION


@click.command(cls=Program)
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file.",
)
@click.option("--check-config", is_flag=True, help="Only check the configuration, and print every mistake in it.")
@click.option(
    "--user",
    default="",
    help="With --check-config, as root: check as this user; default for the installed file: pinwheel.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="In place of [log] level, until the daemon ends.",
)
@click.version_option(VERSION)
def main(path: Path, check_config: bool, user: str, log_level: str | None) -> None:
    """The Pinwheel daemon: verifies phone numbers by SMS and by call.

    It listens on the Unix socket of its configuration, or on the one that systemd passes, and stays in the foreground.
    SIGTERM stops it after messages and calls under way are finished or recorded; SIGHUP reloads, as `pinwheel reload`.
    Exit status: 0 stopped, 70 a part of it ended (the log says which), 78 it cannot start as things are. After a start
    that fails again under systemd it waits before it ends (0.5 to 15 s, longer each time; a change of the configuration
    file ends the wait), and answers clients that the daemon does not start.
    """
    if check_config:
        from daemon.operations.check_config import NoSuchUser, check

        try:
            raise SystemExit(0 if check(path, user) else 1)
        except NoSuchUser as exc:
            raise click.UsageError(str(exc)) from exc
    faulthandler.enable()  # SIGABRT, which the watchdog sends, writes the stack of every thread to stderr
    gc.disable()  # until it serves: what a start makes lasts, and to look through it took a seventh of the time
    from daemon.start import start

    raise SystemExit(start(path, log_level))


if __name__ == "__main__":
    main()
