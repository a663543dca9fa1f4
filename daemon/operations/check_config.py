"""`pinwheeld --check-config`: what a start would find wrong with the configuration."""

import os
import pwd
from dataclasses import replace
from pathlib import Path

import click

from daemon.config import Inspection, inspect
from daemon.config.unit_sandbox import kept_from, local_changes
from daemon.resources import DEFAULT_CONFIG
from drivers.settings import Severity

SERVICE_USER = "pinwheel"  # User= of the unit


class NoSuchUser(Exception):
    """There is no such user to run as, or we may not change to it."""


def check(path: Path, user: str) -> bool:
    """Print every mistake and warning; whether there is no mistake.

    user: as whom to look; "": as the daemon's, where root looks at the daemon's own file. Raises NoSuchUser.
    """
    service = user or daemon_user(path)
    inspection = inspected(path, service)
    for finding in inspection.findings:
        warning = finding.severity is Severity.WARNING
        click.echo(f"warning: {path}: {finding}" if warning else f"cannot use {path}: {finding}", err=True)
    if inspection.mistakes:
        return False
    config, warnings = inspection.config, len(inspection.findings)
    judged = f"can be used, with {warnings} warning(s)" if warnings else "is good"
    whom = f" for the user {service}" if service else ""
    click.echo(f"{path} {judged}{whom}: {len(config.modem)} modem(s), voice {config.voice.driver}")
    return True


def inspected(path: Path, user: str) -> Inspection:
    """As that user, which this process is from now on; as the service, by the limits of its unit. Raises NoSuchUser."""
    become(user)
    inspection = inspect(path)
    if user != SERVICE_USER or not inspection.readable:
        return inspection
    hidden = kept_from(inspection.config, local_changes())
    return replace(inspection, findings=(*inspection.findings, *hidden))


def daemon_user(path: Path) -> str:
    """The service's user if root checks the service's file; else the user who checks."""
    if os.geteuid() or path != DEFAULT_CONFIG:
        return ""
    return SERVICE_USER if any(user.pw_name == SERVICE_USER for user in pwd.getpwall()) else ""


def become(user: str) -> None:
    """Be that user from now on: files are opened with its rights. Raises NoSuchUser."""
    if not user:
        return
    try:
        there = pwd.getpwnam(user)
        if there.pw_uid == os.geteuid():
            return
        os.initgroups(user, there.pw_gid)
        os.setgid(there.pw_gid)
        os.setuid(there.pw_uid)
    except KeyError:
        raise NoSuchUser(f"there is no user {user!r} to check as") from None
    except PermissionError:
        raise NoSuchUser(f"only root may act as {user!r}") from None


def become_owner(directory: Path) -> None:
    """Be the user whose directory that is: what is written there is to be the daemon's. Raises OSError, NoSuchUser."""
    uid = os.stat(directory).st_uid
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise NoSuchUser(f"{directory} belongs to user {uid}, who does not exist") from None
    become(owner)
