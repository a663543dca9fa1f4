"""Where each check of the machine, the ports and the trunk begins to complain: facts at both sides of the line.

The checks judge the facts directly here; `test_doctor` asks the whole doctor.
"""

from dataclasses import replace
from typing import Any

import pytest

from daemon.lanes.snapshots import VOICE
from daemon.operations.doctor.facts import Asker, Audio, Prompts, Running, Service, Socket
from daemon.operations.doctor.registry import CHECKS
from daemon.operations.doctor.verdicts import State, Verdict, ok
from daemon.operations.host.values import Backups, Certificate, Clock, Database, Holders, Machine, Process
from tests.daemon.operations.worlds import (
    BY_ID,
    GB,
    MANAGER,
    PORT,
    SERVICE,
    SMSD,
    SOCKET,
    SOMEBODY,
    STICK,
    TIMER,
    asked,
    disk,
    ports,
    seen,
    trunk,
    unit,
)

DAY_S = 86_400.0
BASE = Database("/pinwheel.db", owner="pinwheel", user="pinwheel")
BOB = Asker("bob", False, frozenset({"pinwheel"}))
GUEST = Asker("guest", False)
EXPOSED = replace(PORT, properties={})
NO_USB = replace(PORT, device="ttyS0", usb=None, properties={})
THEIRS = Process(55, "smsd", "user@1000.service")
OTHER = replace(PORT, device="ttyUSB9")


def machine(**more: Any) -> dict[str, Any]:
    return {"machine": replace(Machine(4 * GB, 8 * GB), **more)}


def database(**more: Any) -> dict[str, Any]:
    return {"database": replace(BASE, **more)}


def socket(mode: int, group: str = "pinwheel", asker: Asker = GUEST) -> dict[str, Any]:
    return {"socket": Socket("/s", True, group, mode), "asker": asker}


def aged(seconds: float) -> dict[str, Any]:
    return {"backups": Backups(seconds)}


def good_for(days: float) -> dict[str, Any]:
    return {"certificate": Certificate("/c", days)}


def audio(taken: int) -> dict[str, Any]:
    return {"audio": Audio("40000-49999", 20, taken)}


def stored(*lines: str) -> dict[str, Any]:
    return asked("AT+CPMS?", *lines)


def stepped(seconds: float) -> dict[str, Any]:
    return {"running": Running("1.0", "1.0", seconds)}


def found(code: str, parts: dict[str, Any]) -> list[Verdict]:
    """What this check says, and nothing of an "ok"."""
    (check,) = (each for each in CHECKS if each.name == code)
    facts: Any = check.part(seen(**parts))
    return [verdict for verdict in check.judge(facts) if verdict.state is not State.OK]


QUIET: list[tuple[str, dict[str, Any]]] = [
    ("disk-room", disk(free=500_000_000)),
    ("disk-room", disk(free=400_000_000, total=8 * GB)),
    ("disk-room", disk(free=400_000_000, total=1 * GB)),
    ("disk-room", disk(free=4 * GB, total=800 * GB)),
    ("disk-inodes", disk(inodes_free=1000)),
    ("disk-inodes", disk(inodes_free=0, inodes=0)),
    ("clock", {"clock": Clock(True, 1_767_225_600.0)}),
    ("clock-stepped", stepped(-4.9)),
    ("memory", machine(memory_free=5, memory=100)),
    ("memory", machine(memory_free=0, memory=0)),
    ("descriptors", machine(files=(80, 100))),
    ("database-log", database(log=256_000_000)),
    ("database-owner", database(owner="")),
    ("database-owner", database(user="")),
    *(("sqlite", database(library=each)) for each in ((3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 52, 0))),
    ("backup", aged(8 * DAY_S)),
    ("backup-timer", {"service": Service(SERVICE, SOCKET)}),
    ("backup-timer", unit(TIMER, loaded=False, active="inactive")),
    ("certificate-days", good_for(14)),
    ("service-active", unit(SERVICE, loaded=False, active="failed")),
    ("service-active", unit(SERVICE, active="reloading")),
    ("socket-active", unit(SOCKET, loaded=False, active="inactive")),
    ("service-enabled", unit(SOCKET, loaded=False, enabled="disabled")),
    ("socket-mode", socket(0o661)),
    ("socket-group", socket(0o660, asker=BOB)),
    ("socket-group", socket(0o662)),
    ("modemmanager", ports(EXPOSED)),
    ("modemmanager", ports(EXPOSED, rivals=(SMSD,))),
    ("modemmanager", ports(PORT, NO_USB, rivals=(MANAGER,))),
    ("rivals", ports(PORT, holders=Holders((SMSD,)), rivals=(SMSD, MANAGER))),
    ("port-name", ports(PORT, pattern="/dev/ttyUSB*")),
    ("port-name", ports(pattern="/dev/ttyUSB2")),
    ("port-name", ports(replace(PORT, by_id=()), pattern="/dev/ttyUSB2")),
    ("modem-unused", ports(PORT, others=(NO_USB,))),
    ("trunk-certificate", trunk(certificate_days=14.0)),
    ("trunk-options", trunk(answer="200 OK", registers=False)),
    ("nat", trunk(seen_at="192.0.2.1:31000")),
    ("nat", trunk(seen_at="203.0.113.9:31000", external="auto")),
    *(
        ("sim-full", stored(f'+CPMS: "SM",{numbers}'))
        for numbers in ("9,10", "3", "3,x", "x,3", ",", "0,0", "1000000000,10", f"{'9' * 5000},10", f"10,{'9' * 5000}")
    ),
]


