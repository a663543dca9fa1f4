"""Gateways in trouble, as facts: one where all is well, and the ways in which it is not."""

from dataclasses import replace
from typing import Any

from daemon.core.histogram import Histogram
from daemon.core.milliseconds import Ms
from daemon.core.overload import Overload
from daemon.core.quota import Limits, Used
from daemon.lanes.snapshots import Duty, ModemSnapshot, SmsSnapshot, VoiceSnapshot
from daemon.operations.doctor.checks.machine import EARLIEST
from daemon.operations.doctor.facts import (
    Answers,
    Asker,
    Audio,
    Configuration,
    Facts,
    Given,
    Inside,
    ModemPort,
    Ports,
    Prompts,
    Remark,
    Running,
    Service,
    Socket,
    Trunk,
)
from daemon.operations.doctor.judging import judged
from daemon.operations.doctor.registry import OF_DAEMON
from daemon.operations.host.values import (
    MISSING,
    Backups,
    Certificate,
    Clock,
    Database,
    Disk,
    Holders,
    Machine,
    Process,
    SerialPort,
    Unit,
    Usb,
)
from daemon.store.condition import Condition
from drivers import DeviceState, ModemStatus, Reason, TrunkStatus
from drivers.figures import ModemCounts
from drivers.settings import FaultKind
from drivers.survey import TrunkSurvey

GB = 1_000_000_000
STICK = Usb("1e0e", "9001", "SIM7600", folder="/sys/devices/usb1/1-1.4", control="on")
BY_ID = "/dev/serial/by-id/usb-SimTech-if02-port0"
PORT = SerialPort(BY_ID, "ttyUSB2", 5, "pinwheel", 0o660, (BY_ID,), STICK, "02", {"ID_MM_PORT_IGNORE": "1"})
MANAGER = Process(812, "ModemManager", "ModemManager.service")
SMSD = Process(900, "smsd", "smstools.service")
SOMEBODY = Process(77, "minicom")
SERVICE = Unit("pinwheel.service", True, "active", "enabled", 0, False, "success")
SOCKET = Unit("pinwheel.socket", True, "active", "enabled")
TIMER = Unit("pinwheel-backup.timer", True, "active", "enabled")


def modem(**more: Any) -> ModemSnapshot:
    status = {
        name: more.pop(name)
        for name in ("state", "detail", "reason", "signal_dbm", "remarks", "balance")
        if name in more
    }
    found = ModemStatus(**{"state": DeviceState.READY, "signal_dbm": -71, **status})
    good: dict[str, Any] = {
        "name": "sim1",
        "duty": Duty.WORKING,
        "status": found,
        "busy": False,
        "usual_s": 3.0,
        "used": Used(0, 0, 0),
        "limits": Limits(0, 0, 0),
        "full": "",
        "outcomes": {},
        "failures": 0,
        "last_error": None,
        "remarks": (),
        "balance_low": 5.0,
        "counts": ModemCounts(),
        "durations": Histogram((1.0,)),
    }
    return ModemSnapshot(**{**good, **more})


def idle(reason: Reason, detail: str, state: DeviceState = DeviceState.ABSENT) -> ModemSnapshot:
    return modem(state=state, detail=detail, reason=reason, signal_dbm=None)


def voice(**more: Any) -> VoiceSnapshot:
    names = ("state", "detail", "reason", "alive")
    status = {"state": DeviceState.READY, **{name: more.pop(name) for name in names if name in more}}
    good: dict[str, Any] = {"calls": (), "waiting": 0, "oldest_s": 0.0, "outcomes": {}, "results": {}}
    good["setups"] = good["lateness"] = Histogram((1.0,))
    return VoiceSnapshot(**{"driver": "pyvoip", "status": TrunkStatus(**status), "locales": ("en-us",), **good, **more})


def inside(*modems: ModemSnapshot, calls: VoiceSnapshot | None = None, **more: Any) -> Inside:
    lane = SmsSnapshot(
        modems or (modem(),), more.pop("waiting", 0), more.pop("oldest_s", 0.0), more.pop("overload", None)
    )
    return replace(Inside(Condition(), lane, calls or voice()), **more)


