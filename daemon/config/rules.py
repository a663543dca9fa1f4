"""What is wrong with a file as a whole although each key by itself is right."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

from daemon.config.keys import SQLITE_PREFIX, Config
from daemon.core.model import Channel
from daemon.core.workflows import FIRST_CUSTOM_ID

DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


def contradictions(config: Config) -> Iterator[str]:
    """What is wrong although each key by itself is right."""
    yield from _store_and_api(config)
    yield from _modems(config)
    if config.sms.origin and not DOMAIN.fullmatch(config.sms.origin):
        yield f'[sms] origin: {config.sms.origin!r} must be a host name such as "example.com"'
    yield from _workflows(config)


def _store_and_api(config: Config) -> Iterator[str]:
    if not config.store.url.startswith(SQLITE_PREFIX):
        yield f'[store] url: {config.store.url!r} must start with "{SQLITE_PREFIX}", e.g. "sqlite:////var/lib/pinwheel/pinwheel.db"'
    try:
        int(config.api.socket_mode, 8)
    except ValueError:
        yield f'[api] socket_mode: {config.api.socket_mode!r} is not an octal mode such as "0660"'
    if config.api.tcp:
        yield from _tcp(config)
    for name in ("allow_prefixes", "deny_prefixes"):
        for prefix in getattr(config.security, name):
            if not prefix.isdecimal() or not prefix.isascii():
                yield f'[security] {name}: {prefix!r} must be digits without "+", e.g. "44"'


def _tcp(config: Config) -> Iterator[str]:
    host, colon, port = config.api.tcp.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        yield f'[api] tcp: {config.api.tcp!r} must be "address:port", e.g. "127.0.0.1:8790"'
    if not config.account:
        yield "[api] tcp: needs at least one [[account]]; add one, or remove tcp"
    if bool(config.api.tls_cert) != bool(config.api.tls_key):
        yield "[api] tls_cert and tls_key: give both or neither"
    if not config.api.tls_cert and host not in ("localhost", "[::1]") and not host.startswith("127."):
        yield f"[api] tcp: {host} is not loopback, so it needs tls_cert and tls_key"
    for i, account in enumerate(config.account, 1):
        if not account.key:
            yield f"[[account]] number {i} key: is missing"
        if not Path(account.secret_file).is_file():
            yield f"[[account]] number {i} secret_file: there is no file {account.secret_file!r}"


def _modems(config: Config) -> Iterator[str]:
    names = [modem.name for modem in config.modem]
    for i, modem in enumerate(config.modem, 1):
        if not modem.name:
            yield f'[[modem]] number {i} name: is missing; e.g. name = "sim1"'
        elif names.index(modem.name) != i - 1:
            yield f"[[modem]] number {i} name: {modem.name!r} is taken; each modem needs its own"
        alike = next((other for other in config.modem[: i - 1] if _may_be_one(modem.options, other.options)), None)
        if alike is not None:
            yield f"[[modem]] number {i} port: may be that of {alike.name!r}; name another, or give each its imei"
        yield from _required(modem.options, f"[[modem]] number {i}")
    yield from _required(config.voice.options, "[voice]")


def _may_be_one(one: Any, other: Any) -> bool:
    """Whether two modems may be the same device: by ports, unless the IMEIs of those that search tell them apart."""
    (port, imei), (its_port, its_imei) = ((getattr(o, "port", ""), getattr(o, "imei", "")) for o in (one, other))
    if not port or not its_port or (imei and its_imei and imei != its_imei):
        return False
    if port == its_port or (imei and imei == its_imei):
        return True
    meets = (PurePosixPath(port).match(its_port) and not its_imei, PurePosixPath(its_port).match(port) and not imei)
    return any(meets)


def _required(options: Any, where: str) -> Iterator[str]:
    for f in fields(options) if options is not None else ():
        if f.metadata.get("required") and not getattr(options, f.name):
            yield f"{where} {f.name}: is missing; {f.metadata['help']}"


def _workflows(config: Config) -> Iterator[str]:
    ids = [row.id for row in config.workflow]
    for i, row in enumerate(config.workflow, 1):
        where = f"[[workflow]] number {i}"
        if row.id < FIRST_CUSTOM_ID:
            yield f"{where} id: is missing; ids start at {FIRST_CUSTOM_ID}"
        elif ids.index(row.id) != i - 1:
            yield f"{where} id: {row.id} is taken; each workflow needs its own"
        if not 1 <= len(row.steps) <= 26:
            yield f'{where} steps: from 1 to 26 are needed, e.g. [{{ channel = "sms", wait = 60 }}]'
        for step in row.steps:
            yield from _step(step, where)


def _step(step: dict[str, Any], where: str) -> Iterator[str]:
    channel, wait = step.get("channel"), step.get("wait")
    if channel not in list(Channel):
        yield f'{where} steps: channel {channel!r} must be "sms" or "tts"'
    if type(wait) is not int or not 1 <= wait <= 3600:
        yield f"{where} steps: wait {wait!r} must be a whole number of seconds from 1 to 3600"
    for name in step.keys() - {"channel", "wait"}:
        yield f"{where} steps: no such key {name!r}; the keys are channel, wait"
