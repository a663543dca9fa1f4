"""How far a long piece of work has come: a bar where somebody watches, else plain lines."""

import sys
import time
from collections.abc import Callable
from typing import Any

import click


class Progress:
    """Of clips being rendered, on standard error."""

    def __init__(self, total: int, now: Callable[[], float] = time.monotonic) -> None:
        self._total, self._now = total, now
        self._done, self._started = 0, now()
        self._bar = click.progressbar(length=total, file=sys.stderr, show_pos=True, item_show_func=self._label)
        self._clip = ""

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if sys.stderr.isatty():
            self._bar.render_finish()

    def rendered(self, clip: Any) -> None:
        """One more; `clip` is a Rendered."""
        self._done += 1
        self._clip = f"{clip.line.locale} {clip.line.clip}"
        if sys.stderr.isatty():
            self._bar.update(1, clip)
            return
        line = (
            f"{self._done}/{self._total}  {clip.line.locale}  {clip.line.clip:16} {clip.seconds:5.2f} s  {clip.how:6}"
        )
        click.echo(f"{line}  {clip.line.text}", err=True)

    def _label(self, _: Any) -> str:
        rate = self._done / max(self._now() - self._started, 1e-3)
        return f"{self._clip} · {rate:.1f} clips/s · {self._total - self._done} left" if self._clip else ""


class Rows:
    """How many rows of a database have been read or copied, on standard error."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._shown_at, self._table = now, now(), ""

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *_: object) -> None:
        if sys.stderr.isatty() and self._table:
            click.echo(err=True)

    def read(self, rows: int) -> None:
        """So many rows have been read: shown once a second."""
        if self._now() - self._shown_at >= 1:
            self._shown_at = self._now()
            click.echo(f"{rows} requests read", err=True)

    def copied(self, table: str, done: int, total: int) -> None:
        """So many rows of a table are there: shown when a table begins and ends, and once a second."""
        now = self._now()
        if table == self._table and done < total and now - self._shown_at < 1:
            return
        line = f"{table:8} {done:>9} of {total} rows"
        if sys.stderr.isatty():
            click.echo(f"{'' if table == self._table or not self._table else chr(10)}\r{line}", err=True, nl=False)
        else:
            click.echo(line, err=True)
        self._shown_at, self._table = now, table
