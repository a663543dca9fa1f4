"""What administrators and failures do to an installed Pinwheel: one function each, with the time of recovery.

Each trial gets a site where the package is installed and configured and all devices are ready, and leaves it so.
It returns the seconds of its recovery (None where there is nothing to recover from) and a remark for the table.
"""

import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.client.connection import HttpProblem, Unreachable
from tests.gateway import until
from tests.installed.site import CONFIGURATION, DEVICES, MEMBER, NUMBER, PYTHON, SOCKET, STRANGER, Site
from tests.installed.tree import ROOT

Result = tuple[float | None, str]
STATE = "/var/lib/pinwheel"
RINGS_FOR_EVER, LISTENS = "447700900191", "447700900124"
MAX_EXPOSURE = 1.4
MAX_IDLE_CPU = 0.002
IDLE_S = 20


def _elapsed(began: float) -> float:
    return time.monotonic() - began


CANARY = f"""
[canary]
every = 300
number = "+{LISTENS}"
[clock]
speed = 60
[store]
url = "sqlite:///{STATE}/canary.db"
"""
"""On a database of its own: its clock runs ahead."""


def _main_pid(site: Site) -> int:
    """Of the service, while it runs."""
    pid: int = until(site.machine.main_pid, "a main process", 30)
    return pid


# --- the package -------------------------------------------------------------------------------------------


def installed(site: Site) -> Result:
    """Owners, modes, programs, and what belongs to a service that is not configured yet."""
    run = site.machine.run
    assert run("stat", "-c", "%A %U %G", "/etc/pinwheel/pinwheel.toml") == "-rw-r----- root pinwheel\n"
    assert run("stat", "-c", "%A %U %G", STATE) in ("drwxr-x--- pinwheel pinwheel\n", "drwx------ pinwheel pinwheel\n")
    assert run("stat", "-c", "%A %U %G", SOCKET) == "srw-rw---- root pinwheel\n"
    assert _completed(site, "pinwheel ev") == ["events"]
    assert _completed(site, "pinwheel modems pa") == ["pause"]
    assert _completed(site, "pinwheel report --d") == ["--days"]
    assert run("head", "-n", "1", "/usr/share/zsh/vendor-completions/_pinwheel") == "#compdef pinwheel\n"
    documents = "".join(file.read_text() for file in sorted((ROOT / "docs").glob("*.md")))
    named = sorted(set(re.findall(r"`(/usr/[^`\s]+)`", documents)))
    assert len(named) >= 4
    site.machine.shell(f"ls -d {' '.join(named)}")  # what the documents name is there
    version = site.pinwheel("--version", user=STRANGER)
    assert version.returncode == 0, version.stderr
    return None, version.stdout.strip()


def _completed(site: Site, typed: str) -> list[str]:
    """What bash offers at a TAB behind this line."""
    press = f"COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _pinwheel_completion pinwheel"
    source = ". /usr/share/bash-completion/completions/pinwheel"
    return site.machine.run("bash", "-c", f"{source}; {press}; echo ${{COMPREPLY[@]}}", user=STRANGER).split()


def verified(site: Site) -> Result:
    """One SMS, one call that is heard, one code that is judged, by a member of the group."""
    began = time.monotonic()
    site.verify()
    return _elapsed(began), "SMS read, call heard, code judged"


def strangers(site: Site) -> Result:
    """A user outside the group gets a message with what to do, and help without the socket."""
    refused = site.pinwheel("status", user=STRANGER)
    assert refused.returncode == 3, refused
    assert "pinwheel" in refused.stderr
    assert "adduser" in refused.stderr or "usermod" in refused.stderr, refused.stderr
    assert site.pinwheel("--help", user=STRANGER).returncode == 0
    return None, "rc 3 and the command that adds them"


def confined(site: Site) -> Result:
    """The score of the unit, live and by its file; the priority of the audio process; no error in the journal."""
    scores = []
    for how in ((), ("--offline=true", "/usr/lib/systemd/system/pinwheel.service")):
        target = how or ("pinwheel.service",)
        output = site.machine.run("systemd-analyze", "security", "--no-pager", *target, check=False)
        scores.append(float(re.findall(r"exposure level for pinwheel.service: ([\d.]+)", output)[0]))
    assert max(scores) <= MAX_EXPOSURE, scores
    (audio,) = site.processes("drivers.rtp")
    nice = site.machine.run("cat", f"/proc/{audio}/stat").rpartition(")")[2].split()[16]
    assert nice == "-10", nice
    errors = site.machine.journal("--priority=err", "--unit=pinwheel.service")
    assert errors == [], errors
    return None, f"exposure {scores[0]} live, {scores[1]} offline; audio at nice -10; 0 errors in the journal"


