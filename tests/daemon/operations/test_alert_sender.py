"""Alerts go by a modem that works, else by a call; on real drivers."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.clock import Clock
from daemon.config import Modem
from daemon.core.alerting import Rules, read
from daemon.core.commands import Policy
from daemon.core.milliseconds import Ms
from daemon.core.model import Channel
from daemon.engine import Engine
from daemon.lanes.sms import SmsLane
from daemon.operations.alert_sender import AlertSender, locale_of, one_sms
from daemon.operations.snapshots import Snapshots
from daemon.pins import Pins
from daemon.prompts.library import PromptLibrary, shipped_prompts
from daemon.store.store import Store
from drivers import DeviceState
from drivers.codecs import gsm7
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.simulated.listening import clips_in
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.lanes.waiting import until
from tests.daemon.store.writes import locked
from tests.gateway import Gateway, voice_section
from tests.gateway import until as eventually

NUMBER, MASKED = "447700900123", "4477******23"
AT_ONCE = Rules(Ms(0), Ms(3_600_000), 3)


@asynccontextmanager
async def watching(store: Store, *ports: str, speed: float = 1.0) -> AsyncIterator[tuple[AlertSender, SmsLane]]:
    """An alert sender over modems sim1, sim2, ... of which the first is ready."""
    engine = Engine(store, Clock(speed), Pins(b"k" * 32), Policy())
    names = [f"sim{i}" for i, _ in enumerate(ports, 1)]
    modems = [(Driver(name, Options(port=port)), Modem(name)) for name, port in zip(names, ports, strict=True)]
    lane = engine.lanes[Channel.SMS] = SmsLane(engine, modems, lambda _, pin: pin)
    lane.open()
    try:
        await until(lambda: lane.pool.slots[0].ready)
        await until(lambda: all(slot.driver.status().state is not DeviceState.STARTING for slot in lane.pool.slots))
        yield AlertSender(Snapshots(engine, lane, None), "office", [NUMBER], AT_ONCE), lane
    finally:
        await lane.close()


def test_a_modem_that_works_sends_the_alert_of_one_that_does_not_and_of_its_return(
    store: Store, tmp_path: Path
) -> None:
    async def story() -> None:
        with SimulatedModem(network_s=0.01) as well, SimulatedModem(tmp_path / "ill", network_s=0.01) as ill:
            ill.unplug()
            async with watching(store, well.port, str(tmp_path / "ill")) as (sender, lane):
                await sender.look()
                await sender.look()
                assert well.accepted == [(NUMBER, "office: modem sim2 is absent: no such port")]
                assert [each["alerted"] != "" for each in sender.report()["troubles"]] == [True]
                assert lane.pool.slots[0].quota.used(sender.snapshots.take().at).day == 1
                sender.acknowledge()
                ill.replug()
                await until(lambda: lane.pool.slots[1].ready)
                await sender.look()
                await sender.look()
                assert [text for _, text in well.accepted + ill.accepted][1:] == ["office: all is well again"]

    asyncio.run(story())


def test_a_number_that_cannot_be_reached_makes_no_second_message_for_those_that_can(
    store: Store, tmp_path: Path
) -> None:
    """An alert used to be sent every minute without end, since none counted as sent; and each try used up the quota."""

    async def story() -> None:
        with SimulatedModem(network_s=0.01) as well, SimulatedModem(tmp_path / "ill", network_s=0.01) as ill:
            ill.unplug()
            well.refuse(38, times=1000, number="447700900199")
            async with watching(store, well.port, str(tmp_path / "ill")) as (sender, lane):
                sender.numbers = ["447700900199", NUMBER]
                for _ in range(3):
                    await sender.look()
                assert [number for number, _ in well.accepted] == [NUMBER]
                assert sender.report()["sent"] == 1
                assert lane.pool.slots[0].quota.used(sender.snapshots.take().at).day == 1

    asyncio.run(story())


def test_restarts_send_no_more_messages_than_a_day_may_have(store: Store, tmp_path: Path) -> None:
    """The limit used to start again with each start, so that a daemon that crashed again and again sent without end."""

    async def story() -> None:
        with SimulatedModem(network_s=0.01) as well, SimulatedModem(tmp_path / "ill", network_s=0.01) as ill:
            ill.unplug()
            well.refuse(38)
            for sent in (0, 1, 2, 3, 3):  # the first was refused
                async with watching(store, well.port, str(tmp_path / "ill")) as (sender, _):
                    sender.open()
                    await sender.look()
                    assert len(well.accepted) == sent
            assert len(read(store.reading.meta("alerts sent") or "")) == AT_ONCE.a_day

    asyncio.run(story())


def test_restarts_send_no_more_than_that_while_the_database_takes_nothing_either(store: Store, tmp_path: Path) -> None:
    """What had been sent used to be known to the process alone then."""

    async def story() -> None:
        with SimulatedModem(network_s=0.01) as well, locked(tmp_path, store):
            for sent in (1, 2, 3, 3):
                async with watching(store, well.port, "/dev/nowhere") as (sender, _):
                    sender.runtime = tmp_path
                    sender.open()
                    await sender.look()
                    assert len(well.accepted) == sent

    asyncio.run(story())


def test_who_was_not_reached_is_tried_again_until_somebody_says_that_he_knows(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with SimulatedModem(network_s=0.01) as well, SimulatedModem(tmp_path / "ill", network_s=0.01) as ill:
            ill.unplug()
            well.refuse(38, times=1000, number="447700900199")
            async with watching(store, well.port, str(tmp_path / "ill"), speed=1e6) as (sender, _):
                sender.numbers, sender.rules = ["447700900199", NUMBER], Rules(Ms(0), Ms(10**12), 3)
                for tries in (1, 2, 2):
                    await sender.look()
                    assert caplog.text.count("alert=failed by=sim1") == tries
                    if tries == 2:
                        sender.acknowledge()
                assert [number for number, _ in well.accepted] == [NUMBER]

    asyncio.run(story())


@pytest.mark.parametrize("text", ["x" * 300, "[" * 300, "Łódź € " * 40, "\n😀" * 99])
def test_an_alert_is_one_sms_whatever_stands_in_it(text: str) -> None:
    """A modem's long name, or a letter that is not in the GSM alphabet, used to make two or three of it."""
    alphabet, parts = gsm7.in_parts(one_sms(text))
    assert (alphabet, len(parts)) == (gsm7.Alphabet.GSM7, 1)
    assert one_sms("modem sim1: [voice]") == "modem sim1: [voice]"


