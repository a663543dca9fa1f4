"""The daemon takes new prompts while it runs, keeps what it has when they are broken, and says what it speaks."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from daemon.cli import main
from daemon.config import Config, parse
from daemon.operations.reload_effects import DRIVER, EFFECTS, Effect, changed, effect
from daemon.operations.reloading import tables
from daemon.prompts.library import NEEDED, shipped_prompts
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.gateway import Gateway, modem_section, until, voice_section

GONE_AT_ONCE = "44770090095"  # 95: answers and hangs up at once


def sections(tmp_path: Path, phone: SimulatedPhone) -> str:
    security = '[security]\nallow_prefixes = ["44", "33"]\nmax_active_per_number = 0\n'
    return f'{security}[prompts]\ndirectory = "{tmp_path}"\n' + voice_section(phone.address)


def add(directory: Path, locale: str) -> None:
    """Prompts whose words do not matter."""
    made = directory / f".{locale}"
    made.mkdir()
    for name in NEEDED:
        shutil.copy(shipped_prompts() / "en-us" / f"{name}.wav", made)
    made.rename(directory / locale)


def locales(gateway: Gateway) -> list[str]:
    return list(gateway.client.get("/v1/voice")["locales"])


def hang_up(gateway: Gateway) -> None:
    """SIGHUP, as `systemctl reload` sends it."""
    assert gateway.process is not None
    os.kill(gateway.process.pid, signal.SIGHUP)


def test_new_prompts_are_taken_and_broken_ones_are_not(tmp_path: Path) -> None:
    with SimulatedPhone() as phone, Gateway(tmp_path, sections(tmp_path, phone)) as gateway:
        assert "prompts=loaded complete=en-us\n" in gateway.log()
        assert "prompts=incomplete locales=en-gb,fr-fr remedy='pinwheel prompts check'" in gateway.log()
        add(tmp_path, "fr-fr")
        hang_up(gateway)
        until(lambda: locales(gateway) == ["en-us", "fr-fr"], "the new locale")
        (tmp_path / "fr-fr" / "digit_1.wav").write_bytes(b"RIFF")
        add(tmp_path, "de-de")
        hang_up(gateway)
        until(lambda: "de-de" in locales(gateway), "the other new locale")
        assert locales(gateway) == ["de-de", "en-us", "fr-fr"]
        assert "prompts=broken" in gateway.log()
        assert "fr-fr/digit_1.wav" in gateway.log()


def test_a_call_in_another_language_says_so_and_the_log_says_it_once(tmp_path: Path) -> None:
    with SimulatedPhone(ring_s=0.1) as phone, Gateway(tmp_path, sections(tmp_path, phone)) as gateway:
        for _ in range(2):
            request_id = gateway.verify(GONE_AT_ONCE, lg="fr-fr", workflow_id=3)
            gateway.wait_for(request_id, "failed", step=0)
            detail = gateway.request(request_id)["attempts"][0]["detail"]
            assert "in en-us, as there are no prompts for fr-fr" in detail
        assert gateway.log().count("prompts=fallback wanted=fr-fr spoken=en-us") == 1


def test_a_daemon_starts_with_a_broken_set_and_names_it(tmp_path: Path) -> None:
    add(tmp_path, "fr-fr")
    (tmp_path / "fr-fr" / "digit_1.wav").write_bytes(b"RIFF")
    with SimulatedPhone() as phone, Gateway(tmp_path, sections(tmp_path, phone)) as gateway:
        assert locales(gateway) == ["en-us"]
        assert "prompts=broken" in gateway.log()


def test_systemd_learns_when_a_reload_begins_and_ends_and_the_level_of_the_log_changes(tmp_path: Path) -> None:
    config, log = tmp_path / "pinwheel.toml", tmp_path / "log"
    store = f'[api]\nsocket = "{tmp_path}/own.sock"\n[store]\nurl = "sqlite:///{tmp_path}/pinwheel.db"\n'
    config.write_text(f'{store}[log]\nlevel = "error"\n{modem_section("/nowhere/tty")}')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, log.open("wb") as stderr:
        notices.bind(str(tmp_path / "notify"))
        notices.settimeout(15)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        command = [sys.executable, "-m", "daemon.main", "--config", str(config)]
        process = subprocess.Popen(command, stderr=stderr, env=environment)
        try:
            assert b"READY=1" in notices.recv(4096)
            config.write_text(config.read_text().replace("error", "info"))
            process.send_signal(signal.SIGHUP)
            begins, usec = notices.recv(4096).decode().split("\n")
            assert begins == "RELOADING=1"
            assert int(usec.removeprefix("MONOTONIC_USEC=")) > 0
            assert notices.recv(4096).startswith(b"READY=1")
        finally:
            process.terminate()
            assert process.wait(15) == 0
    assert ("state=ready" in log.read_text(), "reload=applied keys='[log] level'" in log.read_text()) == (False, True)


# --- pinwheel reload ---------------------------------------------------------------------------------------


def pinwheel_reload(gateway: Gateway, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["--socket", str(gateway.socket), "reload", *words])
    return done.exit_code, done.output


def test_a_reload_is_waited_for_and_names_what_needs_a_restart(tmp_path: Path) -> None:
    """There used to be a signal, which always succeeded, whatever came of it."""
    with SimulatedPhone() as phone, Gateway(tmp_path, sections(tmp_path, phone)) as gateway:
        assert pinwheel_reload(gateway) == (0, "prompts   en-us\nreloaded\n")
        add(tmp_path, "fr-fr")
        config = tmp_path / "pinwheel.toml"
        more = '[sms]\nleast_life = 20\n[[modem]]\nname = "sim1"\nport = "/dev/ttyUSB0"\n'
        config.write_text(config.read_text().replace("repeats = 0", "repeats = 1") + more)
        code, told = pinwheel_reload(gateway)
        assert (code, "prompts   en-us, fr-fr\n" in told) == (0, True)
        assert "in use    [voice] repeats\n" in told
        assert "changed   [[modem]] sim1, [sms] least_life; they need: systemctl restart" in told
        again = json.loads(pinwheel_reload(gateway, "--json")[1])
        assert (again["applied"], again["restart"]) == ([], ["[[modem]] sim1", "[sms] least_life"])


def test_a_reload_that_fails_says_why_and_leaves_what_is_in_use(tmp_path: Path) -> None:
    """It used to name keys that need a restart, too: with such a file the daemon would not have started again."""
    with SimulatedPhone() as phone, Gateway(tmp_path, sections(tmp_path, phone)) as gateway:
        add(tmp_path, "fr-fr")
        assert pinwheel_reload(gateway)[0] == 0
        (tmp_path / "fr-fr" / "digit_1.wav").write_bytes(b"RIFF")
        code, told = pinwheel_reload(gateway)
        assert (code, "fr-fr/digit_1.wav" in told) == (1, True)
        assert locales(gateway) == ["en-us", "fr-fr"]
        config = tmp_path / "pinwheel.toml"
        config.write_text(config.read_text() + "[sms]\nleast_life = 20\nflsh = true\n")
        code, told = pinwheel_reload(gateway)
        assert (code, "[sms] flsh: no such key; did you mean 'flash'?" in told) == (1, True)
        assert "restart" not in told
        config.write_text("[sms\n")
        code, told = pinwheel_reload(gateway, "--json")
        assert (code, json.loads(told)["restart"]) == (1, [])
        assert "reload=failed" in gateway.log()
        assert gateway.health()["code"] == 200


def differing(one: Config, other: Config) -> dict[str, Effect]:
    return dict(changed(tables(one), tables(other)))


def test_every_key_that_differs_is_named() -> None:
    """A modem that was removed used to make every key of the next one differ: rows were called by their places."""
    modems = "".join(f'[[modem]]\nname = "{name}"\nport = "/dev/tty{name}"\n' for name in "abc")
    one = parse(f'[api]\nsocket = "/run/a"\n{modems}', Path("one"))
    other = parse(f'[api]\nsocket = "/run/b"\n{modems.replace("ttyb", "ttyS1")}', Path("other"))
    less = replace(one, modem=one.modem[1:])
    assert differing(one, one) == {}
    assert differing(one, other)["[api] socket"] is Effect.RESTART
    assert differing(one, replace(one, modem=other.modem)) == {"[[modem]] b port": Effect.LIVE}
    assert differing(one, less) == {"[[modem]] a": Effect.LIVE}
    assert differing(one, replace(one, modem=())) == {f"[[modem]] {name}": Effect.RESTART for name in "abc"}
    assert differing(one, replace(one, clock=replace(one.clock, speed=2.0))) == {"[clock] speed": Effect.RESTART}


def test_the_table_has_every_key_of_the_configuration_and_no_other() -> None:
    text, table, known = (Path(__file__).parents[3] / "config" / "pinwheel.toml").read_text(), "", set()
    for line in text.splitlines():
        if section := re.match(r"(?:# )?(\[\[?\w+\]\]?)$", line):
            table = section[1]
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            effect(table, key[1])
            known.add((table.strip("[]"), key[1]))
    rows = {(section, key) for section, keys in EFFECTS.items() for key in keys if key != DRIVER}
    assert len(known) > 80
    assert rows - known == set()
    assert {section for section, _ in known} == EFFECTS.keys()


# --- what changes while the daemon runs --------------------------------------------------------------------


def rewrite(gateway: Gateway, *pairs: tuple[str, str], more: str = "") -> None:
    text = gateway.config.read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    gateway.config.write_text(text + more)


def start(gateway: Gateway, number: str, **more: object) -> str:
    return str(gateway.client.verify("", number=number, brand="Acme", **more)["status"])  # type: ignore[arg-type]


def test_limits_workflows_and_modems_change_while_everything_goes_on(tmp_path: Path) -> None:
    """All of it used to need a restart, which interrupts calls."""
    slow = SimulatedModem(tmp_path / "a", network_s=1.0)
    with slow, SimulatedModem(tmp_path / "b") as second, SimulatedModem(tmp_path / "c") as third:
        sections = modem_section(slow.port) + modem_section(second.port, "sim2")
        with Gateway(tmp_path, f"[security]\nrequests_per_second = 0\ncancel_after = 30\n{sections}") as gateway:
            gateway.client.post("/v1/modems/sim2/pause")
            on_the_wire = gateway.verify("447700900101")
            gateway.wait_for(on_the_wire, "sending")
            waits = gateway.verify("447700900102")
            assert start(gateway, "33612345678", workflow_id=100) == "3"
            rewrite(
                gateway,
                (modem_section(slow.port), modem_section(third.port, "sim3", "daily_limit = 5")),
                ('name = "sim2"', 'name = "sim2"\nhourly_limit = 7'),
                ("cancel_after = 30", 'cancel_after = 0\ndeny_prefixes = ["336"]'),
                more='[[workflow]]\nid = 100\nsteps = [{ channel = "sms", wait = 60 }]\n[alert]\nname = "cellar"\n'
                '[log]\nlevel = "error"\n',  # the command line has another, which goes first
            )
            code, told = pinwheel_reload(gateway)
            changes = "[[modem]] sim1, [[modem]] sim2 hourly_limit, [[modem]] sim3, [[workflow]] 100"
            assert (code, " ".join(told.split())) == (
                0,
                f"in use {changes}, [alert] name, [security] cancel_after, [security] deny_prefixes reloaded",
            )
            gateway.wait_for(on_the_wire, "sent")  # what a removed modem has on the wire is finished
            assert until(lambda: modems(gateway).keys() == {"sim2", "sim3"} and modems(gateway), "the pool")
            gateway.wait_for(waits, "sent")  # its queue goes to others
            assert [number for number, _ in third.accepted] == ["447700900102"]
            assert modems(gateway)["sim2"]["limits"]["hour"] == 7
            assert modems(gateway)["sim2"]["state"] == "paused"
            assert modems(gateway)["sim3"]["sent"]["day"] == 1
            assert start(gateway, "447700900103", workflow_id=100) == "0"
            assert start(gateway, "33612345678") != "0"
            assert gateway.client.verify("control", request_id=waits, cmd="cancel")["status"] == "0"
            both = {"sim1": "ready", "sim2": "paused"}
            # another port for the same SIM, and back to a name that was there: what it has sent still counts
            rewrite(gateway, (third.port, slow.port), ('"sim3"', '"sim1"'))
            assert pinwheel_reload(gateway)[0] == 0
            until(lambda: {name: each["state"] for name, each in modems(gateway).items()} == both, "sim1 is back")
            assert modems(gateway)["sim1"]["sent"]["day"] == 1


def modems(gateway: Gateway) -> dict[str, dict[str, Any]]:
    return {modem["name"]: modem for modem in gateway.client.get("/v1/modems")["modems"]}


def test_a_reload_with_a_mistake_changes_nothing_at_all(tmp_path: Path) -> None:
    secret, port = tmp_path / "secret", tmp_path / "port"
    secret.write_text("s3cret-of-acme\n")
    secret.chmod(0o600)
    with SimulatedModem(port) as modem, Gateway(tmp_path, modem_section(modem.port)) as gateway:
        account = f'[[account]]\nkey = "acme"\nsecret_file = "{secret}"\n'
        rewrite(gateway, more=f'[security]\ndeny_prefixes = ["44"]\nmax_active_per_number = 0\n{account}')
        secret.chmod(0o644)
        code, told = pinwheel_reload(gateway)
        assert (code, "secret_file" in told, "in use" in told) == (1, True, False)
        gateway.verify("447700900101")
        secret.chmod(0o600)
        code, told = pinwheel_reload(gateway)
        assert (code, "in use    [[account]] acme, [security] deny_prefixes" in told) == (0, True)
        assert start(gateway, "447700900102", api_key="acme") != "0"
        assert gateway.health()["code"] == 200