def idle(site: Site) -> Result:
    """What it costs when nobody asks: CPU and memory of the whole service."""
    cgroup = site.machine.show("pinwheel.service", "ControlGroup")
    pids = site.machine.shell(f"cat $(find /sys/fs/cgroup -path '*{cgroup}/cgroup.procs' | head -n 1)").split()

    def cpu_s() -> float:
        """Of all threads, by the scheduler's own account: the ticks of /proc/PID/stat are too coarse for this."""
        output = site.machine.shell(f"cat {' '.join(f'/proc/{pid}/task/*/schedstat' for pid in pids)}")
        return sum(int(line.split()[0]) for line in output.splitlines()) / 1e9

    before = cpu_s()
    time.sleep(IDLE_S)
    share = (cpu_s() - before) / IDLE_S
    status = "".join(site.machine.run("cat", f"/proc/{pid}/status") for pid in pids)
    rss_mb = sum(int(kb) for kb in re.findall(r"VmRSS:\s+(\d+) kB", status)) / 1024
    assert share <= MAX_IDLE_CPU, f"{share:.2%} of a core"
    return None, f"CPU {share:.2%} of a core over {IDLE_S} s, RSS {rss_mb:.0f} MB in {len(pids)} processes"


# --- processes that die and hang ---------------------------------------------------------------------------


def killed(site: Site) -> Result:
    """kill -9 of the main process."""
    site.machine.kill("KILL", _main_pid(site))
    began = time.monotonic()
    until(site.answers, "an answer", 15)
    took = _elapsed(began)
    assert took <= 1.5, f"{took:.2f} s"
    site.ready()
    return took, f"first answer; devices ready after {_elapsed(began):.1f} s"


def audio_killed(site: Site) -> Result:
    """kill -9 of the audio process: it comes back, and a call is heard."""
    before = site.processes("drivers.rtp")
    site.machine.kill("KILL", *map(int, before))
    began = time.monotonic()
    until(lambda: site.processes("drivers.rtp") not in ([], before), "another audio process", 10)
    took = _elapsed(began)
    site.ready()
    site.verify()
    return took, "another audio process; a call was heard"


def hung(site: Site) -> Result:
    """SIGSTOP: the watchdog ends it, and every thread's stack is in the journal."""
    pid = _main_pid(site)
    site.machine.kill("STOP", pid)
    began = time.monotonic()
    until(lambda: site.machine.main_pid() not in (0, pid), "another main process", 30)
    until(site.answers, "an answer", 15)
    took = _elapsed(began)
    assert took <= 20, f"{took:.1f} s"
    log = site.machine.messages("--lines=400")
    assert "Fatal Python error: Aborted" in log
    assert log.count("Thread 0x") >= 3, log
    site.ready()
    return took, f"{log.count('Thread 0x') + 1} stacks in the journal"


def stopped_in_a_call(site: Site) -> Result:
    """systemctl stop while a call is heard: recorded, hung up, and started again."""
    request_id = site.start(number=LISTENS, workflow_id=7)
    site.wait_for(request_id, "answered")
    began = time.monotonic()
    site.machine.run("systemctl", "stop", "pinwheel.service")
    took = _elapsed(began)
    assert took < 15, f"{took:.1f} s"
    assert site.machine.show("pinwheel.service", "Result") == "success"
    site.machine.run("systemctl", "start", "pinwheel.service")
    site.ready()
    states = [attempt["state"] for attempt in site.client.get(f"/v1/requests/{request_id}")["attempts"]]
    assert "sending" not in states, states
    return took, f"stopped; the call is {states[0]}"


