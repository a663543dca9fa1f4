"""The daemon takes new prompts while it runs, keeps what it has when they are broken, and says what it speaks."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from daemon.cli import main
from daemon.config import Config, parse
from daemon.operations.reloading import changed
from daemon.prompts.library import NEEDED, shipped_prompts
from drivers.simulated.phone import SimulatedPhone
from tests.gateway import Gateway, until, voice_section

GONE_AT_ONCE = "44770090095"  # 95: answers and hangs up at once


def sections(tmp_path: Path, phone: SimulatedPhone) -> str:
    security = '[security]\nallow_prefixes = ["44", "33"]\nmax_active_per_number = 0\n'
    return f'{security}[prompts]\ndirectory = "{tmp_path}"\n' + voice_section(phone.address)


def add(directory: Path, locale: str) -> None:
    """A set whose words do not matter."""
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


def test_systemd_learns_when_a_reload_begins_and_ends(tmp_path: Path) -> None:
    config = tmp_path / "pinwheel.toml"
    config.write_text(f'[api]\nsocket = "{tmp_path}/own.sock"\n[store]\nurl = "sqlite:///{tmp_path}/pinwheel.db"\n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / "notify"))
        notices.settimeout(15)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        command = [sys.executable, "-m", "daemon.main", "--config", str(config)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
        try:
            assert b"READY=1" in notices.recv(4096)
            process.send_signal(signal.SIGHUP)
            begins, usec = notices.recv(4096).decode().split("\n")
            assert begins == "RELOADING=1"
            assert int(usec.removeprefix("MONOTONIC_USEC=")) > 0
            assert notices.recv(4096).startswith(b"READY=1")
        finally:
            process.terminate()
            assert process.wait(15) == 0


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
        more = '[sms]\nflash = true\n[[modem]]\nname = "sim1"\nport = "/dev/ttyUSB0"\n'
        config.write_text(config.read_text().replace("repeats = 0", "repeats = 1") + more)
        code, told = pinwheel_reload(gateway)
        assert (code, "prompts   en-us, fr-fr\n" in told) == (0, True)
        assert "changed   [[modem]] number 1, [sms] flash, [voice] repeats; they need: systemctl restart" in told
        assert json.loads(pinwheel_reload(gateway, "--json")[1])["restart"] == [
            "[[modem]] number 1",
            "[sms] flash",
            "[voice] repeats",
        ]


def test_a_reload_that_fails_says_why_and_leaves_what_is_in_use(tmp_path: Path) -> None:
    with SimulatedPhone() as phone, Gateway(tmp_path, sections(tmp_path, phone)) as gateway:
        add(tmp_path, "fr-fr")
        assert pinwheel_reload(gateway)[0] == 0
        (tmp_path / "fr-fr" / "digit_1.wav").write_bytes(b"RIFF")
        code, told = pinwheel_reload(gateway)
        assert (code, "fr-fr/digit_1.wav" in told) == (1, True)
        assert locales(gateway) == ["en-us", "fr-fr"]
        config = tmp_path / "pinwheel.toml"
        config.write_text(config.read_text() + "[sms]\nflsh = true\n")
        code, told = pinwheel_reload(gateway)
        assert (code, "[sms] flsh: no such key; did you mean 'flash'?" in told) == (1, True)
        config.write_text("[sms\n")
        code, told = pinwheel_reload(gateway, "--json")
        assert (code, json.loads(told)["restart"]) == (1, [])
        assert "reload=failed" in gateway.log()
        assert gateway.health()["code"] == 200


def test_every_key_that_differs_is_named() -> None:
    one = parse('[api]\nsocket = "/run/a"\n[[modem]]\nname = "a"\nport = "/dev/ttyS0"\n', Path("one"))
    other = parse('[api]\nsocket = "/run/b"\n[[modem]]\nname = "a"\nport = "/dev/ttyS1"\n', Path("other"))
    assert list(changed(one, one)) == []
    assert list(changed(one, other)) == ["[api] socket", "[[modem]] number 1 port"]
    assert list(changed(one, Config())) == ["[api] socket", "[[modem]] number 1"]