def test_an_alert_goes_out_while_the_disk_takes_nothing_and_nothing_can_be_charged(
    store: Store, tmp_path: Path
) -> None:
    async def story() -> None:
        with SimulatedModem(network_s=0.01) as modem:
            async with watching(store, modem.port) as (sender, _):
                with locked(tmp_path, store):
                    assert await sender.test()
                assert modem.accepted == [(NUMBER, "office: this is a test of [alert]")]

    asyncio.run(story())


def test_an_alert_that_no_device_takes_is_tried_again(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with SimulatedModem(tmp_path / "port", network_s=0.01) as modem:
            async with watching(store, modem.port) as (sender, lane):
                modem.unplug()
                await until(lambda: not lane.pool.slots[0].ready)
                await sender.look()
                assert sender.report()["sent"] == 0

    asyncio.run(story())
    assert "no modem and no trunk works" in caplog.text
    assert NUMBER not in caplog.text


def test_without_a_modem_the_trunk_calls_and_says_what_it_is(tmp_path: Path) -> None:
    """It used to say that the operator's verification code was 9 9 9."""
    clip, heard = tmp_path / "prompts" / "en-us" / "alert_test.wav", tmp_path / "heard"
    clip.parent.mkdir(parents=True)
    shutil.copy(shipped_prompts() / "en-us" / "digit_1.wav", clip)  # it takes less time than the sentence
    with SimulatedPhone(ring_s=0.1, recordings=heard) as phone:
        alert_section = f'[alert]\nnumbers = ["+{NUMBER}"]\n[prompts]\ndirectory = "{clip.parents[1]}"\n'
        toml = alert_section + voice_section(phone.address, 'register = false\nconfirm = "press1"')
        with Gateway(tmp_path, toml) as gateway:

            def alert(*words: str) -> Result:
                return CliRunner().invoke(main, ["--socket", str(gateway.socket), "alert", *words])

            assert alert("test").output == f"sent to {MASKED}\n"
            assert [call.number for call in phone.calls] == [NUMBER]
            recording = eventually(lambda: next(heard.glob("*.wav"), None), "what was heard")
            shipped = PromptLibrary.open([shipped_prompts()]).clips["en-us"]
            found = clips_in(recording, {name: shipped[name] for name in ("digit_1", "bye", "welcome", "again")})
            assert [each.name for each in found] == ["digit_1", "digit_1", "bye"]
            assert json.loads(alert("--json").output)["numbers"] == [MASKED]
            assert alert("ack").output == "acknowledged 0 trouble(s)\n"
            assert alert().output == f"numbers   {MASKED}\ntrouble   none\n"


def test_a_defect_in_an_alert_ends_no_daemon_and_fills_no_log(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to end the daemon, which began again and again."""
    monkeypatch.setattr("daemon.operations.alert_sender.LOOK_S", 0.0)

    async def story() -> None:
        with SimulatedModem() as modem:
            async with watching(store, modem.port) as (sender, _):
                sender.numbers = [None]  # type: ignore[list-item]
                sender.rules = None  # type: ignore[assignment]
                running = asyncio.create_task(sender.run())
                await until(lambda: "alert=failed" in caplog.text)
                for _ in range(100):
                    await asyncio.sleep(0)
                assert not running.done()
                assert caplog.text.count("alert=failed") == 1
                running.cancel()

    asyncio.run(story())


@pytest.mark.parametrize(("number", "locale"), [(NUMBER, "en-gb"), ("4915112345678", "de-de"), ("999", "en-us")])
def test_an_operator_is_called_in_the_language_of_the_number(number: str, locale: str) -> None:
    assert locale_of(number) == locale


@pytest.mark.parametrize("number", ["+0447700900123", "+44 7700 900123", "+1", ""])
def test_a_number_that_is_not_whole_is_refused(tmp_path: Path, number: str) -> None:
    (tmp_path / "pinwheel.toml").write_text(f'[alert]\nnumbers = ["{number}"]\n')
    words = ["export", str(tmp_path / "x.csv"), "--config", str(tmp_path / "pinwheel.toml")]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "[alert] numbers" in done.output) == (1, True)
