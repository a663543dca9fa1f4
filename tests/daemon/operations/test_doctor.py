"""The doctor's judgement, on facts alone: each check, and broken worlds, of which it names the cause alone."""

import re
import shlex
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.core.canary import Standing
from daemon.lanes.snapshots import VOICE, Duty
from daemon.operations.doctor.facts import Asker, Audio, Facts, Prompts, Running, Service, Socket
from daemon.operations.doctor.judging import Result, health, judged, problems, stopping
from daemon.operations.doctor.registry import CHECKS, OF_DAEMON
from daemon.operations.doctor.verdicts import State
from daemon.operations.host.values import MISSING, Backups, Certificate, Clock, Database, Holders, Machine
from daemon.store.condition import Condition, Misplaced
from drivers import Balance, DeviceState, Reason
from drivers.settings import FaultKind
from tests.daemon.operations.worlds import (
    AWAY,
    BY_ID,
    DOWN,
    ERRED,
    MANAGER,
    OVERLOAD,
    PORT,
    SERVICE,
    SMSD,
    SOCKET,
    SOMEBODY,
    STICK,
    TIMER,
    WELL,
    asked,
    config,
    daemon,
    disk,
    idle,
    inside,
    modem,
    ports,
    seen,
    trunk,
    unit,
    voice,
)

I, W, E = State.INFO, State.WARNING, State.ERROR  # noqa: E741 - a table reads better
ALICE = Asker("alice", False)
MEMBER = replace(ALICE, member_of=frozenset({"pinwheel"}))
HELD = idle(Reason.PORT_HELD, "the port is in use by another program (ModemManager, gammu-smsd?): stop it there")
GONE = idle(Reason.NO_PORT, "no such port: plug the modem in, or correct port")
FAILED, WAITING = DeviceState.FAILED, DeviceState.WAITING
MOVED = Condition(broken=True, misplaced=Misplaced("/p.db was moved", "put it back"))
KEY = "cannot find the master key /var/lib/pinwheel/key, which 2 live request(s) need; restore it from your backup"
BASE = Database("/var/lib/pinwheel/pinwheel.db", owner="pinwheel", user="pinwheel")
MACHINE = Machine(4_000_000_000, 8_000_000_000)
DUMB = Standing(failures=2, why="its text")
OFF = [replace(each, active="inactive", enabled="disabled") for each in (SERVICE, SOCKET)]
AN_SMSC = '+CSCA: "+447785016005",145'


def account(reason: Reason, problem: str) -> dict[str, Any]:
    detail = f"the registrar refuses us: {problem}; check the account"
    return daemon(calls=voice(state=FAILED, detail=detail, reason=reason))


def no_trunk(reason: Reason, detail: str) -> dict[str, Any]:
    return daemon(calls=voice(state=WAITING, detail=detail, reason=reason))


