"""What becomes of a command whose standard output cannot be written."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator

import click

NOT_WRITTEN = 1
READER_LEFT = 128 + signal.SIGPIPE  # as a shell reports a program that the signal ended
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


@contextlib.contextmanager
def written_out() -> Iterator[None]:
    """Write all that the command prints, or exit: quietly where the reader has left, with one line where it is full.

    Exits with READER_LEFT or NOT_WRITTEN. Other errors pass, as those of files, which have names.
    """
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as exc:
        if exc.filename is not None or exc.errno not in {errno.EPIPE, *FULL}:
            raise
        _drop_output()
        if exc.errno == errno.EPIPE:
            sys.exit(READER_LEFT)
        with contextlib.suppress(OSError):  # standard error is the same file
            click.echo(f"cannot write the output: {exc.strerror}", err=True)
        sys.exit(NOT_WRITTEN)


def _drop_output() -> None:
    """What is still in the buffers goes nowhere: the interpreter would try to write it once more as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
            continue
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
