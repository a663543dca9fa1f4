"""No secret shows in the log at any level, and no PIN in the database."""

import sqlite3
from pathlib import Path

from drivers import Sms
from drivers.serial.pdu import encode_submit
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.gateway import Gateway, modem_section, pin_in, until, voice_section

OWN_PIN = "8273645192"
ENDINGS = ("23", "80", "81", "85", "88", "89")
SPEED = 30


def written(number: str, text: str) -> tuple[str, str]:
    """How number and text of a message stand in our PDU, in hexadecimal (3GPP 23.040 9.2.2.2)."""
    (pdu,) = encode_submit(Sms(number, text, validity_s=60))
    assert pdu.hex.startswith("0031")
    return pdu.hex[10 : 10 + len(number) + len(number) % 2], pdu.hex[-18:]


def test_the_octets_that_are_looked_for_are_those_of_a_message() -> None:
    """This test used to look for "0011", with which no PDU of ours begins."""
    assert written("447700900123", "hellohello") == ("447700091032", "E8329BFD4697D9EC37")


def test_no_pin_pdu_or_whole_number_in_the_log_and_no_pin_in_the_database(tmp_path: Path) -> None:
    numbers = [f"4477009001{ending}" for ending in ENDINGS]
    with SimulatedModem(network_s=0.05, report_s=0.1) as modem, SimulatedPhone(ring_s=0.1) as phone:
        devices = modem_section(modem.port) + voice_section(phone.address)
        with Gateway(tmp_path, devices, speed=SPEED, log_level="debug") as gateway:
            generated = gateway.verify("447700900245", code_length=6, workflow_id=5)
            ids = [gateway.verify(number, pin_code=OWN_PIN, workflow_id=6) for number in numbers]
            until(lambda: any(number == "447700900245" for number, _ in modem.accepted), "the SMS")
            pin = pin_in(next(text for number, text in modem.accepted if number == "447700900245"))
            gateway.client.verify("check", request_id=generated, code="999999" if pin != "999999" else "111111")
            gateway.client.verify("check", request_id=generated, code=pin)
            gateway.client.verify("check", request_id=ids[0], code="1111111111")
            for request_id in ids:
                gateway.wait_for(request_id, "expired", seconds=60)
            sent = list(modem.accepted)
        log = gateway.log()
        with sqlite3.connect(gateway.database) as db:
            dump = "\n".join(db.iterdump())
        files = b"".join(path.read_bytes() for path in tmp_path.glob("pinwheel.db*"))
    secrets = [OWN_PIN, *numbers, "447700900245"]
    assert [secret for secret in secrets if secret in log] == []
    assert f"'{pin}'" not in dump
    assert OWN_PIN.encode() not in files
    assert OWN_PIN not in dump
    assert len(sent) > 1
    assert [octets for number, text in sent for octets in written(number, text) if octets in log.upper()] == []
    assert pin not in [word.strip("'\",.:()[]") for word in log.split()]
