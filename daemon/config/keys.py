"""The keys, each declared once, as a dataclass field with its help, unit and bounds; the sections, and the file.

A driver's own keys are the fields of its `Options`; they stand beside the keys here in `[[modem]]` and `[voice]`.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.config import checks
from daemon.core.milliseconds import seconds
from daemon.core.model import Channel, Step
from daemon.core.workflows import FIRST_CUSTOM_ID, WORKFLOWS
from daemon.prompts.library import LEVEL_DBFS
from daemon.resources import DEFAULT_SOCKET
from drivers.checks import STATE_DIRECTORY, readable_directory, secret_file, whole_path
from drivers.settings import Severity, setting

MAX_DAYS = 36_500
NO_DRIVER = "none"  # of [voice]


@dataclass(frozen=True, slots=True)
class Api:
    socket: str = setting(
        str(DEFAULT_SOCKET),
        "The Unix socket, unless systemd passes one.",
        check=checks.socket_path,
        probe=checks.socket_place,
    )
    socket_mode: str = setting("0660", "Permissions of that socket, in octal.", check=checks.mode)
    allow_uids: list[int] = setting(
        [],
        "Users who may use the socket; empty: everybody who may open it.",
        low=0,
        high=checks.MAX_UID,
        probe=checks.users,
    )
    operator_uids: list[int] = setting(
        [],
        "Users who are operators on the socket, besides root and the daemon's; empty: all but those of an [[account]].",
        low=0,
        high=checks.MAX_UID,
        probe=checks.users,
    )
    tcp: str = setting(
        "",
        'A TCP listener for clients that cannot use the socket, e.g. "127.0.0.1:8790"; it needs an [[account]].',
        check=checks.listener,
        probe=checks.listens,
    )
    tls_cert: str = setting(
        "",
        "Certificate chain (PEM) of the TCP listener; without it there is no TLS, and only loopback is allowed.",
        check=whole_path,
        probe=checks.certificate,
    )
    tls_key: str = setting("", "Private key (PEM) of that certificate.", check=whole_path, quoted=False)
    console: bool = setting(False, "Serve the web console to operators' browsers on this machine: pinwheel console.")


@dataclass(frozen=True, slots=True)
class Store:
    url: str = setting(
        checks.EXAMPLE_URL,
        'The database: a SQLite file (four slashes make the path absolute), or "postgresql://USER@HOST/DATABASE".',
        check=checks.database_url,
        probe=checks.database,
        quoted=False,
    )
    password_file: str = setting(
        "",
        'A file with the password of a PostgreSQL database; empty: the systemd credential "pinwheel-database", if any.',
        check=whole_path,
        probe=checks.database_password,
        quoted=False,
    )

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for PostgreSQL."""
        return checks.database_file(self.url)

    @property
    def directory(self) -> Path:
        """Where the daemon has its own files: beside the SQLite file, else where systemd lets it write."""
        if self.path is not None:
            return self.path.parent
        return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or STATE_DIRECTORY)


@dataclass(frozen=True, slots=True)
class Retention:
    numbers: int = setting(
        0, "Numbers of finished requests become keyed hashes after this; 0: never.", unit="days", low=0, high=MAX_DAYS
    )
    requests: int = setting(
        0,
        "Finished requests are deleted after this, with deliveries, checks and history; 0: never.",
        unit="days",
        low=0,
        high=MAX_DAYS,
    )
    history: int = setting(
        0, "Lines of the history are deleted after this; 0: with their requests.", unit="days", low=0, high=MAX_DAYS
    )
    incoming: int = setting(0, "Incoming messages are deleted after this; 0: never.", unit="days", low=0, high=MAX_DAYS)


@dataclass(frozen=True, slots=True)
class Security:
    key_file: str = setting(
        "",
        'Master key of the PINs; empty: the systemd credential "pinwheel-key", else a file "key" beside the database.',
        check=whole_path,
        quoted=False,
    )
    max_active_per_number: int = setting(1, "Requests that may run for one number at a time; 0: any number.", low=0)
    cancel_after: int = setting(30, "A request cannot be cancelled before this.", unit="s", low=0)
    cancel_before_event: int = setting(
        2, "A request cannot be cancelled once this event has run; 0: no such limit.", low=0
    )
    on_refused: str = setting(
        "wait",
        'If an event is refused for good: keep the schedule ("wait"), or start the next event at once ("next").',
        choices=("wait", "next"),
    )
    allow_prefixes: list[str] = setting(
        [],
        'Numbers must start with one of these, e.g. ["44", "353"]; empty: all but premium-rate numbers.',
        check=checks.prefix,
    )
    deny_prefixes: list[str] = setting(
        [], "Numbers must not start with any of these.", check=checks.prefix, probe=checks.denied
    )
    requests_per_second: int = setting(
        30,
        "Requests that a client (an account, at an address or user) may start in a second; 0: no limit.",
        low=0,
    )


