"""The configuration: one TOML file, every key declared once, as a dataclass field with its help, unit and bounds.

`load` reads everything before it complains, so that all mistakes come out at once, each with file, key and remedy.
A driver's own keys are the fields of its `Options`; they stand beside the keys here in `[[modem]]` and `[voice]`.
"""

import dataclasses
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, get_args, get_origin, get_type_hints

import drivers
from daemon.core.model import Channel, Step
from daemon.core.workflows import FIRST_CUSTOM_ID, WORKFLOWS

DEFAULT_FILE = Path("/etc/pinwheel/pinwheel.toml")
SQLITE_PREFIX = "sqlite:///"
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


class ConfigErrors(Exception):
    """The file cannot be used. `mistakes` has one sentence each."""

    def __init__(self, path: Path, mistakes: list[str]) -> None:
        super().__init__("\n".join(f"cannot use {path}: {mistake}" for mistake in mistakes))
        self.mistakes = mistakes


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    check: Callable[[str], str] | None = None,
) -> Any:
    """A configuration key: its default, one sentence, unit, bounds or choices; check: the mistake in a text, or ""."""
    metadata = {"help": help, "unit": unit, "low": low, "high": high, "choices": choices, "check": check}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def _name(value: str) -> str:
    fits = value.isprintable() and "/" not in value and not value.startswith("-")  # it stands in paths and commands
    return "" if fits else f'{value!r} must be printable, without "/" and "-" in front, e.g. "sim1"'


@dataclass(frozen=True, slots=True)
class Api:
    socket: str = setting("/run/pinwheel/control.sock", "The Unix socket, unless systemd passes one.")
    socket_mode: str = setting("0660", "Permissions of that socket, in octal.")
    allow_uids: list[int] = setting([], "Users who may speak to the socket; empty: whoever may open it.")
    tcp: str = setting(
        "", 'A listener for clients that insist on TCP, e.g. "127.0.0.1:8790"; then an [[account]] is needed.'
    )
    tls_cert: str = setting(
        "", "Certificate chain (PEM) of the TCP listener; without it the listener is plain and loopback only."
    )
    tls_key: str = setting("", "Private key (PEM) of that certificate.")


@dataclass(frozen=True, slots=True)
class Store:
    url: str = setting("sqlite:////var/lib/pinwheel/pinwheel.db", "The database; four slashes make the path absolute.")

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix(SQLITE_PREFIX))


@dataclass(frozen=True, slots=True)
class Security:
    key_file: str = setting(
        "",
        'Master key of the PINs; empty: the systemd credential "pinwheel-key", else a file "key" beside the database.',
    )
    max_active_per_number: int = setting(1, "Requests that may run for one number at a time; 0: any number.", low=0)
    cancel_after: int = setting(30, "A request cannot be cancelled before this.", unit="s", low=0)
    cancel_before_event: int = setting(2, "Nor once this event has run; 0: always.", low=0)
    on_refused: str = setting(
        "wait",
        'What an event that was refused for good does: keep the schedule ("wait"), or start the next ("next").',
        choices=("wait", "next"),
    )
    allow_prefixes: list[str] = setting(
        [], 'Numbers must start with one of these, e.g. ["44", "353"]; empty: any but premium-rate ones.'
    )
    deny_prefixes: list[str] = setting([], "Numbers must not start with any of these.")
    requests_per_second: int = setting(30, "Starts a second before clients are told to slow down; 0: no limit.", low=0)


@dataclass(frozen=True, slots=True)
class Account:
    key: str = setting("", "The api_key of a client on TCP.")
    secret_file: str = setting("", "A file with its api_secret.")


@dataclass(frozen=True, slots=True)
class Modem:
    name: str = setting("", "How logs and commands call this modem.", check=_name)
    driver: str = setting("serial", "The driver that speaks to it.")
    hourly_limit: int = setting(0, "SMS an hour, of which a long text takes several; 0: no limit.", low=0)
    daily_limit: int = setting(0, "SMS a day; 0: no limit.", low=0)
    monthly_recipients: int = setting(0, "Distinct recipients a month; 0: no limit.", low=0)
    on_uncertain: str = setting(
        "resend",
        'A message whose fate is unknown: send it once more ("resend"), or "never".',
        choices=("resend", "never"),
    )
    options: Any = field(default=None, metadata={"driver": True})


