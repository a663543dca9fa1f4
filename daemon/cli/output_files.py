"""What files for other programs have in common."""

import os
from pathlib import Path

import click


def not_written(exc: OSError, *files: Path | None) -> click.ClickException:
    """Why a command failed. files: that it was to write; a full disk names none itself."""
    names = exc.filename or ", ".join(str(file) for file in files if file is not None)
    remedy = "; run it as root" if isinstance(exc, PermissionError) and os.geteuid() else ""
    return click.ClickException(f"cannot use {names}: {exc.strerror or exc}{remedy}")


def spreadsheet_cell(value: object) -> object:
    """A text that a spreadsheet cannot take for a formula: what a network or a client wrote stays a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
