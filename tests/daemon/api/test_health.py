"""Whether anything can be sent: where nothing can, `pinwheel status` exits 1 and /healthz answers 503; both say why."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import main
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, until, voice_section


def status(gateway: Gateway) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["--socket", str(gateway.socket), "status"])
    return done.exit_code, done.output


def unhealthy(gateway: Gateway, reason: str) -> None:
    """Both say that nothing can be sent, and why."""
    health = until(lambda: (found := gateway.health())["code"] == 503 and found, f"503: {reason}")
    assert any(reason in told for told in health["reasons"]), health
    assert reason in health["detail"]
    code, told = status(gateway)
    assert code == 1
    assert "health    nothing can be sent" in told
    assert any(line.startswith("reason") and reason in line for line in told.splitlines()), told
    report = json.loads(CliRunner().invoke(main, ["--socket", str(gateway.socket), "status", "--json"]).output)
    assert (report["health"], report["reasons"]) == ("nothing can be sent", health["reasons"])


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("", "the configuration has no [[modem]], and [voice] driver is none"),
        ('[[modem]]\nname = "sim1"\nport = "/nowhere/tty"\n', "modem sim1 is absent: no such port"),
        (
            voice_section("127.0.0.9:5999").replace("register = false", "register = true"),
            "voice is waiting: not registered",
        ),
    ],
)
def test_a_gateway_that_can_send_nothing_says_why(tmp_path: Path, toml: str, reason: str) -> None:
    gateway = Gateway(tmp_path, toml)
    gateway.start()
    try:
        unhealthy(gateway, reason)
    finally:
        gateway.stop()


def test_one_way_to_send_is_enough_and_what_else_fails_is_told(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "port") as modem:
        other = '[[modem]]\nname = "sim2"\nport = "/nowhere/tty"\n'
        gateway = Gateway(tmp_path, modem_section(modem.port) + other)
        gateway.start()
        try:
            until(lambda: any("sim2 is absent" in told for told in gateway.health()["reasons"]), "the other's trouble")
            assert gateway.health()["code"] == 200
            assert status(gateway)[0] == 0
            assert "health    ok" in status(gateway)[1]
            (problem,) = (each for each in gateway.client.get("/v1/status")["problems"] if each["subject"] == "sim2")
            assert (problem["code"], problem["severity"]) == ("modem-port", "error")
            pause = CliRunner().invoke(main, ["--socket", str(gateway.socket), "modems", "pause", "sim1"])
            assert pause.exit_code == 0
            unhealthy(gateway, "modem sim1 is paused: pinwheel modems resume sim1")
        finally:
            gateway.stop()
