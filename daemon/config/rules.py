"""What is wrong between keys, although each key alone is right."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any

from daemon.config.findings import Finding
from daemon.config.keys import Account, Api, Config, WorkflowRow
from daemon.core.model import Channel
from daemon.core.workflows import FIRST_CUSTOM_ID
from drivers.checks import is_loopback, split_port
from drivers.settings import FaultKind, Severity

MOST_STEPS = 26  # an event's PIN is named by a letter
WAIT_S = range(1, 3601)
LEAST_CANARY_S = 300


def contradictions(config: Config) -> Iterator[Finding]:
    """Between keys, and what is missing: known from the text alone."""
    yield from _listener(config.api, config.account)
    yield from _rows(config)
    yield from _same_port(config)
    for i, row in enumerate(config.workflow, 1):
        yield from _workflow(row, f"[[workflow]] number {i}", config.channels)
    yield from _nothing_to_send(config)
    yield from _canary(config)


def _canary(config: Config) -> Iterator[Finding]:
    canary = config.canary
    if canary.number and not config.voice.configured:
        yield Finding("[canary] number", 'needs a [voice] driver that can call it, such as "pyvoip"')
    if not canary.every:
        return
    if canary.every < LEAST_CANARY_S:
        yield Finding("[canary] every", f"must be 0 or at least {LEAST_CANARY_S}: each message and call costs")
    if not (canary.number or any(modem.number for modem in config.modem)):
        yield Finding("[canary] every", "needs a [[modem]] with its number, or [canary] number; or set it to 0")


def _listener(api: Api, accounts: tuple[Account, ...]) -> Iterator[Finding]:
    if bool(api.tls_cert) != bool(api.tls_key):
        missing = "tls_key" if api.tls_cert else "tls_cert"
        yield Finding(f"[api] {missing}", "is missing; give both tls_cert and tls_key, or neither")
    if not api.tcp:
        return
    if not accounts:
        yield Finding("[api] tcp", "needs at least one [[account]]; add one, or remove tcp")
    host, _ = split_port(api.tcp)
    if not api.tls_cert and not is_loopback(host):
        yield Finding("[api] tcp", f"{host} is not loopback, so it needs tls_cert and tls_key")


def _rows(config: Config) -> Iterator[Finding]:
    """Names that must be there, and each its own."""
    rows: tuple[tuple[str, str, str, tuple[Any, ...]], ...] = (
        ("[[modem]]", "name", 'is missing; e.g. name = "sim1"', config.modem),
        ("[[account]]", "key", 'is missing; e.g. key = "abcd1234"', config.account),
        ("[[operator]]", "name", 'is missing; e.g. name = "alice"', config.operator),
        ("[[workflow]]", "id", f"is missing; ids start at {FIRST_CUSTOM_ID}", config.workflow),
    )
    for table, key, missing, content in rows:
        names = [getattr(row, key) for row in content]
        for i, name in enumerate(names, 1):
            where = f"{table} number {i} {key}"
            if not name:
                yield Finding(where, missing)
            elif names.index(name) != i - 1:
                yield Finding(where, f"{name!r} is taken; each {table.strip('[]')} needs its own")
    for i, account in enumerate(config.account, 1):
        if not (account.secret_file or account.uids or account.gids):
            yield Finding(f"[[account]] number {i} secret_file", "is missing; give it one, or uids or gids")
    for i, operator in enumerate(config.operator, 1):
        yield from _required(operator, f"[[operator]] number {i}")
    for i, modem in enumerate(config.modem, 1):
        yield from _required(modem.options, f"[[modem]] number {i}")
    yield from _required(config.voice.options, "[voice]")


def _required(section: Any, where: str) -> Iterator[Finding]:
    for f in fields(section) if section is not None else ():
        if f.metadata.get("required") and not getattr(section, f.name):
            yield Finding(f"{where} {f.name}", f"is missing; {f.metadata['help']}")


def _same_port(config: Config) -> Iterator[Finding]:
    for i, modem in enumerate(config.modem, 1):
        alike = next((other for other in config.modem[: i - 1] if _may_be_one(modem.options, other.options)), None)
        if alike is not None:
            text = f"may be that of {alike.name!r}; name another port, or set imei for each"
            yield Finding(f"[[modem]] number {i} port", text, kind=FaultKind.WRONG_PORT)


def _may_be_one(one: Any, other: Any) -> bool:
    """Whether two modems may be the same device: by ports, unless those that search have different IMEIs."""
    (port, imei), (its_port, its_imei) = ((getattr(o, "port", ""), getattr(o, "imei", "")) for o in (one, other))
    if not port or not its_port or (imei and its_imei and imei != its_imei):
        return False
    if port == its_port or (imei and imei == its_imei):
        return True
    meets = (PurePosixPath(port).match(its_port) and not its_imei, PurePosixPath(its_port).match(port) and not imei)
    return any(meets)


def _workflow(row: WorkflowRow, where: str, channels: frozenset[Channel]) -> Iterator[Finding]:
    if row.steps and channels and not any(step.get("channel") in channels for step in row.steps):
        devices = "[voice] driver is none" if Channel.SMS in channels else "there is no [[modem]]"
        yield Finding(f"{where} steps", f"none of them can be sent: {devices}", Severity.ERROR)
    if not 1 <= len(row.steps) <= MOST_STEPS:
        example = '[{ channel = "sms", wait = 60 }]'
        yield Finding(f"{where} steps", f"from 1 to {MOST_STEPS} are needed, e.g. {example}")
    for step in row.steps:
        channel, wait = step.get("channel"), step.get("wait")
        if channel not in list(Channel):
            yield Finding(f"{where} steps", f'channel {channel!r} must be "sms" or "tts"')
        if type(wait) is not int or wait not in WAIT_S:
            text = f"wait {wait!r} must be a whole number of seconds from {WAIT_S[0]} to {WAIT_S[-1]}"
            yield Finding(f"{where} steps", text)
        for name in step.keys() - {"channel", "wait"}:
            yield Finding(f"{where} steps", f"no such key {name!r}; the keys are channel, wait")


def _nothing_to_send(config: Config) -> Iterator[Finding]:
    if not config.channels:
        remedy = "run pinwheel setup, or add a [[modem]] with its port, or set driver and server in [voice]"
        yield Finding("[[modem]] and [voice] driver", f"nothing can be sent; {remedy}", Severity.ERROR)
