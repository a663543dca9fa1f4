"""The canary on real devices: SIMs that text each other, a trunk that calls, and a modem that sends nothing."""

import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from daemon.cli import main
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.operations.test_metrics import scraped, series
from tests.gateway import Gateway, health, modem_section, until, voice_section

ONE, TWO = "447700900001", "447700900002"
EVERY = "\n[canary]\nevery = 300\n"
FAST = 300  # of the clock: one trial a second


def sim(modem: SimulatedModem, number: str, name: str) -> str:
    return modem_section(modem.port, name, f'number = "+{number}"')


def known(gateway: Gateway, device: str) -> dict[str, Any]:
    return next(each for each in gateway.client.get("/v1/status")["canary"] if each["device"] == device)


def figure(gateway: Gateway, name: str, device: str) -> float:
    return series(scraped(gateway))[f"pinwheel_{name}", (("device", device),)]


def incoming(gateway: Gateway) -> list[str]:
    lines = gateway.client.events(follow=False, last=99)
    return [line["detail"] for line in lines if line["kind"] == "incoming"]


def carry(sender: SimulatedModem, receiver: SimulatedModem, number: str) -> None:
    """What the network would: the texts to a SIM of the pool."""
    text = until(lambda: next((text for to, text in sender.accepted if to == number), ""), "a text")
    receiver.receive("447700900009", text)


def test_a_text_between_two_sims_is_a_success_and_no_incoming_message(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "a") as first, SimulatedModem(tmp_path / "b") as second:
        sims = sim(first, ONE, "sim1") + sim(second, TWO, "sim2")
        with Gateway(tmp_path, sims + EVERY, speed=FAST) as gateway:
            gateway.ready()
            carry(first, second, TWO)
            until(lambda: known(gateway, "sim1")["last_success"], "it arrives")
            assert figure(gateway, "canary_failures", "sim1") == 0
            assert figure(gateway, "canary_last_success_timestamp_seconds", "sim1") > 0
            second.receive("447700900009", "hello")
            assert until(lambda: incoming(gateway), "the ordinary one") == ["sim2 from 447700900009: hello"]
            sent = next(m for m in gateway.client.get("/v1/modems")["modems"] if m["name"] == "sim1")["sent"]
            assert sent["day"] >= 1  # counted for the quota
        log = gateway.log()
    assert TWO not in log
    assert "Pinwheel canary" not in log


def test_a_modem_that_looks_well_and_sends_nothing_becomes_a_warning_and_no_503(tmp_path: Path) -> None:
    """There used to be no sign of it until people complained: registered, good signal, and nothing leaves."""
    with SimulatedModem() as modem:
        with Gateway(tmp_path, sim(modem, ONE, "sim1"), speed=FAST) as gateway:
            gateway.config.write_text(gateway.config.read_text() + EVERY)
            done = gateway.client.post("/v1/reload")  # it used to need a restart, also for a modem that was added
            assert (done["applied"], done["restart"]) == (["[canary] every"], [])
            until(lambda: known(gateway, "sim1")["failures"] >= 2, "its texts do not arrive")
            assert health(gateway.client)["code"] == 200
            told = "the canary of sim1 has failed"
            assert any(each.startswith(told) for each in health(gateway.client)["reasons"])
            problems = gateway.client.get("/v1/status")["problems"]
            assert ("canary", "warning") in [(each["code"], each["severity"]) for each in problems]
            assert figure(gateway, "canary_failures", "sim1") >= 2
            shown = CliRunner().invoke(main, ["--socket", str(gateway.socket), "status"]).output
            assert re.search(
                r"^canary    sim1: nothing has arrived yet, \d+ failed since: its text", shown, re.MULTILINE
            )
        with Gateway(tmp_path, sim(modem, ONE, "sim1") + EVERY, speed=FAST) as gateway:
            assert known(gateway, "sim1")["failures"] >= 2  # also after a restart


def test_a_call_that_reaches_no_telephone_is_a_failure(tmp_path: Path) -> None:
    with SimulatedPhone() as phone:
        toml = voice_section(phone.address) + EVERY + 'number = "+447700900193"\n'  # 93: does not exist
        with Gateway(tmp_path, toml, speed=FAST) as gateway:
            told = until(lambda: known(gateway, "[voice]")["detail"], "it calls")
            assert known(gateway, "[voice]")["last_success"] == ""
    assert told == "its call ended: not found (404 Not Found)"


def test_a_call_to_our_own_number_which_is_busy_is_a_success(tmp_path: Path) -> None:
    """The gateway takes no calls, so its own number is busy; 90 is."""
    with SimulatedPhone() as phone:
        toml = voice_section(phone.address) + EVERY + 'number = "+447700900190"\n'
        with Gateway(tmp_path, toml, speed=FAST) as gateway:
            until(lambda: known(gateway, "[voice]")["last_success"], "it calls")
            assert known(gateway, "[voice]")["failures"] == 0
