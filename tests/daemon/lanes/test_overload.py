"""More messages than the modems can send in time: what is sent arrives alive, the rest makes way, and operators know.

At SPEED a message takes one modem 5 s of the gateway's clock, and a PIN of 60 s lives for 3 s.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from daemon.cli import main
from daemon.core.model import Request
from daemon.lanes.sms.lengths import Lengths
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.core.story import request
from tests.gateway import UNLIMITED, Gateway, modem_section, until, voice_section

SPEED = 20
MESSAGE_S = 0.25
EVERY_S = 0.125
SECOND_AT_56_S = """
[[workflow]]
id = 100
steps = [{ channel = "sms", wait = 56 }, { channel = "sms", wait = 300 }]
"""


@contextmanager
def running(directory: Path, more: str = "", *, modems: int = 1) -> Iterator[tuple[Gateway, list[SimulatedModem]]]:
    with ExitStack() as stack:
        sims = [stack.enter_context(SimulatedModem(directory / f"port{i}", network_s=MESSAGE_S)) for i in range(modems)]
        sections = "".join(modem_section(sim.port, f"sim{i}") for i, sim in enumerate(sims))
        yield stack.enter_context(Gateway(directory, sections + UNLIMITED + more, speed=SPEED)), sims


def burst(gateway: Gateway, count: int, **parameters: Any) -> list[str]:
    """Requests whose PIN lives for 60 s, one every 2.5 s of the gateway's clock."""
    ids = []
    start = time.monotonic()
    for place in range(count):
        time.sleep(max(start + place * EVERY_S - time.monotonic(), 0))
        ids.append(gateway.verify(f"44770090{place:04}", pin_expiry=60, next_event_wait=60, **parameters))
    return ids


def states(gateway: Gateway, ids: list[str]) -> list[str]:
    """Of the first event of each, once none is under way."""

    def settled() -> list[str]:
        found = [gateway.request(request_id)["attempts"][0]["state"] for request_id in ids]
        return [] if {"queued", "sending"} & set(found) else found

    return list(until(settled, "all are settled"))


def history(gateway: Gateway, request_id: str, kind: str) -> list[dict[str, Any]]:
    """A request's, once it has a line of this kind."""
    gateway.wait_for(request_id, kind)
    return list(gateway.request(request_id)["history"])


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def pinwheel(gateway: Gateway, *arguments: str) -> str:
    return CliRunner().invoke(main, ["--socket", str(gateway.socket), *arguments]).output


def test_what_is_sent_in_an_overload_arrives_alive_and_the_rest_is_dropped_for_it(tmp_path: Path) -> None:
    """A third used to reach the network after their PINs had died, and to count as delivered."""
    with running(tmp_path, "[sms]\nleast_life = 20\n") as (gateway, (modem,)):  # a second, so that no load matters
        ids = burst(gateway, 40, workflow_id=6)
        found = states(gateway, ids)
        requests = [gateway.request(request_id) for request_id in ids]
        dead = [r for r in requests if "after the PIN's death" in r["attempts"][0]["detail"]]
        dropped = [r["attempts"][0]["detail"] for r in requests if r["attempts"][0]["state"] == "dropped"]
        assert (dead, len(modem.accepted)) == ([], 40 - len(dropped))
        assert len(modem.accepted) >= 10, found  # the modem has time for more than 20, a busy machine has not
        assert set(dropped) == {"its PIN would have arrived too late: the modems are overloaded"}
        told = f"overloaded: {len(dropped)} dropped, 2 modems would do"
        assert gateway.client.get("/v1/status")["overload"] == told
        assert f"0 waiting, {told}\n" in pinwheel(gateway, "status")
    assert gateway.log().count("overloaded: 1 dropped") == 1


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


def test_modems_enough_drop_nothing(tmp_path: Path) -> None:
    with running(tmp_path, modems=3) as (gateway, modems):
        ids = burst(gateway, 20, workflow_id=6)
        assert "dropped" not in states(gateway, ids)
        assert sum(len(modem.accepted) for modem in modems) == 20
        assert gateway.client.get("/v1/status")["overload"] == ""
        assert "waiting\n" in pinwheel(gateway, "status")


def test_after_an_outage_what_is_stale_is_skipped_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as (gateway, (modem,)):
        gateway.wait_for(gateway.verify("447700900123", workflow_id=6), "sent")
        modem.unplug()
        until(lambda: gateway.client.get("/v1/modems")["modems"][0]["state"] == "absent", "it is absent")
        stale = burst(gateway, 8, workflow_id=6)
        fresh = [gateway.verify(f"4477009002{place:02}", workflow_id=6, pin_expiry=900) for place in range(3)]
        for request_id in stale:
            gateway.wait_for(request_id, "expired")
        modem.replug()
        assert states(gateway, stale + fresh)[:8] == ["dropped"] * 8
        assert [number for number, _ in modem.accepted[1:]] == [f"4477009002{place:02}" for place in range(3)]
        detail = gateway.request(stale[0])["attempts"][0]["detail"]
        assert detail == "its PIN would have arrived too late: no modem was ready"
        assert gateway.client.get("/v1/status")["overload"] == ""


def test_a_pin_that_is_almost_dead_when_its_event_runs_is_no_sign_of_an_overload(tmp_path: Path) -> None:
    with running(tmp_path, SECOND_AT_56_S) as (gateway, _):
        request_id = gateway.verify("447700900123", workflow_id=100, pin_expiry=60)
        gateway.wait_for(request_id, "dropped", step=1)
        detail = gateway.request(request_id)["attempts"][1]["detail"]
        assert detail in [f"its PIN would have arrived too late: it had only {left} s left" for left in range(1, 6)]
        assert gateway.client.get("/v1/status")["overload"] == ""


def test_a_message_that_the_network_does_not_take_is_tried_for_as_long_as_its_pin_lives(tmp_path: Path) -> None:
    """There used to be an end after six times, at 130 s of the 300 s that a PIN lives."""
    with running(tmp_path) as (gateway, (modem,)):
        modem.refuse(38, times=1000)
        request_id = gateway.verify("447700900123", workflow_id=6, pin_expiry=60)
        tried_at = [seconds(line["at"]) for line in history(gateway, request_id, "failed") if line["kind"] == "sending"]
        (attempt,) = gateway.request(request_id)["attempts"]
        why = "CMS 38: network out of order"
        assert attempt["detail"] == f"dropped, the network refused it for now {len(tried_at)} times: {why}"
        assert 40 <= seconds(attempt["settled"]) - seconds(attempt["queued"]) <= 60
        assert gateway.client.get("/v1/status")["overload"] == ""
        assert modem.accepted == []


def test_a_dropped_message_starts_the_call_early_where_the_operator_wants_that(tmp_path: Path) -> None:
    """With another PIN: the one that nobody has would die while the phone rings."""
    with SimulatedPhone() as phone:
        more = '[sms]\non_dropped = "next"\n' + voice_section(phone.address)
        with running(tmp_path, more) as (gateway, (modem,)):
            modem.unplug()
            until(lambda: gateway.client.get("/v1/modems")["modems"][0]["state"] == "absent", "it is absent")
            request_id = gateway.verify("447700900123", workflow_id=1, pin_expiry=60)
            gateway.wait_for(request_id, "event", step=1)
            lines = gateway.request(request_id)["history"]
            told = [(line["kind"], line["detail"]) for line in lines if line["kind"] in ("event", "dropped")]
            assert told[:3] == [
                ("event", "sms A"),
                ("dropped", "its PIN would have arrived too late: no modem was ready"),
                ("event", "tts B"),
            ]