WORLDS: dict[str, tuple[dict[str, Any], str, State, str]] = {
    "installed, and never set up": (
        {
            **DOWN,
            **config(("[[modem]] and [voice] driver", "nothing can be sent; run pinwheel setup")),
            "service": Service(OFF[0], OFF[1], TIMER),
        },
        "devices-configured",
        E,
        "nothing can be sent: run pinwheel setup",
    ),
    "port held by another program": (
        {**ports(PORT, holders=Holders((MANAGER,)), rivals=(MANAGER,)), **daemon(HELD)},
        "port-held",
        E,
        "ModemManager (pid 812, ModemManager.service) has the port ttyUSB2 of modem sim1: sudo pinwheel doc",
    ),
    "ModemManager on": (
        {
            **ports(replace(PORT, properties={}), rivals=(MANAGER,)),
            **daemon(idle(Reason.SILENT, "the modem does not a")),
        },
        "modemmanager",
        E,
        "ModemManager runs and does not leave ttyUSB2 of modem sim1 alone: sudo pinwheel doctor modemmanager --fix",
    ),
    "wrong tty": (
        daemon(idle(Reason.WRONG_PORT, "no port at /dev/ttyUSB0 takes messages")),
        "modem-tty",
        E,
        "modem sim1 is absent: no port at /dev/ttyUSB0 takes messages",
    ),
    "SIM locked": (
        daemon(idle(Reason.SIM_PIN, "the SIM wants its PIN: set pin_file", FAILED)),
        "sim",
        E,
        "modem sim1 is failed: the SIM wants its PIN: set pin_file",
    ),
    "PUK": (
        daemon(idle(Reason.SIM_PUK, "the SIM wants SIM PUK: put it into a phone and unlock it there", FAILED)),
        "sim",
        E,
        "the SIM wants SIM PUK: put it into a phone",
    ),
    "no SIM": (daemon(idle(Reason.NO_SIM, "no SIM card: insert one", FAILED)), "sim", E, "no SIM card: insert one"),
    "SMSC empty": (
        {**asked("AT+CSCA?", '+CSCA: "",129', "OK"), **daemon(modem(failures=3, last_error=ERRED))},
        "smsc",
        E,
        "has no number of a service centre (SMSC): put the SIM into a phone",
    ),
    "off the network": (
        daemon(
            idle(Reason.NO_COVERAGE, "searching for a network: check the antenna", WAITING), waiting=3, oldest_s=90.0
        ),
        "network",
        E,
        "modem sim1 is waiting: searching for a network: check the antenna",
    ),
    "trunk name wrong": (
        {**trunk(addresses=()), **no_trunk(Reason.NO_ADDRESS, "cannot reach sip.example: no address for the name")},
        "trunk-name",
        E,
        "the name sip.example has no address: check [voice] server; getent hosts sip.example",
    ),
    "401": (account(Reason.UNAUTHORIZED, "401 Unauthorized"), "trunk-account", E, "password_file"),
    "403": (account(Reason.FORBIDDEN, "403 Forbidden"), "trunk-account", E, "is the account blocked"),
    "404": (account(Reason.UNKNOWN_ACCOUNT, "404 Not Found"), "trunk-account", E, "does not know this account"),
    "certificate over": (
        {
            **trunk(certificate_problem="it has expired", unreachable="TLS"),
            **no_trunk(Reason.NONE, "not connected: TLS"),
        },
        "trunk-certificate",
        E,
        "the certificate of sip.example is not trusted: it has expired: ask the trunk",
    ),
    "NAT": (
        trunk(seen_at="203.0.113.9:31000", rewritten=True),
        "nat",
        E,
        "the trunk sees us at 203.0.113.9, we write 192.0.2.1 into our messages: set [voice] external_address",
    ),
    "disk full": (
        {**disk(free=1_000_000), **daemon(store=Condition(broken=True))},
        "disk-room",
        E,
        "the database has 1 MB left on the disk of /var/lib/pinwheel: make room",
    ),
    "clock off": (
        {"clock": Clock(False, WELL.clock.now), "running": Running("1.0", "1.0", 7200.0)},  # type: ignore[union-attr]
        "clock",
        W,
        "the clock is not synchronised: PINs expire by it: timedatectl set-ntp true",
    ),
    "database damaged": (
        {
            **DOWN,
            **config(("[store] url", "/var/lib/pinwheel/pinwheel.db is no SQLite database; name another file")),
            **unit(SERVICE, active="failed", result="exit-code", restarts=9),
            "database": replace(BASE, damage=("file is not a database",)),
        },
        "database-whole",
        E,
        "is damaged: file is not a database: systemctl stop pinwheel.socket pinwheel; pinwheel restore BACKUP;",
    ),
    "key gone": (
        {**DOWN, **config(("[security] key_file", KEY)), **unit(SERVICE, active="activating", restarts=9)},
        "master-key",
        E,
        "which 2 live request(s) need: restore it from your backup",
    ),
    "group missing": (
        {**AWAY, "asker": ALICE},
        "socket-group",
        E,
        "you are not in the group pinwheel, which may use the daemon: sudo usermod -aG pinwheel alice, and log",
    ),
    "prompts missing": (
        {"prompts": Prompts((), ("en-us",)), **daemon(calls=voice(locales=()))},
        "prompts",
        E,
        "voice has no prompts: pinwheel prompts check",
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_of_a_broken_world_the_cause_is_named_with_its_remedy_and_nothing_that_follows(name: str) -> None:
    parts, code, state, words = WORLDS[name]
    found = problems(judged(CHECKS, seen(**parts)))
    assert [(result.check.name, result.state) for result in found] == [(code, state)]
    assert words in found[0].verdict.sentence
    assert found[0].verdict.remedy


def test_where_all_is_well_nothing_is_said() -> None:
    found = judged(CHECKS, WELL)
    assert [(result.check.name, result.verdict) for result in found if result.state not in (State.OK,)] == []
    assert [result.check.name for result in found] == [check.name for check in CHECKS]


ROWS: dict[str, list[tuple[dict[str, Any], State, str]]] = {
    "config-file": [(config(("", "not valid TOML: line 3; the closing ] is missing")), E, "the closing ] is missing")],
    "config-mode": [
        (
            config(("its mode", "every user of this machine may write /p; run: chmod o-w /p"), kind=FaultKind.WRITABLE),
            E,
            "chmod o-w",
        )
    ],
    "config-keys": [
        (config(("[sms] flsh", "no such key; did you mean 'flash'?")), E, "[sms] flsh: no such key: did you mean"),
        (config(("[api] allow_uids", "there is no user 77"), mild=True), W, "there is no user 77"),
    ],
    "secret-mode": [
        (
            config(
                ("[voice] password_file", "every user of this machine may read /s; run: chmod o= /s"),
                kind=FaultKind.READABLE,
            ),
            E,
            "may read /s: chmod o= /s",
        )
    ],
    "unit-limits": [
        (
            config(
                ("[store] url", "/d is read-only here: its disk, or by StateDirectory= of the unit"),
                kind=FaultKind.HIDDEN,
            ),
            E,
            "read-only here",
        ),
        (
            config(
                ("[api] tls_cert", "the service does not see /home (ProtectHome= of its unit); m"),
                kind=FaultKind.HIDDEN,
            ),
            E,
            "/home",
        ),
    ],
    "clock-speed": [(config(("[clock] speed", "waits run 20 times as fast"), mild=True), W, "20 times")],
    "accounts": [
        (config(("[[account]] number 1 secret_file", "there is no file /s; make it")), E, "make it"),
        (config(("[[operator]] number 1 secret_file", "there is no file /s; make it")), E, "make it"),
    ],
    "devices-configured": [(config(("[[modem]] and [voice] driver", "nothing can be sent; add a")), E, "nothing can")],
    "channels": [
        (config(voice=False), I, "no calls: [voice] driver is none"),
        (config(modems=0), I, "no messages"),
        (config(modems=0, voice=False), State.OK, ""),
    ],
    "pin-file": [(config(("[[modem]] number 1 pin_file", "there is no file /pin; make it")), E, "pin_file: there is")],
    "prompts-folder": [
        (config(("[prompts] directory", "x may not read /p; run: chmod -R g+rX /p && chgrp p /p")), E, "/p")
    ],
    "disk-read-only": [(disk(read_only=True), E, "mount -o remount,rw")],
    "disk-room": [(disk(free=400_000_000, total=80_000_000_000), W, "400 MB left"), (disk(free=0, total=0), E, "0 MB")],
    "disk-inodes": [(disk(inodes_free=3), E, "3 inodes left")],
    "clock": [
        ({"clock": Clock(True, 1e9)}, E, "the clock is years behind: timedatectl set-ntp true"),
        ({"clock": Clock(False, 1e9, "")}, E, "the clock is years behind: apt install systemd-timesyncd"),
        ({"clock": Clock(False, 2e9, "")}, W, "PINs expire by it: apt install systemd-timesyncd"),
        ({"clock": Clock(False, 2e9, "chrony.service")}, W, "systemctl enable --now chrony.service"),
        ({"clock": Clock(False, 2e9, "systemd-timesyncd.service")}, W, "timedatectl set-ntp true"),
    ],
    "memory": [({"machine": replace(MACHINE, memory_free=50_000_000)}, W, "50 MB of memory")],
    "descriptors": [({"machine": replace(MACHINE, files=(90, 100))}, W, "90 files are open on this machine, of 100")],
    "entropy": [({"machine": replace(MACHINE, entropy=False)}, E, "random numbers")],
    "journal": [({"machine": replace(MACHINE, journal=False)}, I, "mkdir -p /var/log/journal && systemctl")],
    "sip-helper": [
        ({"machine": replace(MACHINE, modules=frozenset({"nf_conntrack_sip"}))}, W, "modprobe -r nf_conntrack_sip")
    ],
    "database-owner": [({"database": replace(BASE, owner="root")}, E, "chown pinwheel /var/lib/pinwheel/pinwheel.db")],
    "database-whole": [
        ({"database": replace(BASE, damage=("row 7 missing",))}, E, "row 7 missing"),
        ({"database": replace(BASE, damage=("x",)), "backups": Backups(9.0, "/b.db")}, E, "pinwheel restore /b.db;"),
        ({"database": replace(BASE, damage=("x",)), "backups": MISSING}, E, "pinwheel restore BACKUP;"),
    ],
    "database-file": [(config(("[store] url", "/d is a directory; name a file")), E, "/d is a directory: name a file")],
    "master-key": [(config(("[security] key_file", KEY)), E, "restore it")],
    "database-log": [({"database": replace(BASE, log=300_000_000)}, W, "300 MB")],
    "sqlite": [({"database": replace(BASE, library=(3, 40, 1))}, W, "SQLite 3.40.1")],
    "backup": [
        ({"backups": Backups(10 * 86_400.0)}, W, "10 days old"),
        ({"backups": Backups(None)}, I, "there is no backup"),
    ],
    "backup-timer": [(unit(TIMER, active="inactive"), I, "systemctl enable --now pinwheel-backup.timer")],
    "socket-path": [(config(("[api] socket", "/s exists and is not a socket; name another path")), E, "not a socket")],
    "api-certificate": [(config(("[api] tls_cert", "the key /k does not belong to the certificate /c")), E, "/k")],
    "api-listener": [(config(("[api] tcp", "port 80 is kept for root; take one from 1024 on")), E, "kept for root")],
    "certificate-days": [
        ({"certificate": Certificate("/c", 3.2)}, W, "ends in 3 days"),
        ({"certificate": Certificate("/c", -1.0)}, E, "/c is over"),
    ],
    "service-installed": [(unit(SERVICE, loaded=False, active="inactive"), I, "pinwheel.service is not installed")],
    "service-user": [
        ({**DOWN, "service": Service(SERVICE, SOCKET, TIMER, ("group pinwheel",))}, E, "there is no group pinwheel"),
    ],
    "service-reload": [(unit(SERVICE, reload_due=True), W, "systemctl daemon-reload")],
    "service-enabled": [(unit(SOCKET, enabled="disabled"), W, "systemctl enable pinwheel.socket")],
    "watchdog": [(unit(SERVICE, watchdog=False), W, "WatchdogSec=15")],
    "socket-active": [(unit(SOCKET, active="inactive"), E, "systemctl enable --now pinwheel.socket")],
    "service-active": [
        ({**DOWN, **unit(SERVICE, active="inactive")}, E, "systemctl start pinwheel"),
        ({**DOWN, **unit(SERVICE, active="failed", result="exit-code")}, E, "has failed (exit-code): journalctl"),
    ],
    "service-restarts": [
        (unit(SERVICE, restarts=3), W, "restarted 3 times"),
        (unit(SERVICE, restarts=3, up_s=301.0), State.OK, ""),  # what was mended used to be a warning for ever
        (unit(SERVICE, restarts=2), State.OK, ""),
    ],
    "socket-group": [({**AWAY, "asker": MEMBER}, E, "not in this session: log out and in again")],
    "allow-uids": [
        (config(allow_uids=frozenset({1000}), uid=1000), State.OK, ""),
        ({**AWAY, **config(allow_uids=frozenset({5}), uid=1000)}, E, "add 1000 to allow_uids"),
    ],
    "socket-mode": [
        ({"socket": Socket("/s", True, "pinwheel", 0o666)}, W, "every user may use /s"),
        ({"socket": Socket("/s", True, "pinwheel", 0o600)}, W, "only root may use /s"),
    ],
    "socket-there": [
        (DOWN, E, "systemctl restart pinwheel.socket"),
        (unit(SOCKET, loaded=False), State.SKIPPED, "makes its own socket"),
    ],
    "daemon-answers": [
        (AWAY, E, "Connection refused: systemctl status pinwheel"),
        ({**AWAY, "away": "gone"}, E, "gone: systemctl start pinwheel"),
    ],
    "version": [({"running": Running("0.9", "1.0")}, W, "version 0.9 runs, 1.0 is installed")],
    "clock-stepped": [({"running": Running("1.0", "1.0", -60.0)}, W, "set by -60 s")],
    "store-in-place": [(daemon(store=MOVED), E, "/p.db was moved: put it back")],
    "store-whole": [(daemon(store=Condition(damaged=True)), E, "restore your newest backup")],
    "store-writes": [(daemon(store=Condition(broken=True)), E, "the last write")],
    "usb-cd-rom": [(ports(PORT, sticks=(replace(STICK, vendor="12d1", product="1f01"),)), E, "usb-modeswitch")],
    "usb-hilink": [(ports(PORT, sticks=(replace(STICK, vendor="12d1", product="14dc"),)), E, "HiLink")],
    "port-elsewhere": [
        ({**ports(others=(PORT,)), **daemon(GONE)}, E, f'a modem of SIMCom is at ttyUSB2: set port = "{BY_ID}"'),
        (ports(others=(replace(PORT, name="/dev/ttyUSB7", by_id=(), usb=None),)), E, 'set port = "/dev/ttyUSB7"'),
    ],
    "port-there": [
        (
            {
                **ports(),
                **config(
                    ("[[modem]] number 1 port", "there is no port /p now; is it"), kind=FaultKind.NO_PORT, mild=True
                ),
                **daemon(GONE),
            },
            E,
            "there is no port /p now",
        )
    ],
    "port-kind": [
        (
            config(
                ("[[modem]] number 1 port", "2 ports fit /dev/x*; name one, or give the modem's imei"),
                kind=FaultKind.WRONG_PORT,
            ),
            E,
            "2 ports fit",
        ),
        (
            config(("[[modem]] number 1 port", "may be that of 'sim2'; name another port"), kind=FaultKind.WRONG_PORT),
            E,
            "may be that of",
        ),
        (
            config(("[[modem]] number 1 port", "/dev/x is no serial port; name one of"), kind=FaultKind.WRONG_PORT),
            E,
            "no serial port",
        ),
    ],
    "port-access": [
        (
            {
                **config(
                    ("[[modem]] number 1 port", "the user pinwheel may not open /dev/x; run: usermod -aG dialout p"),
                    kind=FaultKind.NO_ACCESS,
                ),
                **daemon(idle(Reason.NO_PERMISSION, "no permission to open the port: pinwheel doctor port-access")),
            },
            E,
            "may not open /dev/x: usermod -aG dialout p",
        )
    ],
    "port-held": [
        (ports(PORT, holders=Holders((SOMEBODY,))), E, "minicom (pid 77) has the port ttyUSB2 of modem sim1: kill 77"),
        (
            ports(replace(PORT, usb=None), holders=Holders((MANAGER,))),
            E,
            "systemctl disable --now ModemManager.service",
        ),
        (ports(holders=Holders((SMSD,))), E, f"has the port {BY_ID} of"),
        (ports(PORT, holders=Holders((), complete=False)), I, "seen by root only: sudo pinwheel doctor"),
        (ports(holders=Holders((), complete=False)), State.OK, ""),
    ],
    "rivals": [
        (ports(PORT, rivals=(SMSD,)), W, "smstools runs here: smsd (pid 900, smstools.service): systemctl disable")
    ],
    "port-name": [(ports(PORT, pattern="/dev/ttyUSB2"), W, f'set port = "{BY_ID}"')],
    "usb-suspend": [(ports(replace(PORT, usb=replace(STICK, control="auto"))), W, "echo on >")],
    "usb-resets": [
        (ports(PORT, resets={"1-1.4": 3}), W, "1-1.4 went away 3 times"),
        (ports(PORT, resets={"1-1.4": 2}), State.OK, ""),
    ],
    "modem-unused": [(ports(PORT, others=(replace(PORT, device="ttyUSB9"),)), I, "1e0e:9001")],
    "devices": [(daemon(sms=None, voice=None), E, "the configuration has no [[modem]], and [voice] driver is none")],
    "modem-duty": [(daemon(modem(duty=Duty.PAUSED)), W, "modem sim1 is paused: pinwheel modems resume sim1")],
    "modem-port": [(daemon(GONE), E, "modem sim1 is absent: no such port: plug the modem in, or correct port")],
    "modem-answers": [(daemon(idle(Reason.SILENT, "the modem does not answer: check port")), E, "check port")],
    "network-denied": [(daemon(idle(Reason.DENIED, "the network denies: check the SIM", WAITING)), E, "denies")],
    "modem-works": [(daemon(idle(Reason.NONE, "")), E, "modem sim1 is absent")],
    "quota": [(daemon(modem(full="the daily limit")), W, "has reached its limit: the daily limit")],
    "signal": [
        (daemon(modem(signal_dbm=-109)), W, "receives -109 dBm"),
        (daemon(modem(signal_dbm=None)), State.OK, ""),
    ],
    "balance": [
        (
            daemon(modem(balance=Balance(Decimal("4.99"), "EUR", 0.0))),
            W,
            "the SIM of modem sim1 has 4.99 EUR left: top",
        ),
        (daemon(modem(balance=Balance(Decimal("-3"), "", 0.0))), W, "has -3 left"),
        (daemon(modem(balance=Balance(Decimal(5), "EUR", 0.0))), State.OK, ""),
        (daemon(modem()), State.OK, ""),
    ],
    "trunk-password": [
        (
            config(
                ("[voice] password_file", "x may not read /s; run: chgrp pinwheel /s && chmod 640 /s, and see that")
            ),
            E,
            "chgrp pinwheel /s && chmod 640 /s, and see that",
        ),
        (config(("[voice] password_file", "there is no file /s; make it")), E, "make it"),
    ],
    "trunk-files": [(config(("[voice] tls_ca", "/c holds no PEM certificate")), E, "no PEM")],
    "sip-address": [(config(("[voice] bind", "192.0.2.1 is no address of this machine; `ip addr`")), E, "no address")],
    "audio-range": [(config(("[voice] rtp_ports", "enough for 3 calls; e.g. 40000")), E, "enough for 3")],
    "audio-free": [
        ({"audio": Audio("40000-49999", 20, 20)}, E, "other programs have the audio ports"),
        ({"audio": Audio("40000-49999", 20, 3)}, I, "3 of 20"),
    ],
    "firewall": [
        ({"audio": Audio("40000-49999", dropped=True)}, W, "nft add rule"),
        ({"audio": Audio("40000-49999")}, State.SKIPPED, "root sees it"),
    ],
    "voice-alive": [(daemon(calls=voice(state=FAILED, alive=False, detail="signalling died")), E, "signalling died")],
    "prompts-broken": [({"prompts": Prompts(("en-us",), (), ("bye.wav: it ends too early",))}, W, "bye.wav")],
    "prompts-lacking": [
        ({"prompts": Prompts(())}, E, "no language can be spoken"),
        ({"prompts": Prompts(("en-us",), ("de-de",))}, W, "pinwheel prompts check de-de"),
    ],
    "trunk-certificate": [
        (trunk(certificate_days=5.0), W, "ends in 5 days"),
        (trunk(certificate_days=90.0), State.OK, ""),
    ],
    "trunk-reached": [
        (
            {**trunk(unreachable="no answer"), **no_trunk(Reason.SILENT, "no answer from x to OPTIONS")},
            E,
            "nothing answers at",
        )
    ],
    "sip-alg": [(trunk(rewritten=True), W, "SIP ALG")],
    "trunk-options": [
        (trunk(answer="403 Forbidden", registers=False), W, "refuses this address (403 Forbidden to OPTIONS)"),
        (trunk(answer="404 Not Found", registers=False), W, "does not know this domain"),
        (trunk(answer="403 Forbidden"), State.OK, ""),
    ],
    "trunk-dns": [(no_trunk(Reason.NO_ADDRESS, "cannot reach it: no address for the name x"), E, "no address")],
    "trunk-silent": [(no_trunk(Reason.SILENT, "no answer from x"), E, "voice is waiting: no answer from x")],
    "trunk-works": [(no_trunk(Reason.NONE, "not connected: refused"), E, "voice is waiting: not connected: refused")],
    "smsc": [(asked("AT+CSCA?", AN_SMSC), State.OK, ""), (asked("AT+CSCA?", "ERROR"), State.OK, "")],
    "sim-full": [
        (asked("AT+CPMS?", '+CPMS: "SM",10,10,"SM",10,10'), W, "is full: 10 of 10"),
        (asked("AT+CPMS?", '+CPMS: "SM",x,10'), State.OK, ""),
        (asked("AT+CPMS?", '+CPMS: "SM"'), State.OK, ""),
    ],
    "roaming": [(asked("AT+CREG?", "+CREG: 2,5"), I, "roams")],
    "modem-failures": [
        (daemon(modem(failures=3)), W, "has failed 3 times in a row: pinwheel modems test sim1"),
        (daemon(modem(failures=4, last_error=ERRED)), W, "the last with: CMS 38"),
    ],
    "canary": [
        (daemon(canary={"sim1": DUMB}), W, "the canary of sim1 has failed 2 times in a row: its text: pinwheel modems"),
        (daemon(canary={"[voice]": DUMB}), W, "in a row: its text: pinwheel call test YOUR_NUMBER"),
        (daemon(canary={"sim1": Standing(failures=1)}), State.OK, ""),
    ],
    "modem-remarks": [(daemon(modem(remarks=("no delivery report in 20 messages",))), W, "no delivery report")],
    "message-queue": [(daemon(waiting=7, oldest_s=61.0), W, "7 messages wait, the first for 61 s")],
    "call-queue": [(daemon(calls=voice(waiting=2, oldest_s=70.0)), W, "2 calls wait, the first for 70 s")],
    "overload": [(daemon(overload=OVERLOAD), W, "overloaded: 2 dropped, 3 modems would do")],
}
SAID = Path(__file__).with_name("what_the_doctor_says.txt")
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "doctor.md"
IN_WORLDS = {code for _, code, _, _ in WORLDS.values()}


@pytest.mark.parametrize(
    ("code", "number"), [(code, number) for code, rows in ROWS.items() for number in range(len(rows))]
)
def test_a_check_says_what_is_wrong_and_it_alone_does(code: str, number: int) -> None:
    parts, state, words = ROWS[code][number]
    results = judged(CHECKS, seen(**parts))
    (result,) = (result for result in results if result.check.name == code)
    assert result.state is state
    assert words in result.verdict.sentence
    assert {each.check.name for each in problems(results)} <= {code}


def test_a_service_that_was_never_started_lacks_no_watchdog() -> None:
    """systemd reports no watchdog before the first start, so that every new installation used to get this warning."""
    results = judged(CHECKS, seen(**DOWN, **unit(SERVICE, active="inactive", watchdog=False)))
    assert "watchdog" not in {each.check.name for each in problems(results)}


def test_each_check_has_a_row_and_stands_behind_what_it_needs() -> None:
    codes = [check.name for check in CHECKS]
    assert set(codes) - ROWS.keys() - IN_WORLDS == set()
    assert len(set(codes)) == len(codes) >= 60
    for place, check in enumerate(CHECKS):
        assert re.fullmatch(r"[a-z][a-z0-9-]+", check.name)
        assert set(check.needs) <= set(codes[:place]), check.name
        assert len(check.name) <= 18
    slow = [check.slow for check in CHECKS]
    assert not any(slow[: slow.index(True)])


def test_the_document_has_a_row_for_each_check_with_what_to_do() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(), re.MULTILINE)
    expected = [(each.name, each.title + " (`--fix`)" * each.fixes) for each in CHECKS]
    assert [(name, title) for name, title, _ in rows] == expected


def test_only_what_can_be_mended_without_a_decision_has_a_fix() -> None:
    """And the table says of which checks that is so."""
    every = [parts for rows in ROWS.values() for parts, _, _ in rows] + [parts for parts, _, _, _ in WORLDS.values()]
    results = [result for parts in every for result in judged(CHECKS, seen(**parts)) if result.verdict.fix]
    assert {result.check.name for result in results} <= {check.name for check in CHECKS if check.fixes}
    programs = {words[0] for result in results for words in result.verdict.fix}
    systemd = {"systemctl", "systemd-sysusers", "systemd-tmpfiles", "timedatectl", "udevadm", "usermod"}
    assert programs <= {"chmod", "chgrp", "chown", "modprobe", "sh"} | systemd


def test_the_fix_for_modemmanager_writes_the_rule_that_setup_writes() -> None:
    (found,) = problems(judged(CHECKS, seen(**WORLDS["ModemManager on"][0])))
    *_, rule, path = found.verdict.fix[0]
    assert path == "/etc/udev/rules.d/77-pinwheel-sim1.rules"
    assert 'ATTRS{idVendor}=="1e0e", ATTRS{idProduct}=="9001"' in rule
    assert [words[0] for words in found.verdict.fix[1:]] == ["udevadm", "udevadm", "udevadm", "systemctl"]


def said() -> str:
    """Everything that the doctor says in the rows and worlds above, as `SAID` has it."""
    lines = []
    for code, rows in sorted(ROWS.items()):
        for parts, _, _ in rows:
            found = [each for each in judged(CHECKS, seen(**parts)) if each.check.name == code]
            lines += [line for each in found for line in _lines(each)]
    for name, (parts, _, _, _) in sorted(WORLDS.items()):
        lines += [f"--- {name}", *(line for each in problems(judged(CHECKS, seen(**parts))) for line in _lines(each))]
    return "\n".join(lines) + "\n"


def _lines(result: Result) -> list[str]:
    verdict = result.verdict
    about = f" [{verdict.subject}]" if verdict.subject else ""
    fixes = [f"    $ {shlex.join(words)}" for words in verdict.fix]
    remedy = [f"    > {verdict.remedy}"] if verdict.remedy else []
    return [f"{result.state} {result.check.name}{about}: {verdict.text}", *remedy, *fixes]


def test_every_sentence_is_as_it_was_read_and_approved() -> None:
    """After a change: python -m tests.daemon.operations.test_doctor, and read the difference."""
    assert said() == SAID.read_text()


# --- what the daemon makes of it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "words", "reasons"),
    [
        (inside(), "", 0),
        (inside(GONE), "", 1),
        (inside(GONE, calls=voice(state=WAITING, detail="x")), "nothing can be sent", 2),
        (inside(GONE, voice=None), "nothing can be sent", 1),
        (inside(modem(full="the daily limit"), voice=None), "nothing can be sent", 1),
        (inside(store=Condition(broken=True)), "the database cannot be written", 0),
        (inside(store=Condition(damaged=True)), "the database is damaged", 0),
        (inside(store=MOVED), "the database is not in its place", 0),
        (inside(calls=voice(alive=False, detail="signalling died", state=FAILED)), "voice is dead", 1),
        (inside(calls=voice(locales=())), "", 1),
        (inside(sms=None, voice=None), "nothing can be sent", 1),
    ],
)
def test_health_is_of_the_whole_gateway_and_reasons_of_each_device(found: Any, words: str, reasons: int) -> None:
    results = judged(OF_DAEMON, Facts(inside=found))
    devices = [each.name for each in found.sms.modems] if found.sms else []
    assert health(results, devices + [VOICE] * (found.voice is not None)) == words
    assert len(stopping(results)) == reasons


if __name__ == "__main__":
    SAID.write_text(said())
