"""The driver on the dialects of eight modems, each a script of its answers and habits (tests/peers/scripted.py)."""

from pathlib import Path

import pytest

from drivers import Delivery, StatusReport, Uncertain
from tests.drivers.serial.driving import News, opened, ready, send, sms
from tests.peers.scripted import ScriptedModem

SCRIPTS = sorted(Path(__file__).with_name("dialects").glob("*.txt"))
SENDING = [script for script in SCRIPTS if script.stem != "siemens-mc35i"]
NUMBER = "447700900123"
TEXT = "Hé: {1234} costs 55 €"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_modem_is_known_in_its_own_words(script: Path) -> None:
    with ScriptedModem(script) as modem, opened(modem.port) as driver:
        status = ready(driver).status()
        wanted = dict(pair.strip().split("=") for pair in modem.directives["@status"].split(";"))
        assert {name: str(getattr(status, name)) for name in wanted} == wanted


@pytest.mark.parametrize("script", SENDING, ids=lambda script: script.stem)
def test_a_message_is_sent_and_its_report_comes(script: Path) -> None:
    news = News()
    with ScriptedModem(script) as modem, opened(modem.port, news) as driver:
        assert send(ready(driver), sms(text=TEXT)).references == (1,)
        report = news.first(StatusReport)
        assert send(ready(driver), sms(text="again")).references == (2,)
    assert (report.reference, report.number, report.delivery) == (1, NUMBER, Delivery.DELIVERED)
    assert modem.accepted == [(NUMBER, TEXT), (NUMBER, "again")]


def test_ok_alone_says_nothing_of_the_message() -> None:
    script = next(script for script in SCRIPTS if script.stem == "siemens-mc35i")
    with ScriptedModem(script) as modem, opened(modem.port) as driver, pytest.raises(Uncertain):
        send(ready(driver), sms())
