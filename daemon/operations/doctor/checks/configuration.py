"""What --check-config finds, sorted by kind and key, so that each has a check with its own name and remedy. Pure."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from daemon.operations.doctor.facts import Configuration, Remark
from daemon.operations.doctor.verdicts import Verdict, error, info, warning
from drivers.settings import FaultKind

MENDABLE = ("chmod", "chgrp")  # the programs of a remedy that `--fix` may run
ROW = re.compile(r" number [0-9]{1,9}")  # of a table that may be there several times

KINDS: Mapping[FaultKind, str] = {
    FaultKind.READABLE: "secret-mode",
    FaultKind.WRITABLE: "config-mode",
    FaultKind.HIDDEN: "unit-limits",
    FaultKind.NO_PORT: "port-there",
    FaultKind.NO_ACCESS: "port-access",
    FaultKind.WRONG_PORT: "port-kind",
}
"""The check that shows the faults of a kind; those of the other kinds are sorted by their key."""

KEYS: tuple[tuple[str, str], ...] = (
    ("[[modem]] pin_file", "pin-file"),
    ("[security] key_file", "master-key"),
    ("[store]", "database-file"),
    ("[api] tls_", "api-certificate"),
    ("[api] tcp", "api-listener"),
    ("[api] socket", "socket-path"),
    ("[voice] tls_", "trunk-files"),
    ("[voice] password_file", "trunk-password"),
    ("[voice] bind", "sip-address"),
    ("[voice] rtp_ports", "audio-range"),
    ("[prompts] directory", "prompts-folder"),
    ("[[account]]", "accounts"),
    ("[[operator]]", "accounts"),
    ("[clock] speed", "clock-speed"),
    ("[[modem]] and [voice]", "devices-configured"),
)
"""How a key begins, and the check that shows its faults; "config-keys" has those of all other keys."""


def check_of(remark: Remark) -> str:
    """The code of the check that shows it. "config-file": it is about the file as a whole."""
    if not remark.where:
        return "config-file"
    key = ROW.sub("", remark.where)
    by_key = (code for beginning, code in KEYS if key.startswith(beginning))
    return KINDS.get(remark.kind) or next(by_key, "config-keys")


def telling(code: str) -> Callable[[Configuration], Iterator[Verdict]]:
    """The function of that check."""

    def judge(config: Configuration) -> Iterator[Verdict]:
        yield from (_verdict(config, remark) for remark in config.remarks if check_of(remark) == code)

    return judge


def _verdict(config: Configuration, remark: Remark) -> Verdict:
    text, remedy = _parted(remark.text)
    key = f"modem {remark.subject} {remark.where.rpartition(' ')[2]}" if remark.subject else remark.where
    said = f"{key or config.path}: {text}"
    make = warning if remark.mild else error
    return replace(make(said, remedy, remark.subject, _fix(remedy)), starts=remark.starts)


def _parted(text: str) -> tuple[str, str]:
    """A finding ends with its remedy, behind a semicolon."""
    said, _, remedy = text.rpartition("; ")
    return (said, remedy.removeprefix("run: ")) if said else (text, "")


def _fix(remedy: str) -> tuple[tuple[str, ...], ...]:
    """Where the remedy is a command that only changes a mode or a group."""
    if not remedy.startswith(MENDABLE) or any(sign in remedy for sign in ",(|>"):
        return ()
    return tuple(tuple(shlex.split(each)) for each in remedy.split(" && "))


def channels(config: Configuration) -> Iterator[Verdict]:
    """One way to send is enough; both are better."""
    if config.modems and not config.voice:
        yield info("no calls: [voice] driver is none", "pinwheel setup")
    elif config.voice and not config.modems:
        yield info("no messages: there is no [[modem]]", "pinwheel setup")


def allowed(config: Configuration) -> Iterator[Verdict]:
    if config.allow_uids and config.uid not in config.allow_uids | {0}:
        text = f"[api] allow_uids does not have your user {config.uid}"
        yield error(text, f"add {config.uid} to allow_uids, then: systemctl restart pinwheel")