@pytest.mark.parametrize(("code", "parts"), QUIET)
def test_up_to_its_limit_a_check_says_nothing(code: str, parts: dict[str, Any]) -> None:
    """There used to be a warning of SQLite 3.44.6 and 3.50.7, where the bug is fixed, and a ValueError for a number of
    thousands of digits, which only the limit of a modem's line kept away.
    """
    assert found(code, parts) == []


SAID: list[tuple[str, dict[str, Any], State, str]] = [
    ("disk-room", disk(free=63_999_999), State.ERROR, "the database has 63 MB left"),
    ("disk-room", disk(free=999_999), State.ERROR, "the database has 0 MB left"),
    ("disk-room", disk(free=64_000_000), State.WARNING, "the database has 64 MB left"),
    ("disk-room", disk(free=499_999_999), State.WARNING, "the database has 499 MB left"),
    ("disk-room", disk(free=400_000_000, total=8_000_000_001), State.WARNING, "the database has 400 MB left"),
    ("disk-inodes", disk(inodes_free=999), State.ERROR, "the database has 999 inodes left"),
    ("clock", {"clock": Clock(True, 1_767_225_599.0)}, State.ERROR, "the clock is years behind"),
    ("clock-stepped", stepped(-5.0), State.WARNING, "the clock was set by -5 s"),
    ("clock-stepped", stepped(5.0), State.WARNING, "the clock was set by +5 s"),
    ("memory", machine(memory_free=4, memory=100), State.WARNING, "0 MB of memory are left"),
    ("descriptors", machine(files=(81, 100)), State.WARNING, "81 files are open"),
    (
        "sip-helper",
        machine(modules=frozenset({"nf_nat_sip", "nf_conntrack_sip"})),
        State.WARNING,
        "the kernel rewrites",
    ),
    ("database-log", database(log=256_000_001), State.WARNING, "the write-ahead log has 256 MB"),
    *(
        ("sqlite", database(library=each), State.WARNING, "SQLite 3.")
        for each in ((3, 44, 5), (3, 45, 9), (3, 50, 6), (3, 51, 2))
    ),
    ("backup", aged(8 * DAY_S + 1), State.WARNING, "the newest backup is 8 days old"),
    ("backup", aged(10.5 * DAY_S - 9), State.WARNING, "the newest backup is 10 days old"),
    ("backup", aged(10.5 * DAY_S + 9), State.WARNING, "the newest backup is 11 days old"),
    ("certificate-days", good_for(13.9), State.WARNING, "the certificate /c ends in 14 days"),
    ("certificate-days", good_for(0.0), State.WARNING, "the certificate /c ends in 0 days"),
    ("certificate-days", good_for(-0.1), State.ERROR, "the certificate /c is over"),
    ("socket-mode", socket(0o601), State.WARNING, "only root may use /s"),
    ("socket-group", socket(0o661), State.ERROR, "you are not in the group pinwheel"),
    ("socket-group", socket(0o660, "sms", BOB), State.ERROR, "you are not in the group sms"),
    ("port-held", ports(PORT, holders=Holders((SOMEBODY,), complete=False)), State.ERROR, "minicom (pid 77) has"),
    ("modemmanager", ports(PORT, EXPOSED, rivals=(SMSD, MANAGER)), State.WARNING, "ModemManager runs and does not"),
    ("port-name", ports(PORT, pattern="/dev/ttyACM0"), State.WARNING, "modem sim1: /dev/ttyACM0 may name another"),
    (
        "port-elsewhere",
        ports(others=(replace(OTHER, usb=replace(STICK, vendor="ffff")), PORT)),
        State.ERROR,
        f"modem sim1: {BY_ID} is gone, and a modem is at ttyUSB9",
    ),
    ("modem-unused", ports(PORT, others=(NO_USB, OTHER, OTHER)), State.INFO, "a modem 1e0e:9001 is plugged in"),
    ("trunk-certificate", trunk(certificate_days=13.9), State.WARNING, "the certificate of sip.example ends in 14"),
    ("trunk-options", trunk(answer="401 No", registers=False), State.WARNING, "sip.example wants a password (401 No "),
    ("audio-free", audio(18), State.ERROR, "other programs have the audio ports"),
    ("audio-free", audio(17), State.INFO, "17 of 20 audio ports"),
    (
        "prompts-lacking",
        {"prompts": Prompts(("en-us",), ("de-de", "fr-fr"))},
        State.WARNING,
        "calls in de-de, fr-fr are",
    ),
    ("sim-full", stored('+CPMS: "SM",999999999,10'), State.WARNING, "the SIM of modem sim1 is full: 999999999 of 10"),
    ("sim-full", stored('+CPMS: "SM",1,1'), State.WARNING, "the SIM of modem sim1 is full: 1 of 1 messages"),
    ("sim-full", stored("+CREG: 1", '+CPMS: "SM", 11 ,10'), State.WARNING, "the SIM of modem sim1 is full: 11 of 10"),
]