# --- disks and files ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _small_disk(site: Site) -> Iterator[None]:
    """The state directory on a file system of its own, so that filling it harms nobody else."""

    def carry(change: str) -> None:
        site.machine.run("systemctl", "stop", "pinwheel.service")
        site.machine.shell(f"cp -a {STATE} /srv/state; {change}; cp -a /srv/state/. {STATE}; rm -r /srv/state")
        site.machine.run("systemctl", "start", "pinwheel.service")
        site.ready()

    carry(f"mount -t tmpfs -o size=24m tmpfs {STATE}")
    try:
        yield
    finally:
        carry(f"umount {STATE}")


def _verify_status(site: Site) -> str:
    """The status of a start that ends at once: no event of its own is waited for."""
    try:
        return str(site.client.verify("", number=NUMBER, brand="Acme", workflow_id=6)["status"])
    except (Unreachable, HttpProblem) as exc:
        return type(exc).__name__


def disk_full(site: Site) -> Result:
    """No room for the database: requests are refused with status 5, and taken again once there is room."""
    with _small_disk(site):
        assert _verify_status(site) == "0"
        site.machine.shell(f"dd if=/dev/zero of={STATE}/filler bs=64k 2>/dev/null || true")
        until(lambda: _verify_status(site) == "5", "status 5", 30)
        site.machine.shell(f"rm {STATE}/filler")
        began = time.monotonic()
        until(lambda: _verify_status(site) == "0", "status 0", 60)
        took = _elapsed(began)
    return took, "status 5 meanwhile"


def _comes_back(site: Site) -> float:
    """The cause of the failed start is removed: the seconds until it answers, without any further command."""
    began = time.monotonic()
    until(site.answers, "an answer without any further command", 30)
    took = _elapsed(began)
    site.ready()
    return took


def state_read_only(site: Site) -> Result:
    """The state directory is read-only at a start, as after a boot with a damaged disk, and becomes writable again."""
    machine = site.machine
    machine.run("systemctl", "stop", "pinwheel.service")
    machine.shell(f"mount --bind {STATE} {STATE}; mount -o remount,bind,ro {STATE}")
    machine.try_("systemctl", "start", "pinwheel.service")
    until(lambda: int(machine.show("pinwheel.service", "NRestarts")) >= 3, "some tries", 30)
    assert machine.show("pinwheel.socket", "ActiveState") == "active"
    with contextlib.suppress(HttpProblem, Unreachable):
        raise AssertionError(f"started on a read-only disk: {site.client.get('/v1/status')}")
    machine.run("umount", STATE)
    took = _comes_back(site)
    return took, "clients are informed that it does not start; without any further command"


def configuration_repaired(site: Site) -> Result:
    """A restart on a broken file fails and says why; clients are answered; the corrected file is used by itself."""
    site.configure(CONFIGURATION.replace("[voice]", "[vioce]"))
    restarted = site.machine.try_("systemctl", "restart", "pinwheel.service")
    assert restarted.returncode != 0
    until(lambda: int(site.machine.show("pinwheel.service", "NRestarts")) >= 4, "some tries", 30)
    assert site.machine.show("pinwheel.socket", "ActiveState") == "active"
    output = site.pinwheel("status")
    assert output.returncode == 3, output
    assert "journalctl -u pinwheel" in output.stderr, output.stderr
    errors = "\n".join(str(entry["MESSAGE"]) for entry in site.machine.journal("--priority=err", "--lines=50"))
    assert "vioce" in errors, errors
    site.configure()
    took = _comes_back(site)
    return took, "without any further command"


def database_damaged(site: Site) -> Result:
    """A database that cannot be read: clients are answered; once it is put back, the daemon comes by itself."""
    machine = site.machine
    machine.run("systemctl", "stop", "pinwheel.service")
    machine.shell(f"cd {STATE}; mkdir /srv/kept; mv pinwheel.db* /srv/kept; head -c 8192 /dev/urandom >pinwheel.db")
    machine.try_("systemctl", "start", "pinwheel.service")
    until(lambda: int(machine.show("pinwheel.service", "NRestarts")) >= 3, "some tries", 30)
    assert machine.show("pinwheel.socket", "ActiveState") == "active"
    machine.shell(f"rm -f {STATE}/pinwheel.db*; mv /srv/kept/* {STATE}; rmdir /srv/kept")
    took = _comes_back(site)
    return took, "without any further command"