@dataclass(frozen=True, slots=True)
class SmsSection:
    flash: bool = setting(False, "Show messages at once and keep them nowhere (class 0); not every phone obeys.")
    origin: str = setting(
        "", 'The web site whose form takes the code, e.g. "example.com": phones then offer to fill it in.'
    )


@dataclass(frozen=True, slots=True)
class Voice:
    driver: str = setting("none", 'The driver that makes calls: "pyvoip" or "none".')
    options: Any = field(default=None, metadata={"driver": True})


@dataclass(frozen=True, slots=True)
class Prompts:
    directory: str = setting(
        "/var/lib/pinwheel/prompts",
        "Where rendered and imported prompts lie; what is missing there comes from the package.",
    )
    engine: str = setting(
        "gtts",
        'What `pinwheel prompts render` uses: "gtts", "piper" or "espeak"; no other command ever does.',
        choices=("gtts", "piper", "espeak"),
    )
    brands: list[str] = setting([], "Brands that get a welcome of their own.")


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    id: int = setting(0, "The workflow_id that callers give.", low=FIRST_CUSTOM_ID)
    steps: list[dict[str, Any]] = setting([], "The events: { channel, wait in seconds }.")


@dataclass(frozen=True, slots=True)
class ClockSection:
    speed: float = setting(
        1.0, "Waits and expiries run this much faster (demo and tests); devices and audio do not.", low=0.001, high=1000
    )


@dataclass(frozen=True, slots=True)
class Config:
    api: Api = field(default_factory=Api)
    store: Store = field(default_factory=Store)
    security: Security = field(default_factory=Security)
    account: tuple[Account, ...] = ()
    modem: tuple[Modem, ...] = ()
    sms: SmsSection = field(default_factory=SmsSection)
    voice: Voice = field(default_factory=Voice)
    prompts: Prompts = field(default_factory=Prompts)
    workflow: tuple[WorkflowRow, ...] = ()
    clock: ClockSection = field(default_factory=ClockSection)

    @property
    def workflows(self) -> dict[int, tuple[Step, ...]]:
        """The built-in workflows and the operator's."""
        own = {row.id: tuple(Step(Channel(s["channel"]), s["wait"]) for s in row.steps) for row in self.workflow}
        return {**WORKFLOWS, **own}

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels for which a device is configured."""
        configured = {Channel.SMS: bool(self.modem), Channel.TTS: self.voice.driver != "none"}
        return frozenset(channel for channel, there in configured.items() if there)


SECTIONS: dict[str, type] = {
    "api": Api,
    "store": Store,
    "security": Security,
    "sms": SmsSection,
    "voice": Voice,
    "prompts": Prompts,
    "clock": ClockSection,
}
TABLE_ARRAYS: dict[str, type] = {"account": Account, "modem": Modem, "workflow": WorkflowRow}


def load(path: Path) -> Config:
    """Read and check the file; raises ConfigErrors with every mistake in it."""
    try:
        text = path.read_bytes().decode()
    except OSError as exc:
        raise ConfigErrors(path, [f"{exc.strerror}; name another file with --config"]) from exc
    except UnicodeDecodeError as exc:
        raise ConfigErrors(path, [f"octet {exc.start} is not UTF-8; save it as UTF-8"]) from exc
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """As `load`, from the text of a file; `path` is only for the errors."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigErrors(path, [f"not valid TOML: {exc}"]) from exc
    mistakes: list[str] = []
    values: dict[str, Any] = {}
    for name, content in document.items():
        if name in SECTIONS:
            values[name] = _section(SECTIONS[name], content, f"[{name}]", mistakes)
        elif name in TABLE_ARRAYS:
            values[name] = _sections(TABLE_ARRAYS[name], content, name, mistakes)
        else:
            mistakes.append(_unknown(f"[{name}]", name, [*SECTIONS, *TABLE_ARRAYS], "section"))
    config = Config(**values)
    told = {mistake.partition(":")[0] for mistake in mistakes}
    mistakes += [more for more in _contradictions(config) if more.partition(":")[0] not in told]
    if mistakes:
        raise ConfigErrors(path, mistakes)
    return config


# --- one section -------------------------------------------------------------------------------------------


