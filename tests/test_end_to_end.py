"""The whole job: daemon, an AT modem that this project did not write, baresip."""

import time
from datetime import datetime
from pathlib import Path

from daemon.prompts.library import PromptLibrary, shipped_prompts
from drivers.simulated.listening import clips_in, spoken_pins
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import PhoneEvent, SimulatedPhone
from tests.gateway import Gateway, modem_section, pin_in, short_prompts, until, voice_section
from tests.peers.baresip import Baresip
from tests.peers.foreign import ForeignModem

NUMBER = "447700900123"
SPEED, FAST = 12, 60


def test_an_sms_then_a_call_carry_the_pin_and_the_code_is_judged(tmp_path: Path) -> None:
    with ForeignModem("HuaweiE1752") as modem, Baresip(tmp_path) as phone:
        devices = modem_section(modem.port) + voice_section(phone.address)
        with Gateway(tmp_path, devices) as gateway:
            request_id = gateway.verify(NUMBER, lg="en-us", workflow_id=5)
            number, text = until(lambda: modem.accepted, "the SMS")[0]
            assert number == NUMBER
            assert text == f"Acme code: {pin_in(text)}. Valid for 5 minutes."
            gateway.client.verify("control", request_id=request_id, cmd="trigger_next_event")
            gateway.wait_for(request_id, "delivered", step=1)
            clips = PromptLibrary.open([shipped_prompts()]).clips["en-us"]
            assert spoken_pins(clips_in(phone.recording(), clips)) == [pin_in(text)] * 2
            wrong = "0000" if pin_in(text) != "0000" else "1111"
            assert gateway.client.verify("check", request_id=request_id, code=wrong)["status"] == "16"
            assert gateway.client.verify("check", request_id=request_id, code=pin_in(text))["status"] == "0"
            found = gateway.request(request_id)
            database = b"".join(path.read_bytes() for path in tmp_path.glob("pinwheel.db*"))
        log = gateway.log()
    assert found["status"] == "SUCCESS"
    assert [attempt["state"] for attempt in found["attempts"]] == ["sent", "delivered"]  # this modem reports nothing
    assert len(modem.accepted) == 1
    assert pin_in(text) not in log
    assert NUMBER not in log
    assert b'"%s"' % pin_in(text).encode() not in database


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


SCHEDULES = {
    1: [("sms A", 0), ("tts A", 125), ("tts B", 305), ("expired", 605)],
    2: [("sms A", 0), ("sms A", 125), ("tts B", 305), ("expired", 605)],
    3: [("tts A", 0), ("tts A", 150), ("expired", 300)],
    4: [("sms A", 0), ("sms A", 120), ("expired", 300)],
    5: [("sms A", 0), ("tts A", 125), ("expired", 425)],
}


def test_the_workflows_keep_their_timelines_to_a_second_of_real_time(tmp_path: Path) -> None:
    with SimulatedModem(network_s=0.05, report_s=0.1) as modem, SimulatedPhone(ring_s=0.1) as phone:
        devices = modem_section(modem.port) + voice_section(phone.address) + short_prompts(tmp_path)
        with Gateway(tmp_path, devices, speed=FAST) as gateway:
            ids = {workflow: gateway.verify(f"4477009002{workflow}0", workflow_id=workflow) for workflow in SCHEDULES}
            for workflow, expected in SCHEDULES.items():
                gateway.wait_for(ids[workflow], "expired")
                lines = gateway.request(ids[workflow])["history"]
                start = seconds(lines[0]["at"])
                told = [
                    (line["detail"] or "expired", (seconds(line["at"]) - start) / FAST)
                    for line in lines
                    if line["kind"] in ("event", "expired")
                ]
                assert [what for what, _ in told] == [what for what, _ in expected]
                late_s = [at - due / FAST for (_, at), (_, due) in zip(told, expected, strict=True)]
                assert max(map(abs, late_s)) < 1, f"workflow {workflow}: {late_s}"


def test_the_right_code_stops_a_call_that_still_rings(tmp_path: Path) -> None:
    with SimulatedModem(network_s=0.05) as modem, SimulatedPhone() as phone:
        devices = modem_section(modem.port) + voice_section(phone.address)
        with Gateway(tmp_path, devices, speed=SPEED) as gateway:
            request_id = gateway.verify("447700900191", workflow_id=5)  # 91: rings for ever
            until(lambda: modem.accepted, "the SMS")
            gateway.client.verify("control", request_id=request_id, cmd="trigger_next_event")
            gateway.wait_for(request_id, "ringing", step=1)
            voice = gateway.client.get("/v1/voice")
            assert [(c["request_id"], c["phase"]) for c in voice["in_progress"]] == [(request_id, "ringing")]
            pin = pin_in(modem.accepted[0][1])
            assert gateway.client.verify("check", request_id=request_id, code=pin)["status"] == "0"
            gateway.wait_for(request_id, "dropped", step=1, seconds=10)
            assert [call.status for call in phone.calls] == [487]
            assert gateway.client.get("/v1/voice")["in_progress"] == []


def test_a_busy_phone_is_called_again_by_the_next_event(tmp_path: Path) -> None:
    with SimulatedPhone() as phone, Gateway(tmp_path, voice_section(phone.address), speed=60) as gateway:
        request_id = gateway.verify("447700900190", workflow_id=3)  # 90: busy
        gateway.wait_for(request_id, "expired")
        found = gateway.request(request_id)
    assert [attempt["state"] for attempt in found["attempts"]] == ["failed", "failed"]
    assert found["attempts"][0]["detail"].startswith("busy (486 Busy Here)")
    assert [call.status for call in phone.calls] == [486, 486]


def test_calls_that_are_due_at_once_begin_at_the_pace_that_the_trunk_allows(tmp_path: Path) -> None:
    """26 calls used to be made in the second after an outage."""
    ended_at: list[float] = []

    def listen(event: PhoneEvent) -> None:
        if event.kind == "ended":
            ended_at.append(time.monotonic())

    with SimulatedPhone(listener=listen) as phone:
        toml = "[security]\nmax_active_per_number = 0\n" + voice_section(phone.address, "calls_per_second = 4")
        with Gateway(tmp_path, toml) as gateway:
            ids = [gateway.verify(f"4477009{n:03d}90", workflow_id=7) for n in range(6)]  # 90: busy, at once
            for request_id in ids:
                gateway.wait_for(request_id, "failed", step=0)
    assert len(ended_at) == 6
    assert ended_at[-1] - ended_at[0] > 3 / 4  # of 5 / 4 s: on a busy machine the first end is noticed late


def test_a_call_in_which_the_callee_is_never_heard_says_one_way(tmp_path: Path) -> None:
    """Calls to a dead port used to be "delivered", without any remark."""
    with (
        SimulatedPhone() as phone,
        Gateway(tmp_path, voice_section(phone.address) + short_prompts(tmp_path)) as gateway,
    ):
        mute = gateway.verify("447700900189", workflow_id=7)  # 89: no audio comes from it
        ordinary = gateway.verify("447700900123", workflow_id=7)
        details = []
        for request_id in (mute, ordinary):
            gateway.wait_for(request_id, "delivered")
            details.append(gateway.request(request_id)["attempts"][0]["detail"])
        outcomes = gateway.client.get("/v1/voice")["outcomes"]
    assert details[0].endswith(", one-way: nothing was heard from the callee")
    assert "one-way" not in details[1]
    assert outcomes == {"delivered": 2, "one-way": 1}