def reloaded(site: Site) -> Result:
    """systemctl reload: works without procps, and fails where the file is broken; the daemon goes on."""
    pid = _main_pid(site)
    began = time.monotonic()
    site.machine.run("systemctl", "reload", "pinwheel.service")
    took = _elapsed(began)
    site.configure(CONFIGURATION.replace("[voice]", "[vioce]"))
    broken = site.machine.try_("systemctl", "reload", "pinwheel.service")
    site.configure()
    assert broken.returncode != 0
    assert site.machine.main_pid() == pid
    assert site.answers()
    return took, "a broken file is refused, and the daemon goes on"


def run_emptied(site: Site) -> Result:
    """Somebody removes /run/pinwheel: the journal says what to do, and that command brings the socket back."""
    site.machine.shell("rm -rf /run/pinwheel")
    until(lambda: "systemctl restart pinwheel.socket" in site.machine.messages("--lines=50"), "the remedy", 30)
    began = time.monotonic()
    site.machine.shell("systemctl restart pinwheel.socket; systemctl start pinwheel.service")
    until(site.answers, "an answer", 15)
    took = _elapsed(began)
    site.ready()
    return took, "after the command that the journal names"


# --- setup -------------------------------------------------------------------------------------------------


REFUSES_NEWCOMERS = """\
[Service]
ExecStartPre=/bin/sh -c "! grep -q newcomer /etc/pinwheel/pinwheel.toml"
"""


def setup_taken_back(site: Site) -> Result:
    """What setup writes does not start: the earlier file is back, and the service runs with it as before.

    Then it does. The modem, which a daemon that runs closes for setup, used to stay drained after that.
    """
    machine, drop_in = site.machine, "/etc/systemd/system/pinwheel.service.d"
    machine.run("sh", "-ec", f"mkdir -p {drop_in}; cat >{drop_in}/refuse.conf", text=REFUSES_NEWCOMERS)
    machine.shell("systemctl daemon-reload; systemctl disable pinwheel.service")
    look = "cat /etc/pinwheel/pinwheel.toml; stat -c '%A %U %G' /etc/pinwheel/*; systemctl is-enabled pinwheel.service"
    before = machine.shell(f"{look} || true")
    answers = (machine.root / "srv" / "answers.toml").read_text().replace('"gateway"', '"newcomer"')
    (machine.root / "srv" / "newcomer.toml").write_text(answers + 'start_failed = "skip"\n')
    began = time.monotonic()
    done = machine.try_("pinwheel", "setup", "--answers", "/srv/newcomer.toml")
    took = _elapsed(began)
    assert done.returncode == 1, done
    assert "is as it was before; pinwheeld runs as before" in " ".join(done.stdout.split()), done.stdout
    assert machine.shell(f"{look} || true") == before
    assert machine.main_pid()
    site.ready()
    machine.shell(f"rm -r {drop_in}; systemctl daemon-reload")
    again = machine.try_("pinwheel", "setup", "--answers", "/srv/newcomer.toml")
    assert (again.returncode, "devices are ready" in again.stdout) == (0, True), again
    assert machine.run("systemctl", "is-enabled", "pinwheel.service") == "enabled\n"
    site.configure()
    machine.run("systemctl", "restart", "pinwheel.service")
    site.ready()
    return took, "the earlier file and its mode are back, it runs as before; without the obstacle the new one runs"


# --- the doctor --------------------------------------------------------------------------------------------


RIVAL = f"""\
[Service]
ExecStart=/bin/sh -c 'exec sleep infinity <$(readlink {DEVICES}/modem)'
[Install]
WantedBy=multi-user.target
"""
DAMAGED = f"head -c 8192 /dev/urandom >{STATE}/pinwheel.db; chown pinwheel: {STATE}/pinwheel.db"
OF_THE_HOST = {"clock", "memory", "disk-room", "rivals", "sip-helper"}  # which the machine shares with whoever runs it


def _examined(site: Site, *words: str, user: str = "") -> tuple[int, dict[str, str]]:
    """The exit status of pinwheel doctor, and the problems that it names."""
    done = site.machine.try_("pinwheel", "doctor", "--json", *words, user=user)
    assert done.stdout, done.stderr
    rows = json.loads(done.stdout)["checks"]
    return done.returncode, {row["code"]: row["text"] for row in rows if row["state"] in ("warning", "error")}