def _sections(cls: type, content: Any, name: str, mistakes: list[str]) -> tuple[Any, ...]:
    if not isinstance(content, list):
        mistakes.append(f"[{name}] must be written [[{name}]], there may be several")
        return ()
    return tuple(_section(cls, row, f"[[{name}]] number {i}", mistakes) for i, row in enumerate(content, 1))


def _section(cls: type, content: Any, where: str, mistakes: list[str]) -> Any:
    """An instance of `cls` from a TOML table; keys that are wrong are reported and keep their default."""
    if not isinstance(content, dict):
        mistakes.append(f"{where} must be a table")
        return cls()
    own = {f.name for f in fields(cls) if not f.metadata.get("driver")}
    already = len(mistakes)
    options = _options_class(cls, content, where, mistakes)
    theirs = {f.name for f in fields(options)} if options else set()
    for name in content if len(mistakes) == already else ():  # the keys of a wrong driver are not known
        if name not in own | theirs:
            mistakes.append(_unknown(f"{where} {name}", name, sorted(own | theirs), "key"))
    values = _values(cls, {n: v for n, v in content.items() if n in own}, where, mistakes)
    if options:
        values["options"] = options(
            **_values(options, {n: v for n, v in content.items() if n in theirs}, where, mistakes)
        )
    return cls(**values)


def _options_class(cls: type, content: dict[str, Any], where: str, mistakes: list[str]) -> Any:
    """The Options of the section's driver, or None."""
    names = {f.name: f for f in fields(cls)}
    if "options" not in names:
        return None
    driver = content.get("driver", names["driver"].default)
    if driver == "none" and cls is Voice:
        return None
    try:
        module, work = drivers.load(str(driver)), "call" if cls is Voice else "send"
        if hasattr(module.Driver, work):
            return module.Options
        mistakes.append(f"{where} driver: {driver!r} is for {'modems' if cls is Voice else 'calls'}")
    except LookupError as exc:
        mistakes.append(f"{where} driver: {exc}")
    except ImportError as exc:
        mistakes.append(f"{where} driver: {driver!r} needs the Python package {exc.name!r}; install it with pip")
    return None


def _values(cls: Any, content: dict[str, Any], where: str, mistakes: list[str]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    good: dict[str, Any] = {}
    for f in fields(cls):
        if f.name not in content:
            continue
        value = content[f.name]
        mistake = _type_mistake(hints[f.name], value) or _bound_mistake(f, value)
        if mistake:
            mistakes.append(f"{where} {f.name}: {mistake}")
        else:
            good[f.name] = float(value) if hints[f.name] is float else value
    return good


TYPE_NAMES = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}


def _type_mistake(hint: Any, value: Any) -> str:
    """What is wrong with the type of a value, or ""."""
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        if not isinstance(value, list):
            return f"{value!r} must be a list of {TYPE_NAMES[get_origin(inner) or inner]}"
        return next((m for m in (_type_mistake(inner, v) for v in value) if m), "")
    options = tuple(
        get_origin(h) or h for h in (get_args(hint) if get_args(hint) and get_origin(hint) is not dict else (hint,))
    )
    accepted = (*options, int) if float in options else options
    if (isinstance(value, bool) and bool not in options) or not isinstance(value, accepted):
        return f"{value!r} must be {' or '.join(TYPE_NAMES[o] for o in options)}"
    return ""


def _bound_mistake(f: "dataclasses.Field[Any]", value: Any) -> str:
    """What is wrong with a value of the right type, or ""."""
    choices, low, high, check = (f.metadata.get(name) for name in ("choices", "low", "high", "check"))
    unit = f" {f.metadata['unit']}" if f.metadata.get("unit") else ""
    if isinstance(value, str):
        or_number = "" if low is None else "a number or "
        if choices and value not in choices:
            return f"{value!r} must be {or_number}one of {', '.join(repr(c) for c in choices)}"
        return check(value) if check else ""
    if low is not None and value < low:
        return f"{value!r} is too small; the least is {low:g}{unit}"
    if high is not None and value > high:
        return f"{value!r} is too large; the most is {high:g}{unit}"
    return ""


def _unknown(where: str, name: str, known: list[str], what: str) -> str:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the {what}s are {', '.join(known)}"
    return f"{where}: no such {what}; {hint}"


# --- the file as a whole -----------------------------------------------------------------------------------


def _contradictions(config: Config) -> Iterator[str]:
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
