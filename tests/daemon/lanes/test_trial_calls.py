"""`pinwheel call test`: the operator's own call, on a real trunk and telephone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.cli.context import SCREEN
from daemon.client.connection import HttpProblem
from daemon.prompts.library import PromptLibrary, shipped_prompts
from drivers.simulated.listening import clips_in, spoken_pins
from drivers.simulated.phone import SimulatedPhone
from tests.gateway import UNLIMITED, Gateway, until, voice_section

ROUTE = "/v1/voice/test"
DENIED = UNLIMITED + 'deny_prefixes = ["4490"]\n'


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heard")


@pytest.fixture(scope="module")
def phone(heard: Path) -> Iterator[SimulatedPhone]:
    with SimulatedPhone(recordings=heard, ring_s=0.1) as phone:
        yield phone


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, phone: SimulatedPhone) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), DENIED + voice_section(phone.address)) as gateway:
        gateway.ready()
        yield gateway


def call_test(gateway: Gateway, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--socket", str(gateway.socket), "call", "test", *arguments])


def test_the_digits_are_heard_and_each_phase_is_shown(gateway: Gateway, heard: Path) -> None:
    done = call_test(gateway, "+447700900123", "--say", "7", "--lang", "en-us")
    shown = [line.split(" s  ")[-1].strip() for line in done.output.splitlines()]
    assert shown[:4] == ["dialling", "ringing", "answered", "spoken twice: 7, in en-us"]
    assert shown[4] == "ended: answered"
    assert re.fullmatch(r"rang 0\.\d s, talked \d+\.\d s, PCMA, \d{3} packets sent", shown[5])
    assert shown[6:] == ["the callee was heard"]
    assert all(len(line) <= SCREEN for line in done.output.splitlines())
    assert done.exit_code == 0
    recording = until(lambda: next(heard.glob("*.wav"), None), "what was heard")
    clips = PromptLibrary.open([shipped_prompts()]).clips["en-us"]
    assert spoken_pins(clips_in(recording, clips)) == ["7", "7"]
    log = gateway.log()
    assert "447700900123" not in log
    assert gateway.client.get("/v1/requests")["requests"] == []


def test_a_call_that_does_not_say_it_exits_1_and_tells_why(gateway: Gateway) -> None:
    busy = call_test(gateway, "+447700900190")  # 90: busy
    assert ("ended: busy (486 Busy Here)" in busy.output, busy.exit_code) == (True, 1)
    hung_up = call_test(gateway, "+447700900195", "--json")  # 95: hangs up at once
    answer = json.loads(hung_up.output)
    assert (answer["outcome"], answer["spoken"], len(answer["digits"]), hung_up.exit_code) == ("answered", 0, 4, 1)
    assert [step["phase"] for step in answer["steps"]] == ["dialling", "ringing", "answered", "ended"]


def test_one_test_call_at_a_time_and_who_leaves_hangs_up(gateway: Gateway, phone: SimulatedPhone) -> None:
    steps = gateway.client.lines(ROUTE, timeout_s=20, number="+447700900191")  # 91: rings for ever
    assert [next(steps)["phase"], next(steps)["phase"]] == ["dialling", "ringing"]
    with pytest.raises(HttpProblem, match="a test call is under way") as refused:
        gateway.client.post(ROUTE, number="+447700900123")
    assert refused.value.status == 409
    steps.close()
    until(lambda: phone.calls[-1].status == 487, "it is cancelled")
    assert "ended: not found" in until(lambda: _free(gateway), "the next may begin")


def _free(gateway: Gateway) -> str:
    output = call_test(gateway, "+447700900193").output  # 93: does not exist
    return "" if "under way" in output else output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("+44901234567",), "deny list"),
        (("bogus",), "`number`: must be a phone number"),
        (("+447700900123", "--say", "12ab"), "`say`: must be 1 to 10 digits"),
        (("+447700900123", "--say", "1" * 11), "`say`: must be 1 to 10 digits"),
        (("+447700900123", "--lang", "xx"), "`lg`: is not one of the supported locales"),
    ],
)
def test_what_may_not_be_called_or_said_is_refused(
    gateway: Gateway, arguments: tuple[str, ...], complaint: str
) -> None:
    refused = call_test(gateway, *arguments)
    assert (complaint in refused.output, refused.exit_code) == (True, 1), refused.output


def test_where_no_trunk_is_configured_the_test_says_so(tmp_path: Path) -> None:
    with Gateway(tmp_path, UNLIMITED) as bare:
        refused = call_test(bare, "+447700900123")
    assert ("set driver in [voice]" in refused.output, refused.exit_code) == (True, 1), refused.output