@dataclass(frozen=True, slots=True)
class Account:
    key: str = setting("", "The api_key of a client; it sees its own requests only.", check=checks.account_key)
    secret_file: str = setting(
        "",
        "A file with its api_secret, which TCP needs.",
        check=whole_path,
        probe=secret_file(Severity.FATAL),
        quoted=False,
    )
    uids: list[int] = setting(
        [],
        "Users who may use this account on the socket without its secret; they are no operators.",
        low=0,
        high=checks.MAX_UID,
        probe=checks.users,
    )
    gids: list[int] = setting(
        [], "Groups whose members may do the same.", low=0, high=checks.MAX_UID, probe=checks.groups
    )


@dataclass(frozen=True, slots=True)
class Operator:
    name: str = setting("", "The user name of an operator on TCP (HTTP Basic).", check=checks.account_key)
    secret_file: str = setting(
        "",
        "A file with the operator's secret.",
        required=True,
        check=whole_path,
        probe=secret_file(Severity.FATAL),
        quoted=False,
    )


@dataclass(frozen=True, slots=True)
class Modem:
    name: str = setting("", "The name of this modem in logs and commands.", check=checks.modem_name)
    driver: str = setting("serial", "Its driver.")
    hourly_limit: int = setting(0, "SMS an hour, a long text counted as several; 0: no limit.", low=0)
    daily_limit: int = setting(0, "SMS a day; 0: no limit.", low=0)
    monthly_recipients: int = setting(0, "Distinct recipients a month; 0: no limit.", low=0)
    on_uncertain: str = setting(
        "resend",
        'If it is unknown whether a message was sent: send it once more ("resend"), or not ("never").',
        choices=("resend", "never"),
    )
    number: str = setting(
        "",
        "The SIM's own number, which [canary] texts from another SIM.",
        check=checks.own_number,
        quoted=False,
    )
    balance_low: float = setting(
        0.0,
        "A balance of the SIM below this is reported, in its currency (balance_ussd finds it out); 0: never.",
        low=0,
    )
    options: Any = field(default=None, metadata={"driver": True})


@dataclass(frozen=True, slots=True)
class CanarySection:
    every: int = setting(
        0,
        "SIMs text each other, and the trunk calls number, once in this time each; 300 or more, each costs; 0: off.",
        unit="s",
        low=0,
        high=604_800,
    )
    number: str = setting(
        "",
        "Whom the trunk calls: an echo service, or a number of your own trunk; empty: nobody.",
        check=checks.own_number,
        quoted=False,
    )


@dataclass(frozen=True, slots=True)
class SmsSection:
    flash: bool = setting(
        False, "Phones show the message at once and do not store it (class 0); some phones ignore this."
    )
    least_life: int = setting(
        10,
        "A message is dropped if its PIN would be valid for less than this when the network accepts it.",
        unit="s",
        low=1,
        high=50,
    )
    on_dropped: str = setting(
        "wait",
        'If a message is dropped: keep the schedule ("wait"), or start the next event at once ("next").',
        choices=("wait", "next"),
    )
    origin: str = setting(
        "",
        'Your web site that asks for the code, e.g. "example.com": phones then offer to fill it in.',
        check=checks.domain,
    )


@dataclass(frozen=True, slots=True)
class Voice:
    driver: str = setting(NO_DRIVER, 'The driver that makes calls: "pyvoip" or "none".')
    ring_seconds: int = setting(30, "How long a phone may ring.", unit="s", low=1, high=300)
    repeats: int = setting(2, "How often the callee may press 1 to hear the PIN again; 0: not offered.", low=0, high=9)
    confirm: str = setting(
        "none",
        'Say the PIN only to a callee who presses 1 ("press1"), so that no voicemail gets it; or "none".',
        choices=("none", "press1"),
    )
    machine: str = setting(
        "speak",
        'If an answering machine seems to answer (a guess by its greeting or beep): "speak" or "hangup".',
        choices=("speak", "hangup"),
    )
    limit_seconds: int = setting(120, "The longest call, from its answer.", unit="s", low=10, high=600)
    max_calls: int = setting(50, "The most calls at a time.", low=1, high=1000, probe=checks.room_for_calls)
    calls_per_second: int = setting(
        5, "The most calls started in a second; ask your provider for its limit.", low=1, high=100
    )
    options: Any = field(default=None, metadata={"driver": True})

    @property
    def configured(self) -> bool:
        """Whether there is a trunk."""
        return self.driver != NO_DRIVER


