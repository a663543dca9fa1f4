"""pinwheel: the commands. Exit codes: 0 done, 1 the gateway said no, 2 usage, 3 the daemon cannot be reached."""

from daemon.cli.main import main

__all__ = ["main"]