def _causes(site: Site, *expected: str, code: int = 3, ignored: Collection[str] = OF_THE_HOST) -> dict[str, str]:
    """Exactly these."""
    status, found = _examined(site, "--quick")
    assert found.keys() - ignored == set(expected), found
    assert status == code, status
    return found


def examined(site: Site) -> Result:
    """pinwheel doctor as root, as a member and as a stranger; units that were stopped, a held port, no prompts."""
    assert (_examined(site)[1].keys() - OF_THE_HOST) == set()
    assert (_examined(site, user=MEMBER)[1].keys() - OF_THE_HOST) == set()
    status, found = _examined(site, user=STRANGER)
    assert (status, found.keys() - OF_THE_HOST) == (3, {"socket-group"}), found
    machine = site.machine
    machine.run("systemctl", "stop", "pinwheel.service", "pinwheel.socket")
    _causes(site, "service-active", "socket-active")
    assert _examined(site, "--quick", "--fix", "--yes")[0] == 0
    site.ready()
    machine.run("sh", "-c", "cat >/etc/systemd/system/rival.service", text=RIVAL)
    machine.run("systemctl", "enable", "--now", "rival.service")
    assert "rival.service) has the port" in _causes(site, "port-held", code=1)["port-held"]
    _examined(site, "--quick", "--fix", "--yes", "port-held")
    assert machine.show("rival.service", "ActiveState") == "inactive"
    machine.shell("rm /etc/systemd/system/rival.service; systemctl daemon-reload")
    site.ready()
    where = "from daemon.prompts.library import shipped_prompts as found; print(found())"
    prompts = machine.run(PYTHON, "-P", "-c", where).strip()
    machine.shell(f"mv {prompts} {prompts}.gone; systemctl restart pinwheel.service")
    _causes(site, "prompts", code=1)
    machine.shell(f"mv {prompts}.gone {prompts}; systemctl restart pinwheel.service")
    site.ready()
    return None, "nothing where all is well; the group, stopped units, the holder of the port, missing prompts named"


def examined_with_the_daemon_down(site: Site) -> Result:
    """A key or a group that is gone, a database that is damaged or root's, a full disk: only the cause is named.

    The owner and the group are mended by --fix. There used to be no word on either: the daemon "does not answer".
    """
    machine = site.machine
    site.start(number=RINGS_FOR_EVER, workflow_id=6)
    for world, cause in (
        (f"mv {STATE}/key /srv/key", "master-key"),
        (f"mv {STATE}/pinwheel.db* /srv/kept; {DAMAGED}", "database-whole"),
    ):
        machine.shell(f"mkdir -p /srv/kept; systemctl stop pinwheel.service; {world}")
        machine.try_("systemctl", "start", "pinwheel.service")
        _causes(site, cause)
        machine.shell(
            f"test ! -e /srv/key || mv /srv/key {STATE}/key; test ! -e /srv/kept/pinwheel.db ||"
            f" {{ rm -f {STATE}/pinwheel.db*; mv /srv/kept/pinwheel.db* {STATE}; }}"
        )
        _comes_back(site)
    for world, cause in (
        (f"chown root: {STATE}/pinwheel.db", "database-owner"),
        ("sed -i /^pinwheel:/d /etc/group /etc/gshadow", "service-user"),
    ):
        machine.shell(f"systemctl stop pinwheel.service pinwheel.socket; {world}")
        machine.try_("systemctl", "start", "pinwheel.socket", "pinwheel.service")
        found = _examined(site, "--quick")[1]
        assert found.keys() - OF_THE_HOST == {cause}, found
        _examined(site, "--quick", "--fix", "--yes")
        machine.shell(f"adduser {MEMBER} pinwheel; chgrp pinwheel $(readlink {DEVICES}/modem)")
        _comes_back(site)
    with _small_disk(site):
        machine.shell(f"dd if=/dev/zero of={STATE}/filler bs=64k 2>/dev/null || true")
        found = _causes(site, "disk-room", code=1, ignored=OF_THE_HOST - {"disk-room"})
        machine.shell(f"rm {STATE}/filler")
    return None, found["disk-room"]


# --- the canary --------------------------------------------------------------------------------------------


