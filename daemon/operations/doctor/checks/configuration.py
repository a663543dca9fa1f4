"""What --check-config finds, sorted by what it is about, so that each has its own name and remedy. Pure."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daemon.operations.doctor.facts import Configuration, Remark
from daemon.operations.doctor.verdicts import Verdict, error, info, warning

MENDABLE = ("chmod", "chgrp")  # the programs of a remedy that `--fix` may run
IN_USE = "is in use now"  # of a port that the daemon itself may have


@dataclass(frozen=True, slots=True)
class Claim:
    """Which findings a check shows: by the beginning of their key, or by words in their text; "" fits all."""

    name: str
    where: str = ""
    words: tuple[str, ...] = ("",)

    def fits(self, remark: Remark) -> bool:
        key = remark.where if not remark.subject else f"[[modem]] {remark.where.rpartition(' ')[2]}"
        return key.startswith(self.where) and any(word in remark.text for word in self.words)


CLAIMS: tuple[Claim, ...] = (
    Claim("config-mode", "its mode"),
    Claim("secret-mode", words=("every user of this machine may", "others may read it")),
    Claim("unit-limits", words=("of its unit)", "of the unit")),
    Claim("port-there", "[[modem]] port", ("there is no port", "no port fits")),
    Claim("port-access", "[[modem]] port", ("may not open",)),
    Claim("port-kind", "[[modem]] port", ("is no serial port", "ports fit", "may be that of")),
    Claim("pin-file", "[[modem]] pin_file"),
    Claim("master-key", "[security] key_file"),
    Claim("database-file", "[store]"),
    Claim("api-certificate", "[api] tls_"),
    Claim("api-listener", "[api] tcp"),
    Claim("socket-path", "[api] socket"),
    Claim("trunk-files", "[voice] tls_"),
    Claim("trunk-password", "[voice] password_file"),
    Claim("sip-address", "[voice] bind"),
    Claim("audio-range", "[voice] rtp_ports"),
    Claim("prompts-folder", "[prompts] directory"),
    Claim("accounts", "[[account]]"),
    Claim("accounts", "[[operator]]"),
    Claim("clock-speed", "[clock] speed"),
    Claim("devices-configured", "[[modem]] and [voice]"),
)
"""The first that fits has it; "config-file" has what is about the file as a whole, "config-keys" the rest."""


def claimed(remark: Remark) -> str:
    """The code of the check that shows it."""
    if not remark.where:
        return "config-file"
    return next((claim.name for claim in CLAIMS if claim.fits(remark)), "config-keys")


def telling(code: str) -> Callable[[Configuration], Iterator[Verdict]]:
    """The function of that check."""

    def judge(config: Configuration) -> Iterator[Verdict]:
        yield from (_verdict(config, remark) for remark in config.remarks if claimed(remark) == code)

    return judge


def _verdict(config: Configuration, remark: Remark) -> Verdict:
    text, remedy = _parted(remark.text)
    key = f"modem {remark.subject} {remark.where.rpartition(' ')[2]}" if remark.subject else remark.where
    said = f"{key or config.path}: {text}"
    make = warning if remark.mild else error
    fix = _fix(remedy)
    return make(said, remedy, remark.subject, fix)


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
