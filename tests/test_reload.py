"""The daemon takes new prompts while it runs, keeps what it has when they are broken, and says what it speaks."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from daemon.prompts import NEEDED, shipped_prompts
from drivers.simulated_phone import SimulatedPhone
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
