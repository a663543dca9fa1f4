"""Several modems behind one daemon, and what an operator sees of them and does to them."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import serial
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.cli.context import SCREEN
from daemon.client.connection import HttpProblem
from daemon.config import Modem
from daemon.core.quota import Limits, Quota
from daemon.lanes.sms import ModemSlot
from drivers import Deferred, DriverError, Unavailable, Uncertain
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.simulated.dialect import STANDARD, Dialect
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, until

SETTINGS = '[security]\ndeny_prefixes = ["4490"]\n'
LONG_ORIGIN = '[sms]\norigin = "a-host-name-of-some-length.example.com"\n'
NUMBER = "447700900100"


class Pool:
    """A daemon with modems sim1, sim2, ...; more: TOML for each modem."""

    def __init__(self, directory: Path, *more: str, network_s: float = 0.05, dialect: Dialect = STANDARD) -> None:
        self.modems = [
            SimulatedModem(directory / f"port{i}", network_s=network_s, report_s=0.05, dialect=dialect)
            for i in range(len(more))
        ]
        self._stack = ExitStack()
        for modem in self.modems:
            self._stack.enter_context(modem)
        sections = [
            modem_section(m.port, f"sim{i}", m_) for i, (m, m_) in enumerate(zip(self.modems, more, strict=True), 1)
        ]
        self.gateway = self._stack.enter_context(Gateway(directory, "".join(sections) + SETTINGS))
        self._test = 1

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def number(self, ending: str) -> str:
        """Each test on a daemon that others use, too, has numbers of its own."""
        return f"44770090{self._test:02}{ending}"

    def verify(self, *endings: str) -> list[str]:
        """Start a request for each ending of a number; their ids."""
        return [self.gateway.verify(self.number(ending), workflow_id=6) for ending in endings]

    def next_test(self) -> None:
        """What the test before has left is forgotten."""
        self._test += 1
        self.gateway.ready()
        for modem in self.modems:
            for kept in (modem.accepted, modem.submits, modem.commands, modem.moments):
                kept.clear()

    def sent(self, modem: int) -> list[str]:
        """The endings of the numbers that a modem has sent to."""
        return [number[-2:] for number, _ in self.modems[modem].accepted]

    def state(self, request_id: str) -> str:
        return str(self.gateway.request(request_id)["attempts"][0]["state"])

    def wait_sent(self, count: int) -> None:
        until(lambda: sum(len(modem.accepted) for modem in self.modems) >= count, f"{count} messages")

    def pinwheel(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--socket", str(self.gateway.socket), "modems", *arguments])

    def seen(self, name: str) -> dict[str, Any]:
        modems: list[dict[str, Any]] = self.gateway.client.get("/v1/modems")["modems"]
        return next(modem for modem in modems if modem["name"] == name)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Pool]:
    with Pool(tmp_path, "") as pool:
        yield pool


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("lasting"), "") as pool:
        yield pool


@pytest.fixture
def shared(lasting: Pool) -> Pool:
    """As `one`, and quicker: for tests that neither count what the SIM has sent nor leave the modem resting."""
    lasting.next_test()
    return lasting


# --- the pool --------------------------------------------------------------------------------------------------


def test_messages_are_spread_over_the_modems(tmp_path: Path) -> None:
    with Pool(tmp_path, "", "", network_s=0.3) as pool:
        pool.verify("00", "01", "02", "03")
        pool.wait_sent(4)
        assert (len(pool.sent(0)), len(pool.sent(1))) == (2, 2)


def test_a_message_goes_to_the_modem_that_has_been_idle_longest(tmp_path: Path) -> None:
    with Pool(tmp_path, "", "") as pool:
        for count, ending in enumerate(("00", "01", "02", "03", "04"), 1):
            pool.verify(ending)
            pool.wait_sent(count)
            until(lambda: not (pool.seen("sim1")["busy"] or pool.seen("sim2")["busy"]), "both are idle")
        sent = [pool.sent(0), pool.sent(1)]
    assert sorted(sent) == [["00", "02", "04"], ["01", "03"]]


def test_a_message_moves_on_if_its_modem_fails_before_the_wire(tmp_path: Path) -> None:
    with Pool(tmp_path, "", "") as pool:
        pool.modems[0].refuse(515, times=10)
        pool.modems[0].register(1)
        pool.verify("00", "01", "02")
        pool.wait_sent(3)
        assert (len(pool.sent(0)), len(pool.sent(1))) == (0, 3)
        assert "515" in pool.seen("sim1")["last_error"]


def deliver(pool: Pool, ending: str) -> None:
    (request,) = pool.verify(ending)
    until(lambda: pool.state(request) == "delivered", "it is delivered")


@pytest.mark.parametrize(("code", "tries"), [(300, 1), (332, 1), (500, 3)], ids=["its own", "uncertain", "deferred"])
def test_a_modem_that_failed_gets_no_message_while_another_is_free(tmp_path: Path, code: int, tries: int) -> None:
    endings = [f"{i:02}" for i in range(tries + 3)]
    with Pool(tmp_path, "", "") as pool:
        pool.modems[0].refuse(code, times=tries)
        for ending in endings:
            deliver(pool, ending)
        assert (pool.sent(0), pool.modems[0].commands["+CMGS"]) == ([], tries)
        assert pool.sent(1) == endings


def test_a_modem_that_ends_each_message_at_once_as_uncertain_rests(one: Pool) -> None:
    one.modems[0].refuse(332, times=2)
    one.verify("00", "01", "02")
    one.wait_sent(2)
    commands = [at for what, at in one.modems[0].moments if what == "AT+CMGS"]
    assert [commands[i + 1] - commands[i] >= rest_s - 0.1 for i, rest_s in enumerate((0.5, 1.0))] == [True, True]


@pytest.mark.parametrize(
    ("failure", "rests_s"),
    [
        (Unavailable("CME 14"), [0.5, 1, 2, 2, 2]),
        (Deferred("CMS 38"), [0.5, 1, 2, 4, 4]),
        (Uncertain("CMS 332"), [0.5, 1, 2, 5, 10, 10]),
    ],
)
def test_a_rest_does_not_outlast_its_cause_by_much(failure: DriverError, rests_s: list[float]) -> None:
    """There used to be rests of half a minute, however long ago the SIM, the modem or the network had recovered."""
    slot = ModemSlot(Driver("sim1", Options(port="/dev/null")), Modem(name="sim1"), Quota(Limits()))
    for rest_s in rests_s:
        slot.fails(failure, 1000.0)
        assert slot.resting.until == 1000.0 + rest_s


def test_a_message_waits_for_no_modem_that_is_away(tmp_path: Path) -> None:
    with Pool(tmp_path, "", "") as pool:
        pool.modems[0].unplug()
        until(lambda: pool.seen("sim1")["state"] == "absent", "sim1 is absent")
        pool.verify("00", "01")
        pool.wait_sent(2)
        assert len(pool.sent(1)) == 2


def test_one_bad_recipient_does_not_hold_up_the_others(shared: Pool) -> None:
    bad, good = shared.verify("81", "00")
    shared.wait_sent(2)
    assert shared.sent(0) == ["00", "81"]
    assert until(lambda: shared.state(bad) == "delivered" and shared.state(good) == "delivered", "both arrive")


def test_the_same_refusal_of_several_recipients_lets_the_modem_rest_and_then_go_on(one: Pool) -> None:
    one.modems[0].refuse(500, times=3)
    one.verify("00", "01", "02", "03")
    one.wait_sent(4)
    commands = [at for what, at in one.modems[0].moments if what == "AT+CMGS"]
    assert commands[3] - commands[2] >= 0.4


def test_a_delivery_report_settles_a_message_whose_answer_was_lost(one: Pool) -> None:
    (request,) = one.verify("82")
    until(lambda: one.state(request) == "delivered", "the report has come", 10)
    assert one.sent(0) == ["82"]


def test_a_sim_that_is_barred_does_not_swallow_the_messages_of_the_others(tmp_path: Path) -> None:
    with Pool(tmp_path, "", "") as pool:
        pool.modems[0].refuse(8, times=100)
        requests = pool.verify("00", "01")
        until(lambda: {pool.state(request) for request in requests} == {"delivered"}, "all arrive", 20)
        assert len(pool.sent(1)) == 2


def test_a_code_can_be_bound_to_a_web_site(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        toml = modem_section(modem.port) + '[sms]\nflash = true\norigin = "example.com"\n'
        with Gateway(tmp_path, toml) as gateway:
            gateway.verify(NUMBER, workflow_id=6)
            until(lambda: modem.accepted, "the message")
    (number, text) = modem.accepted[0]
    assert number == NUMBER
    assert text.splitlines()[-1] == f"@example.com #{pin_in(text)}"


@pytest.mark.parametrize(("pin_expiry", "octet"), [(60, 0), (300, 0), (600, 1), (3600, 11)])
def test_the_network_keeps_a_message_as_long_as_its_pin_lives(shared: Pool, pin_expiry: int, octet: int) -> None:
    """The moment that passes before a message goes out used to cost it a step of five minutes."""
    shared.gateway.verify(shared.number("00"), workflow_id=6, pin_expiry=pin_expiry, next_event_wait=60)
    shared.wait_sent(1)
    assert shared.modems[0].submits[0].validity == bytes([octet])


def test_a_text_that_costs_more_than_one_message_is_warned_of_once(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        toml = modem_section(modem.port) + LONG_ORIGIN
        with Gateway(tmp_path, toml) as gateway:
            for ending in ("00", "01"):
                gateway.client.verify("", number=f"4477009001{ending}", brand="Ж" * 18, workflow_id=6)
            until(lambda: len(modem.accepted) == 2, "both messages")
            until(lambda: "kind=delivered" in gateway.log(), "their reports")
    assert gateway.log().count("parts=2: each PIN costs so many SMS") == 1


# --- quotas ------------------------------------------------------------------------------------------------------


def test_a_modem_that_has_sent_its_quota_leaves_the_rest_to_the_others(tmp_path: Path) -> None:
    with Pool(tmp_path, "hourly_limit = 1", "") as pool:
        pool.verify("00", "01", "02", "03")
        pool.wait_sent(4)
        assert (len(pool.sent(0)), len(pool.sent(1))) == (1, 3)


def test_a_quota_outlives_the_daemon(tmp_path: Path) -> None:
    with Pool(tmp_path, "daily_limit = 1") as pool:
        (first,) = pool.verify("00")
        until(lambda: pool.state(first) == "delivered", "the first message")
        pool.gateway.stop()
        pool.gateway.start()
        pool.gateway.ready()
        (second,) = pool.verify("01")
        assert pool.seen("sim1")["sent"]["day"] == 1
        assert pool.seen("sim1")["queue"] == 1
        assert pool.state(second) == "queued"
        assert "1/1" in pool.pinwheel().output


def test_a_message_of_two_parts_counts_twice_also_after_a_restart(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "modem", network_s=0.05) as modem:
        toml = modem_section(modem.port, more="daily_limit = 2") + LONG_ORIGIN
        with Gateway(tmp_path, toml) as gateway:
            request = gateway.client.verify("", number=NUMBER, brand="Ж" * 18, workflow_id=6)["request_id"]
            until(lambda: gateway.request(request)["attempts"][0]["state"] == "delivered", "it is delivered")
            for _ in range(2):
                assert gateway.client.get("/v1/modems")["modems"][0]["sent"]["day"] == 2
                gateway.stop()
                gateway.start()
                gateway.ready()
            waiting = gateway.verify("447700900199", workflow_id=6)
            assert gateway.request(waiting)["attempts"][0]["state"] == "queued"


def test_a_known_recipient_is_served_when_no_new_one_is(tmp_path: Path) -> None:
    with Pool(tmp_path, "monthly_recipients = 1") as pool:
        (first,) = pool.verify("00")
        until(lambda: pool.state(first) == "delivered", "the first message")
        (new,) = pool.verify("01")
        code = pool.modems[0].accepted[0][1].partition("code: ")[2][:4]
        assert pool.gateway.client.verify("check", request_id=first, code=code)["status"] == "0"
        pool.verify("00")
        pool.wait_sent(2)
        assert (pool.sent(0), pool.state(new)) == (["00", "00"], "queued")


def test_a_limit_that_is_reached_is_told_once_and_shown(tmp_path: Path) -> None:
    with Pool(tmp_path, "hourly_limit = 1") as pool:
        pool.verify("00")
        pool.wait_sent(1)
        pool.verify("01", "02")
        until(lambda: "the hourly limit is reached" in pool.gateway.log(), "the log says so")
        pool.verify("03")
        assert "the hourly limit is reached: its messages wait" in " ".join(pool.pinwheel().output.split())
        refused = pool.pinwheel("test", "sim1", "--to", f"+{NUMBER}")
        assert "sim1: the hourly limit is reached" in refused.output
        assert pool.gateway.log().count("the hourly limit is reached") == 1


def test_a_message_that_a_limit_outlives_is_given_up(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "modem", network_s=0.02) as modem:
        toml = modem_section(modem.port, more="monthly_recipients = 1") + SETTINGS
        with Gateway(tmp_path, toml, speed=60) as gateway:
            gateway.verify("447700900100", workflow_id=6)
            until(lambda: modem.accepted, "the first message")
            late = gateway.verify("447700900101", workflow_id=6, pin_expiry=60)
            gateway.wait_for(late, "expired")
            until(lambda: gateway.client.get("/v1/modems")["modems"][0]["queue"] == 0, "nothing waits")
            assert gateway.request(late)["attempts"][0]["state"] in ("dropped", "failed")
    assert len(modem.accepted) == 1


def test_test_messages_count_while_they_are_under_way_and_after_a_restart(tmp_path: Path) -> None:
    with Pool(tmp_path, "daily_limit = 2", network_s=0.5) as pool, ThreadPoolExecutor() as threads:

        def test(ending: int) -> str:
            try:
                pool.gateway.client.post("/v1/modems/sim1/test", timeout_s=30, to=f"+4477009001{ending}", wait=0)
            except HttpProblem as problem:
                return str(problem)
            return "sent"

        assert sorted(threads.map(test, range(11, 15))) == ["sent"] * 2 + ["sim1: the daily limit is reached"] * 2
        pool.gateway.stop()
        pool.gateway.start()
        pool.gateway.ready()
        assert pool.seen("sim1")["sent"]["day"] == 2


@pytest.mark.parametrize("ending", ["80", "81"])
def test_what_was_not_sent_is_not_counted_either(tmp_path: Path, ending: str) -> None:
    with Pool(tmp_path, "daily_limit = 9") as pool:
        pool.modems[0].refuse(515, number=f"4477009001{ending}")
        (refused,) = pool.verify(ending)
        until(lambda: pool.state(refused) in ("refused", "delivered"), "it is settled")
        assert pool.pinwheel("test", "sim1", "--to", "+447700900180").exit_code == 1
        counted = pool.seen("sim1")["sent"]["day"]
        assert counted == len(pool.sent(0))
        pool.gateway.stop()
        pool.gateway.start()
        pool.gateway.ready()
        assert pool.seen("sim1")["sent"]["day"] == counted


# --- what operators do -------------------------------------------------------------------------------------------


def test_a_paused_modem_sends_nothing_until_it_is_resumed(one: Pool) -> None:
    assert one.pinwheel("pause", "sim1").output == "sim1 is paused\n"
    (request,) = one.verify("00")
    one.gateway.stop()
    one.gateway.start()  # an operator's decision outlives a restart
    until(lambda: one.seen("sim1")["device"] == "ready", "the modem is ready")
    assert (one.seen("sim1")["state"], one.state(request)) == ("paused", "queued")
    assert one.pinwheel("resume", "sim1").exit_code == 0
    until(lambda: one.state(request) == "delivered", "it is sent")


def test_a_drained_modem_lets_go_of_its_port(shared: Pool) -> None:
    assert shared.pinwheel("drain", "sim1").output == "sim1 has closed its port\n"
    with serial.Serial(shared.modems[0].port, exclusive=True):
        assert shared.seen("sim1")["state"] == "drained"
    for command in (("at", "sim1", "AT"), ("test", "sim1", "--to", f"+{NUMBER}")):
        assert "it is drained: pinwheel modems resume sim1" in shared.pinwheel(*command).output
    (request,) = shared.verify("00")
    shared.pinwheel("resume", "sim1")
    until(lambda: shared.state(request) == "delivered", "it is sent")


def test_a_modem_that_is_resumed_while_it_drains_is_used_again(tmp_path: Path) -> None:
    with Pool(tmp_path, "") as pool, ThreadPoolExecutor() as threads:
        pool.modems[0].stall(True)
        pool.verify("00")
        until(lambda: pool.seen("sim1")["busy"], "it is on the wire")
        drained = threads.submit(pool.gateway.client.post, "/v1/modems/sim1/drain", timeout_s=30)
        until(lambda: pool.seen("sim1")["state"] == "drained", "it drains")
        resumed = threads.submit(pool.gateway.client.post, "/v1/modems/sim1/resume", timeout_s=30)
        pool.modems[0].stall(False)
        assert [order.result(30)["state"] for order in (drained, resumed)] == ["drained", "working"]
        (second,) = pool.verify("01")
        until(lambda: pool.state(second) == "delivered", "it is sent")
        assert pool.sent(0) == ["00", "01"]


def test_a_test_message_tells_what_came_of_it(shared: Pool) -> None:
    told = shared.pinwheel("test", "sim1", "--to", f"+{NUMBER}")
    assert "the network accepted it after" in told.output, told.output
    assert "delivered after" in told.output
    assert shared.modems[0].accepted == [(NUMBER, "Pinwheel: a test of the modem sim1.")]
    unheard = shared.pinwheel("test", "sim1", "--to", "+447700900186", "--wait", "0")
    assert "no delivery report" in unheard.output


def test_all_modems_are_tested_at_once_and_a_table_tells_which_of_them_send(tmp_path: Path) -> None:
    with Pool(tmp_path, "", "") as pool:
        pool.modems[1].refuse(1)
        done = pool.pinwheel("test", "--all", "--to", f"+{NUMBER}")
        lines = done.output.splitlines()
        assert (lines[0].split(), done.exit_code) == (["NAME", "NETWORK", "REPORT"], 1)
        assert lines[1].startswith("sim1  accepted after")
        assert "  delivered after" in lines[1]
        assert lines[2].startswith("sim2  ")
        assert "CMS 1" in lines[2]
        assert all(len(line) <= SCREEN for line in lines)
        assert pool.pinwheel("test", "--to", f"+{NUMBER}").exit_code == 2
        assert pool.pinwheel("test", "sim1", "--all", "--to", f"+{NUMBER}").exit_code == 2


@pytest.mark.parametrize(
    ("ending", "told", "exit_code"), [("84", "delivered after", 0), ("85", "failed after", 1)], ids=["off", "never"]
)
def test_a_test_message_waits_for_the_last_report(shared: Pool, ending: str, told: str, exit_code: int) -> None:
    result = shared.pinwheel("test", "sim1", "--to", f"+4477009001{ending}")
    assert (told in result.output, result.exit_code) == (True, exit_code), result.output


def test_a_drained_modem_finishes_a_test_message(tmp_path: Path) -> None:
    with Pool(tmp_path, "") as pool, ThreadPoolExecutor() as threads:
        pool.modems[0].stall(True)
        path = "/v1/modems/sim1/test"
        test = threads.submit(pool.gateway.client.post, path, timeout_s=30, to=f"+{NUMBER}", wait=0)
        until(lambda: pool.seen("sim1")["sent"]["day"], "it has begun")
        drained = threads.submit(pool.pinwheel, "drain", "sim1")
        until(lambda: pool.seen("sim1")["state"] == "drained", "it drains")
        pool.modems[0].stall(False)
        assert test.result(10)["parts"] == 1
        assert drained.result(10).exit_code == 0


@pytest.mark.parametrize(("wait", "told"), [("30", "delivered after"), ("0", "no delivery report")])
def test_the_report_of_a_test_is_not_taken_for_a_requests(tmp_path: Path, wait: str, told: str) -> None:
    with Pool(tmp_path, 'on_uncertain = "never"', network_s=5.0) as pool:
        (request,) = pool.verify("00")
        until(lambda: pool.modems[0].sending, "the network has it")
        pool.modems[0].unplug()
        until(lambda: pool.state(request) == "uncertain", "its answer is lost")
        pool.modems[0].network_s = 0.05
        pool.modems[0].replug()
        until(lambda: pool.seen("sim1")["device"] == "ready", "the modem is back")
        assert told in pool.pinwheel("test", "sim1", "--to", f"+{NUMBER}", "--wait", wait).output
        (later,) = pool.verify("01")
        until(lambda: pool.state(later) == "delivered", "a later report")
        assert pool.state(request) == "uncertain"


def test_a_test_message_goes_to_a_short_code_too(shared: Pool) -> None:
    assert shared.pinwheel("test", "sim1", "--to", "72200").exit_code == 0
    assert [number for number, _ in shared.modems[0].accepted] == ["72200"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("test", "sim1", "--to", "+44901234567"), "deny list"),
        (("test", "sim1", "--to", "bogus"), "`to`: must be a phone number"),
        (("at", "sim1", "AT+CLAC"), "CME 4"),
        (("test", "sim9", "--to", "+447700900100"), "there is no modem 'sim9'; there are: sim1"),
        (("test", "sim1", "--to", "+447700900180"), "sim1: CMS 1: unassigned number"),
        (("at", "sim1", "AT+CMGD=1"), "only commands that change nothing"),
        (("test", "sim1", "--to", "+447700900100", "--wait", "601"), "0 to 600"),
        (("pause", "sim9"), "there is no modem 'sim9'"),
        (("show", "sim9"), "there is no modem 'sim9'"),
    ],
)
def test_what_cannot_be_done_says_why(shared: Pool, arguments: tuple[str, ...], complaint: str) -> None:
    told = shared.pinwheel(*arguments)
    assert (told.exit_code, complaint in told.output) == (1, True), told.output


def test_the_last_error_is_in_the_table_with_what_to_do(shared: Pool) -> None:
    shared.modems[0].refuse(330)
    assert shared.pinwheel("test", "sim1", "--to", f"+{NUMBER}").exit_code == 1
    table = " ".join(shared.pinwheel().output.split())
    assert "CMS 330: SMSC address unknown; set the service centre" in table
    assert re.search(r"over: \d\d-\d\d \d\d:\d\dZ CMS 330", table)  # the modem itself is well


def test_a_modem_is_asked_and_shown(one: Pool) -> None:
    assert one.pinwheel("at", "sim1", "AT+CSQ").output == "+CSQ: 21,0\nOK\n"
    shown = one.pinwheel("show", "sim1").output
    assert "234150999999999" in shown
    assert "356938035643809" in shown
    table = one.pinwheel().output.splitlines()
    assert table[0].split() == ["NAME", "STATE", "OPERATOR", "SIGNAL", "QUEUE", "TODAY", "LAST", "ERROR"]
    assert table[1].split() == ["sim1", "ready", "Simulated", "▂▄▆█", "0", "0"]


def test_what_a_modem_does_not_do_is_shown(tmp_path: Path) -> None:
    with Pool(tmp_path, "", dialect=Dialect(unknown=frozenset({"+CNMI"}))) as pool:
        until(lambda: pool.seen("sim1")["remarks"], "it is noticed")
        assert "accepts no form of AT+CNMI" in pool.pinwheel("show", "sim1").output


def test_an_incoming_message_becomes_an_event_before_the_sim_forgets_it(shared: Pool) -> None:
    shared.modems[0].receive("447700900999", "STOP")
    until(lambda: shared.modems[0].commands["+CMGD"], "it is deleted")
    told = CliRunner().invoke(main, ["--socket", str(shared.gateway.socket), "events", "--last", "10"]).output
    assert "incoming SMS: sim1 from 447700900999: STOP" in told
    assert "STOP" not in shared.gateway.log()