def canary(site: Site) -> Result:
    """A SIM that texts itself, and gets nothing, becomes a warning; the trunk, whose calls are answered, does not."""
    site.configure(CONFIGURATION.replace('"sim1"', '"sim1"\nnumber = "+447700900125"') + CANARY)
    site.machine.run("systemctl", "restart", "pinwheel.service")
    site.ready()
    began = time.monotonic()

    def standing(device: str) -> dict[str, Any]:
        return next(each for each in site.client.get("/v1/status")["canary"] if each["device"] == device)

    until(lambda: standing("[voice]")["last_success"], "a call is answered", 60)
    until(lambda: standing("sim1")["failures"] >= 2, "no text arrives", 60)
    took = _elapsed(began)
    shown = site.pinwheel("status")
    assert shown.returncode == 0, shown
    assert "canary    sim1: nothing has arrived yet" in shown.stdout, shown.stdout
    assert _examined(site)[1].keys() - OF_THE_HOST - {"clock-speed"} == {"canary"}
    assert standing("[voice]")["failures"] == 0
    site.configure()
    site.machine.shell(f"systemctl restart pinwheel.service; rm -f {STATE}/canary.*")
    site.ready()
    return took, "a call answered, two texts that did not arrive, at 60 times the speed: status and doctor say which"


# --- upgrade, reboot, clock, removal -----------------------------------------------------------------------


def upgraded_under_load(site: Site) -> Result:
    """apt install of a newer package while 50 requests a second come in: every one is answered, and state is kept."""
    newer = site.newer()
    request_id = site.start(number=RINGS_FOR_EVER, workflow_id=6)
    before = _main_pid(site)
    with site.load(50) as load:
        time.sleep(1)
        site.install(newer)
        until(lambda: site.machine.main_pid() not in (0, before), "the new daemon", 60)
        time.sleep(1)
    newer.unlink()
    assert load.failures == [], f"{len(load.failures)} failed, {len(load.waits_s)} did not: {load.failures[:3]}"
    assert site.client.get(f"/v1/requests/{request_id}")["status"] == "IN PROGRESS"
    site.ready()
    until(lambda: site.client.get("/v1/status")["modems"][0]["queue"] == 0, "the queue is sent", 120)
    return max(load.waits_s), str(load)


def power_cut(site: Site) -> Result:
    """The power fails with 30 calls pending, and returns when all are overdue: they do not go out in a burst."""
    ids = [site.start(number=f"4477009002{n:02d}", workflow_id=5, next_event_wait=60) for n in range(30)]
    began = time.monotonic()
    site.machine.cut_power()
    time.sleep(max(0.0, 62 - _elapsed(began)))
    booted = time.monotonic()
    site.machine.boot()
    site.start_devices()
    until(site.answers, "an answer", 60)
    took = _elapsed(booted)
    site.ready()

    def dialled() -> list[float]:
        return [event["at"] for event in site.events() if event["event"] == "ringing"]

    until(lambda: len(dialled()) >= 15, "calls", 60)
    times = dialled()
    a_second = (len(times) - 1) / (times[-1] - times[0])
    assert a_second <= 6, f"{a_second:.1f} calls a second"
    for request_id in ids:
        site.client.verify("control", request_id=request_id, cmd="cancel")
    return took, f"boot to first answer; {len(times)} overdue calls at {a_second:.1f} a second"


def clock_stepped(site: Site) -> Result:
    """The wall clock steps an hour ahead, and a day back, under the daemon: no timer fires early or is lost.

    The clock of the machine around must stay as it is: libfaketime shows the step to the daemon alone.
    """
    machine = site.machine
    drop_in = "/etc/systemd/system/pinwheel.service.d"
    library = machine.shell("ls /usr/lib/*/faketime/libfaketime.so.1").strip()
    machine.shell(
        f"mkdir -p {drop_in}; echo +0 >/etc/faketimerc; printf '[Service]\\nEnvironment=LD_PRELOAD={library} "
        f"FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1\\n' >{drop_in}/clock.conf;"
        "systemctl daemon-reload; systemctl restart pinwheel.service"
    )
    site.ready()
    request_id = site.start(number=RINGS_FOR_EVER, workflow_id=6, next_event_wait=60)
    for step in ("+1h", "-1d"):
        machine.shell(f"echo {step} >/etc/faketimerc.new; mv /etc/faketimerc.new /etc/faketimerc")  # at once
        time.sleep(1)
        status = site.client.get("/v1/status")
        assert abs(status["clock_stepped_s"]) > 3000, status["clock_stepped_s"]
        assert site.client.get(f"/v1/requests/{request_id}")["status"] == "IN PROGRESS"
    site.verify()
    machine.shell(f"rm -r {drop_in} /etc/faketimerc; systemctl daemon-reload; systemctl restart pinwheel.service")
    site.ready()
    return None, "+1 h and -1 d: no timer moved; status shows the step"