def given(found: Inside) -> tuple[Given, ...]:
    """What the daemon says of itself."""
    results = judged(OF_DAEMON, Facts(inside=found))
    return tuple(Given(result.check.name, result.verdict) for result in results)


def daemon(*modems: ModemSnapshot, **more: Any) -> dict[str, Any]:
    """What it has itself: `seen` lets it judge that."""
    return {"inside": inside(*modems, **more)}


def config(
    *remarks: tuple[str, str],
    mild: bool = False,
    kind: FaultKind = FaultKind.VALUE,
    starts: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Findings: key and text."""
    found = tuple(
        Remark(key, text, mild, "sim1" if key.startswith("[[modem]] number") else "", kind, starts)
        for key, text in remarks
    )
    return {"config": Configuration("/etc/pinwheel/pinwheel.toml", found, **more)}


def ports(*found: SerialPort, holders: Holders | None = None, pattern: str = BY_ID, **more: Any) -> dict[str, Any]:
    port = ModemPort("sim1", pattern, found, holders or Holders(()))
    return {"ports": Ports((port,), **more)}


def trunk(*, external: str = "", registers: bool = True, **more: Any) -> dict[str, Any]:
    good: dict[str, Any] = {"addresses": ("198.51.100.7",), "answer": "200 OK", "ours": "192.0.2.1:5060"}
    return {"trunk": Trunk("sip.example", "udp", TrunkSurvey(**{**good, **more}), external, registers)}


def unit(of: Unit, **more: Any) -> dict[str, Any]:
    units = {each.name: each for each in (SERVICE, SOCKET, TIMER)} | {of.name: replace(of, **more)}
    service, socket, timer = units.values()
    return {"service": Service(service, socket, timer)}


def disk(**more: Any) -> dict[str, Any]:
    return {"disks": (replace(Disk("the database", "/var/lib/pinwheel", 40 * GB, 80 * GB, 10**6, 10**6), **more),)}


AWAY: dict[str, Any] = {
    "away": "cannot reach the daemon at /run/pinwheel/control.sock: Connection refused; systemctl status pinwheel",
    "given": MISSING,
    "running": MISSING,
    "answers": MISSING,
}
"""The daemon does not answer."""
DOWN = {**AWAY, "socket": Socket("/run/pinwheel/control.sock", there=False)}

WELL = Facts(
    Asker("alice", False, frozenset({"pinwheel"}), frozenset({"pinwheel"})),
    **config(),
    **unit(SERVICE),
    socket=Socket("/run/pinwheel/control.sock", True, "pinwheel", 0o660),
    running=Running("1.0", "1.0"),
    **disk(),
    clock=Clock(True, EARLIEST + 1),
    machine=Machine(4 * GB, 8 * GB, files=(1000, 100_000)),
    database=Database("/var/lib/pinwheel/pinwheel.db", owner="pinwheel", user="pinwheel"),
    backups=Backups(3600.0),
    certificate=Certificate("/etc/pinwheel/tls.pem", 80),
    **ports(PORT),
    answers=(
        Answers(
            "sim1",
            {
                "AT+CSCA?": ('+CSCA: "+447785016005",145', "OK"),
                "AT+CPMS?": ('+CPMS: "SM",0,10,"SM",0,10,"SM",0,10', "OK"),
                "AT+CREG?": ("+CREG: 2,1", "OK"),
            },
        ),
    ),
    **trunk(),
    audio=Audio("40000-49999", 20, 0, dropped=False),
    prompts=Prompts(("en-us",)),
    given=given(inside()),
)


def seen(**parts: Any) -> Facts:
    """The gateway where all is well, but for these parts; inside: of a daemon, which gives its verdicts."""
    found = parts.pop("inside", None)
    if found is not None:
        parts["given"] = given(found)
    return replace(WELL, **parts)


def asked(command: str, *lines: str) -> dict[str, Any]:
    """What the modem answers to a command."""
    return {"answers": (Answers("sim1", {command: lines}),)}


OVERLOAD = Overload(2, 3)
ERRED = (Ms(0), "CMS 38: network out of order")
