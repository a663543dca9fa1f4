"""What the daemon knows of itself, judged by the rows of the registry: for status, /healthz, the metrics and alerts."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon.config import Config
from daemon.lanes.snapshots import VOICE
from daemon.operations.doctor.facts import Facts, Inside
from daemon.operations.doctor.judging import Result, health, judged, problems, stopping
from daemon.operations.doctor.registry import OF_DAEMON
from daemon.operations.host import files
from daemon.operations.host.values import MISSING
from daemon.operations.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Examination:
    """Of the daemon at one moment. health: why it cannot do its work, or ""; reasons: what sends nothing, and why."""

    results: tuple[Result, ...]
    health: str
    around: Facts
    """The files that it was made of, too; none where only memory was looked at."""

    @property
    def reasons(self) -> list[str]:
        reasons = [*stopping(self.results), *(result for result in problems(self.results) if result.check.is_reason)]
        return [result.verdict.sentence for result in reasons]

    def problems(self) -> list[dict[str, str]]:
        """As /v1/status shows them, errors first."""
        return [{**shown(result), "severity": str(result.state)} for result in problems(self.results)]

    def by_severity(self) -> Mapping[str, int]:
        states = [str(result.state) for result in self.results]
        return {severity: states.count(severity) for severity in ("error", "warning")}


def examined(now: Snapshot) -> Examination:
    """From memory alone; nothing is waited for."""
    return _examined(now, Facts())


async def examined_around(now: Snapshot, config: Config) -> Examination:
    """With the files around the daemon, which are looked at on a thread: disk, backups, certificate."""
    return _examined(now, await asyncio.to_thread(_around, config))


def shown(result: Result) -> dict[str, str]:
    """A result in JSON."""
    verdict = result.verdict
    return {
        "code": result.check.name,
        "subject": verdict.subject,
        "state": str(result.state),
        "text": verdict.text,
        "remedy": verdict.remedy,
    }


def listed(results: Iterable[Result]) -> list[dict[str, Any]]:
    return [shown(result) for result in results]


def _examined(now: Snapshot, around: Facts) -> Examination:
    facts = replace(around, inside=Inside(now.store, now.sms, now.voice, now.canary))
    results = tuple(judged(OF_DAEMON, facts))
    devices = [modem.name for modem in now.sms.modems] if now.sms is not None else []
    return Examination(results, health(results, devices + [VOICE] * (now.voice is not None)), around)


def _around(config: Config) -> Facts:
    state = config.store.directory
    certificate = Path(config.api.tls_cert) if config.api.tcp and config.api.tls_cert else None
    return Facts(
        disks=tuple(filter(None, (files.disk("the database", state),))),
        backups=files.backups(state / files.BACKUPS) if config.store.path is not None else MISSING,
        certificate=files.certificate(certificate) if certificate is not None else MISSING,
    )