def removed(site: Site) -> Result:
    """apt remove keeps the data, apt purge leaves nothing and says before that the key goes."""
    machine = site.machine
    machine.run("systemctl", "enable", "--now", "pinwheel-backup.timer")  # which has a file that a purge used to leave
    machine.shell("DEBIAN_FRONTEND=noninteractive apt-get remove --yes pinwheel 2>&1")
    assert machine.try_("test", "-e", f"{STATE}/pinwheel.db").returncode == 0
    assert machine.try_("test", "-e", "/etc/pinwheel/pinwheel.toml").returncode == 0
    output = machine.shell("DEBIAN_FRONTEND=noninteractive apt-get purge --yes pinwheel 2>&1")
    assert "key" in output, output
    left = machine.shell(
        "for p in /etc/pinwheel /var/lib/pinwheel /run/pinwheel /run/pinwheeld /usr/lib/pinwheel /opt/pinwheel"
        " /usr/bin/pinwheel; do test ! -e $p || echo $p; done; find /etc /usr /var -name '*pinwheel*'"
        " -not -path '/var/log/*' -not -path '/var/cache/*'; getent passwd pinwheel || getent group pinwheel || true"
    )
    assert left.strip() == "", left
    return None, "remove kept the data; purge left nothing"


def namesake(site: Site) -> Result:
    """A user of the same name was there before the package: a purge used to delete somebody's account."""
    machine = site.machine
    machine.run("useradd", "--create-home", "pinwheel")
    before = machine.run("getent", "passwd", "pinwheel")
    site.install()
    machine.shell("DEBIAN_FRONTEND=noninteractive apt-get purge --yes pinwheel 2>&1")
    assert machine.try_("getent", "passwd", "pinwheel").stdout == before
    assert machine.try_("getent", "group", "pinwheel").stdout != ""
    return None, "somebody's account of the name stays"


@dataclass(frozen=True, slots=True)
class Trial:
    """One row of the table. short: also part of `make test`."""

    run: Callable[[Site], Result]
    short: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")


TRIALS = (
    Trial(installed, short=True),
    Trial(verified, short=True),
    Trial(strangers, short=True),
    Trial(confined, short=True),
    Trial(idle),
    Trial(killed, short=True),
    Trial(audio_killed),
    Trial(hung),
    Trial(stopped_in_a_call),
    Trial(configuration_repaired),
    Trial(database_damaged),
    Trial(disk_full),
    Trial(state_read_only),
    Trial(reloaded),
    Trial(run_emptied),
    Trial(setup_taken_back),
    Trial(examined),
    Trial(examined_with_the_daemon_down),
    Trial(canary),
    Trial(upgraded_under_load, short=True),
    Trial(clock_stepped),
    Trial(power_cut),
    Trial(removed),
    Trial(namesake),
)
"""In order: each leaves the site as it found it; `removed` removes the package, and what follows installs it itself."""


def record(directory: Path, site: Site) -> None:
    """Keep what explains a failure."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, command in {
        "journal.txt": ("journalctl", "--no-pager", "--lines=2000"),
        "events.json": ("cat", "/srv/devices/events"),
        "status.json": ("pinwheel", "--json", "status"),
    }.items():
        with contextlib.suppress(Exception):
            (directory / name).write_text(site.machine.try_(*command).stdout)
    for recording in (site.machine.root / "srv" / "devices").glob("*.wav"):
        shutil.copy(recording, directory)


def rows(results: list[tuple[str, float | None, str]]) -> str:
    """The table, as text."""
    width = max(len(name) for name, _, _ in results)
    lines = [f"{'trial':{width}}  seconds  remark"]
    for name, seconds, remark in results:
        lines.append(f"{name:{width}}  {'' if seconds is None else f'{seconds:7.2f}':>7}  {remark}")
    return "\n".join(lines)
