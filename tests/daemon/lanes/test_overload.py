"""More messages than the modems can send in time.

What is sent arrives alive, the rest is dropped, and operators read of it.
"""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.core.commands import Fire
from daemon.core.milliseconds import in_seconds
from daemon.core.model import Request
from daemon.lanes.sms.lane import LOOK_AGAIN_S
from daemon.lanes.sms.lengths import Lengths
from daemon.store.store import Store
from drivers import Deferred, DeviceState
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.conftest import Hand
from tests.daemon.core.story import request
from tests.daemon.lanes.timed import TICK_S, TimedLane, TimedModem, by_hand
from tests.gateway import UNLIMITED, Gateway, modem_section, until, voice_section

MESSAGE_S, EVERY_S = 5.0, 2.5  # a modem has time for every second message
LIFE_S = 60  # of a PIN
LEAST_S = 10.0  # that it must still live when the network takes its message
SPEED = 20  # of the daemons: a PIN lives for 3 s


def test_what_is_sent_in_an_overload_arrives_alive_and_the_rest_is_dropped_for_it(
    store: Store, hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    """A third used to reach the network after their PINs had died, and to count as delivered.

    There used to be a daemon and a modem on the wall clock here. On a busy machine they sent 10 of these 29 messages.
    """
    modem = TimedModem(MESSAGE_S)

    async def main() -> None:
        lane = TimedLane(store, hand, modem)
        ids = await lane.burst(40, EVERY_S, LIFE_S)
        await lane.passes(50)
        found = lane.states(ids)
        assert len(modem.accepted) == 29
        assert Counter(found) == {"sent": 29, "dropped": 11}
        born_s = {f"44770090{place:04}": place * EVERY_S for place in range(40)}
        assert min(born_s[number] + LIFE_S - at_s for number, at_s in modem.accepted) == LEAST_S
        details = {lane.attempt(name).detail for name in ids} - {""}
        assert details == {"its PIN would have arrived too late: the modems are overloaded"}
        assert lane.overload == "overloaded: 11 dropped, 2 modems would do"
        await lane.lane.close()

    with caplog.at_level(logging.WARNING, "pinwheel.lanes"):
        by_hand(hand, main())
    assert [each.message for each in caplog.records if "load=" in each.message] == [
        "lane=sms load='overloaded: 1 dropped, 2 modems would do'"
    ]


def test_an_overload_is_over_a_minute_after_the_last_dropped_message(
    store: Store, hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    """Its end used to be logged with the next message, however much later, if all that waited was dropped at once."""
    modem = TimedModem(MESSAGE_S)

    async def main() -> None:
        lane = TimedLane(store, hand, modem)
        await lane.burst(20, 0, LIFE_S)
        await lane.passes(50)
        assert lane.overload == "overloaded: 10 dropped, 2 modems would do"
        await lane.passes(59)
        assert lane.overload
        await lane.passes(6 + LOOK_AGAIN_S)
        assert lane.overload == ""
        await lane.lane.close()

    with caplog.at_level(logging.WARNING, "pinwheel.lanes"):
        by_hand(hand, main())
    assert caplog.records[-1].message == "lane=sms load='messages are sent in time again'"


def test_the_length_of_a_text_is_known_before_it_is_sent() -> None:
    """Several parts take several times as long."""
    texts = []

    def text(of: Request, pin: str) -> str:
        texts.append(pin)
        if of.locale == "xx":
            raise LookupError("a defect")
        return f"{of.brand}: {pin}"

    lengths = Lengths(text)
    short, long = request(), replace(request(), brand="Ж" * 80)
    assert [lengths.parts(each) for each in (short, long, short)] == [1, 2, 1]
    assert lengths.parts(replace(request(own_pin=True), brand="x" * 149)) == 2  # with the longest PIN that it may be
    assert lengths.parts(replace(request(), locale="xx")) == 1
    assert texts == ["0000", "0000", "0" * 10, "0000"]
    for count in range(1000):
        lengths.parts(replace(short, brand=str(count)))
    assert lengths.parts(long) == 2


def test_modems_enough_drop_nothing(store: Store, hand: Hand) -> None:
    modems = [TimedModem(MESSAGE_S) for _ in range(3)]

    async def main() -> None:
        lane = TimedLane(store, hand, *modems)
        ids = await lane.burst(20, EVERY_S, LIFE_S)
        await lane.passes(MESSAGE_S)
        assert set(lane.states(ids)) == {"sent"}
        assert [len(modem.accepted) for modem in modems] == [7, 7, 6]
        assert lane.overload == ""
        await lane.lane.close()

    by_hand(hand, main())


def test_after_an_outage_what_is_stale_is_skipped_at_once(store: Store, hand: Hand) -> None:
    modem = TimedModem(MESSAGE_S)

    async def main() -> None:
        lane = TimedLane(store, hand, modem)
        await lane.start("447700900123", LIFE_S)
        await lane.passes(MESSAGE_S)
        modem.become(DeviceState.ABSENT)
        stale = await lane.burst(8, EVERY_S, LIFE_S)
        fresh = [await lane.start(f"4477009002{place:02}", 900) for place in range(3)]
        await lane.passes(LIFE_S)
        modem.become(DeviceState.READY)
        await lane.passes(4 * MESSAGE_S)
        assert lane.states(stale + fresh) == ["dropped"] * 8 + ["sent"] * 3
        assert [number for number, _ in modem.accepted[1:]] == [f"4477009002{place:02}" for place in range(3)]
        assert lane.attempt(stale[0]).detail == "its PIN would have arrived too late: no modem was ready"
        assert lane.overload == ""
        await lane.lane.close()

    by_hand(hand, main())


def test_a_pin_that_is_almost_dead_when_its_event_runs_is_no_sign_of_an_overload(store: Store, hand: Hand) -> None:
    """The second message of a workflow, 56 s after the first, with the PIN of 60 s."""
    modem = TimedModem(MESSAGE_S)

    async def main() -> None:
        lane = TimedLane(store, hand, modem)
        request_id = await lane.start("447700900123", LIFE_S, 56, 300)
        await lane.passes(56)
        await lane.engine.do(Fire(1))
        await lane.passes(0.5)
        second = lane.attempt(request_id, 1)
        assert (second.state, second.detail) == (
            "dropped",
            "its PIN would have arrived too late: it had only 4 s left",
        )
        assert lane.overload == ""
        await lane.lane.close()

    by_hand(hand, main())


def test_a_message_that_the_network_does_not_take_is_tried_for_as_long_as_its_pin_lives(
    store: Store, hand: Hand
) -> None:
    """There used to be an end after six times, at 130 s of the 300 s that a PIN lives."""
    why = "CMS 38: network out of order"
    modem = TimedModem(MESSAGE_S, lambda _: Deferred(why))

    async def main() -> None:
        lane = TimedLane(store, hand, modem)
        request_id = await lane.start("447700900123", 300)
        await lane.passes(300)
        attempt = lane.attempt(request_id)
        assert (modem.accepted, modem.refused) == ([], 32)
        assert attempt.detail == f"dropped, the network refused it for now 32 times: {why}"
        assert attempt.settled_at is not None
        assert 0 <= in_seconds(attempt.settled_at - attempt.queued_at) - (300 - LEAST_S) <= TICK_S
        assert lane.overload == ""
        await lane.lane.close()

    by_hand(hand, main())


# --- a whole daemon ----------------------------------------------------------------------------------------------


def test_operators_read_of_an_overload_in_the_status(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "port", network_s=1) as modem:  # of the three that a PIN lives
        with Gateway(tmp_path, modem_section(modem.port) + UNLIMITED, speed=SPEED) as gateway:
            ids = [
                gateway.verify(f"44770090{place:04}", workflow_id=6, pin_expiry=60, next_event_wait=60)
                for place in range(8)
            ]

            def dropped() -> int:
                """How many, once none is under way."""
                found = [gateway.request(request_id)["attempts"][0]["state"] for request_id in ids]
                return 0 if {"queued", "sending"} & set(found) else found.count("dropped")

            count = until(dropped, "all are settled")
            overload = gateway.client.get("/v1/status")["overload"]
            assert overload.startswith(f"overloaded: {count} dropped, ")
            status = CliRunner().invoke(main, ["--socket", str(gateway.socket), "status"]).output
            assert f"0 waiting, {overload}\n" in status
        assert gateway.log().count("overloaded: 1 dropped") == 1


def test_a_dropped_message_starts_the_call_early_where_the_operator_wants_that(tmp_path: Path) -> None:
    """With another PIN: the one that nobody has would die while the phone rings."""
    with SimulatedPhone() as phone:
        more = '[sms]\non_dropped = "next"\n' + voice_section(phone.address)
        with (
            SimulatedModem(tmp_path / "port") as modem,
            Gateway(tmp_path, modem_section(modem.port) + UNLIMITED + more, speed=SPEED) as gateway,
        ):
            modem.unplug()
            until(lambda: gateway.client.get("/v1/modems")["modems"][0]["state"] == "absent", "it is absent")
            request_id = gateway.verify("447700900123", workflow_id=1, pin_expiry=60)
            gateway.wait_for(request_id, "event", step=1)
            lines = gateway.request(request_id)["history"]
            seen = [(line["kind"], line["detail"]) for line in lines if line["kind"] in ("event", "dropped")]
            assert seen[:3] == [
                ("event", "sms A"),
                ("dropped", "its PIN would have arrived too late: no modem was ready"),
                ("event", "tts B"),
            ]