@dataclass(frozen=True, slots=True)
class Prompts:
    directory: str = setting(
        "/var/lib/pinwheel/prompts",
        "Directory of rendered and imported prompts; what is missing there comes from the package.",
        check=checks.directory,
        probe=readable_directory,
    )
    engine: str = setting(
        "gtts",
        'Engine of `pinwheel prompts render`: "gtts", "piper" or "espeak"; no other command uses one.',
        choices=("gtts", "piper", "espeak"),
    )
    brands: list[str] = setting([], "Brands that have a welcome of their own, with their name.", check=checks.brand)
    level: float = setting(
        LEVEL_DBFS,
        "Active speech level of clips, in dBFS; after a change: `pinwheel prompts render LOCALE --engine keep`.",
        low=-30,
        high=-15,
    )
    emphasis: float = setting(
        0.0,
        "Gain of clips above 2.5 kHz, in dB: 9 is clearer in noise, but sounds sharp; after a change: as for level.",
        low=0,
        high=12,
    )


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    id: int = setting(0, "The workflow_id that clients give.", low=FIRST_CUSTOM_ID)
    steps: list[dict[str, Any]] = setting([], "The events, each { channel, wait in seconds }.")


@dataclass(frozen=True, slots=True)
class Log:
    level: str = setting(
        "info",
        'The least important lines that are logged: "debug", "info", "warning" or "error"; --log-level goes first.',
        choices=("debug", "info", "warning", "error"),
    )


@dataclass(frozen=True, slots=True)
class ClockSection:
    speed: float = setting(
        1.0,
        "Waits and expiries run this much faster (demo and tests); devices and audio do not.",
        low=0.001,
        high=1000,
        probe=checks.speed,
    )


@dataclass(frozen=True, slots=True)
class Alert:
    numbers: list[str] = setting(
        [],
        'Operators who get an alert in trouble, e.g. ["+447700900123"]: an SMS by a modem that works, else a call;'
        " empty: nobody.",
        check=checks.alert_number,
        quoted=False,
    )
    name: str = setting("Pinwheel", "The name of this gateway in the alerts.", check=checks.alert_name)
    after: int = setting(300, "The alert goes out when trouble has lasted so long.", unit="s", low=30, high=86_400)
    again: int = setting(
        21_600, "If the trouble stays, another alert goes out after this.", unit="s", low=600, high=604_800
    )
    a_day: int = setting(10, "The most messages in 24 hours to each number.", low=1, high=100)


@dataclass(frozen=True, slots=True)
class Config:
    api: Api = field(default_factory=Api)
    store: Store = field(default_factory=Store)
    retention: Retention = field(default_factory=Retention)
    security: Security = field(default_factory=Security)
    account: tuple[Account, ...] = ()
    operator: tuple[Operator, ...] = ()
    modem: tuple[Modem, ...] = ()
    sms: SmsSection = field(default_factory=SmsSection)
    voice: Voice = field(default_factory=Voice)
    canary: CanarySection = field(default_factory=CanarySection)
    prompts: Prompts = field(default_factory=Prompts)
    alert: Alert = field(default_factory=Alert)
    workflow: tuple[WorkflowRow, ...] = ()
    log: Log = field(default_factory=Log)
    clock: ClockSection = field(default_factory=ClockSection)

    @property
    def workflows(self) -> dict[int, tuple[Step, ...]]:
        """The built-in workflows and the operator's."""
        return {**WORKFLOWS, **{row.id: tuple(_read(step) for step in row.steps) for row in self.workflow}}

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels for which a device is configured."""
        configured = {Channel.SMS: bool(self.modem), Channel.TTS: self.voice.configured}
        return frozenset(channel for channel, there in configured.items() if there)


def _read(step: dict[str, Any]) -> Step:
    return Step(Channel(step["channel"]), seconds(step["wait"]))


SECTIONS: dict[str, type] = {
    "api": Api,
    "store": Store,
    "retention": Retention,
    "security": Security,
    "sms": SmsSection,
    "voice": Voice,
    "canary": CanarySection,
    "prompts": Prompts,
    "alert": Alert,
    "log": Log,
    "clock": ClockSection,
}
TABLE_ARRAYS: dict[str, type] = {"account": Account, "operator": Operator, "modem": Modem, "workflow": WorkflowRow}