@pytest.mark.parametrize(("code", "parts", "state", "words"), SAID)
def test_beyond_its_limit_a_check_says_one_thing(code: str, parts: dict[str, Any], state: State, words: str) -> None:
    (verdict,) = found(code, parts)
    assert verdict.state is state
    assert verdict.text.startswith(words)


REMEDIES: list[tuple[str, dict[str, Any], str]] = [
    (
        "service-user",
        {"service": Service(replace(SERVICE, user="sam", group="sms"), SOCKET, None, ("group sms",))},
        "systemd-sysusers pinwheel.conf && usermod --gid sms sam && systemd-tmpfiles",
    ),
    ("sip-helper", machine(modules=frozenset({"nf_nat_sip", "nf_conntrack_sip"})), "modprobe -r nf_nat_sip nf_conntr"),
    ("trunk-options", trunk(answer="401 No", registers=False), "set [voice] username and password_file"),
    # what a person's session started, that person should end
    ("rivals", ports(PORT, rivals=(THEIRS,)), "kill 55"),
    # the holder is of the first port that fits, which is no stick
    ("port-held", ports(NO_USB, PORT, holders=Holders((MANAGER,))), "systemctl disable --now ModemManager.service"),
]


@pytest.mark.parametrize(("code", "parts", "remedy"), REMEDIES)
def test_the_remedy_is_for_what_was_found(code: str, parts: dict[str, Any], remedy: str) -> None:
    (verdict,) = found(code, parts)
    assert verdict.remedy.startswith(remedy)


def test_three_of_many_addresses_and_broken_clips_are_named() -> None:
    (check,) = (each for each in CHECKS if each.name == "trunk-name")
    facts: Any = check.part(seen(**trunk(addresses=("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"))))
    assert list(check.judge(facts)) == [ok("sip.example is 192.0.2.1, 192.0.2.2, 192.0.2.3", VOICE)]
    clips = found("prompts-broken", {"prompts": Prompts(("en-us",), (), ("a.wav", "b.wav", "c.wav", "d.wav"))})
    assert [verdict.text for verdict in clips] == ["a.wav", "b.wav", "c.wav"]


def test_the_rule_for_modemmanager_knows_the_stick_by_its_serial_number() -> None:
    stick = replace(EXPOSED, usb=replace(STICK, serial="0123"))
    (verdict,) = found("modemmanager", ports(stick, rivals=(MANAGER,)))
    *_, rule, _ = verdict.fix[0]
    assert 'ATTRS{serial}=="0123"' in rule
