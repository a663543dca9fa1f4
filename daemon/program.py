"""What `pinwheeld` and `pinwheel` do alike: what goes wrong becomes one line and an exit code, also where the output
cannot be written."""

import contextlib
import errno
import io
import json
import os
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

FAILED = 1
COLUMNS = 80  # of a screen
READER_LEFT = 128 + signal.SIGPIPE  # as a shell reports a program that the signal ended
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class Program(click.Command):
    """A command that ends in our exit codes, whatever goes wrong; with --json, errors are JSON, too."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's."""
        words = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        with written_out():
            code = self._exit_code(words, prog_name, complete_var, **extra)
        sys.exit(code)

    def _exit_code(self, words: list[str], prog_name: str | None, complete_var: str | None, **extra: Any) -> int:
        try:
            code = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
            return code if isinstance(code, int) else 0
        except click.ClickException as exc:
            code = exc.exit_code
            _show(exc, words, code)
        except click.Abort:
            code = FAILED
            _show(click.ClickException("stopped"), (), code)
        return code

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with written_out():  # --help is printed here; click itself would exit with 1 where the reader has left
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with written_out():
            return super().invoke(ctx)


def _show(exc: click.ClickException, words: Sequence[str], code: int) -> None:
    """Print what went wrong on standard error, or as JSON where that was asked for."""
    if "--json" in words:
        click.echo(json.dumps({"error": exc.format_message(), "exit_code": code}, ensure_ascii=False))
        return
    with contextlib.suppress(OSError):  # of standard error: the exit code says it, too
        message = _with_usage(exc) if isinstance(exc, click.UsageError) else exc.format_message()
        click.echo(_fitted(message) if sys.stderr is not None and sys.stderr.isatty() else message, err=True)


def _with_usage(exc: click.UsageError) -> str:
    text = io.StringIO()
    exc.show(text)
    return text.getvalue().rstrip("\n")


def _fitted(message: str) -> str:
    """In lines of COLUMNS, broken between words; a path or a name that is longer stays whole."""
    return "\n".join(
        part
        for line in message.splitlines()
        for part in textwrap.wrap(line, COLUMNS, break_long_words=False, break_on_hyphens=False) or [""]
    )


@contextlib.contextmanager
def written_out() -> Iterator[None]:
    """Write all that the command prints, or exit: quietly where the reader has left, with one line where it is full.

    Exits with READER_LEFT or FAILED. Other errors pass, as those of files, which have names.
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
        sys.exit(FAILED)


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
