"""`pinwheel call`: try the trunk by a call to oneself."""

import textwrap
from collections.abc import Iterator
from typing import Any

import click

from daemon.cli.command_list import Listing
from daemon.cli.commands import SAID_NO
from daemon.cli.context import SCREEN, Context, json_flag, pass_context, tell

SILENCE_S = 600.0  # between two phases: as long as a call may be
TIMES = {0: "not spoken to the end", 1: "spoken once", 2: "spoken twice"}
ONE_WAY = (
    "one-way: nothing was heard of the callee, who may have heard nothing:",
    "behind a NAT set external_address; open rtp_ports in the firewall",
)
INDENT = 10  # behind the time


@click.group(cls=Listing)
def call() -> None:
    """Calls that belong to no request.

    \b
    pinwheel call test +447700900123   does the trunk call, and is it heard?
    """


@call.command()
@click.argument("number")
@click.option("--say", help="1 to 10 digits that the call says; default: four of chance.")
@click.option("--lang", help="Language, such as en-gb; default: that of the number's country.")
@json_flag
@pass_context
def test(context: Context, number: str, say: str | None, lang: str | None) -> None:
    """Call NUMBER, say digits instead of a PIN, and show how the call goes; exits 1 unless they were said to the end.

    It is made as all calls are ([voice] confirm, machine, ring_seconds), one at a time, and not while calls with PINs
    wait for the trunk.
    """
    given = {"number": number, "say": say, "lg": lang}
    form = {name: value for name, value in given.items() if value is not None}
    end: dict[str, Any] = {}
    steps = []
    for step in context.client.lines("/v1/voice/test", timeout_s=SILENCE_S, **form):
        steps.append({"phase": step["phase"], "at_s": step["at_s"]})
        if step["phase"] == "ended":
            end = step
        elif not context.as_json:
            tell(*_at(step, step["phase"]))
    context.show({**end, "steps": steps}, lambda: _show(end))
    if not end.get("spoken"):
        click.get_current_context().exit(SAID_NO)


def _at(step: dict[str, Any], what: str) -> list[str]:
    """A line with its time, and the lines that it takes beyond the width of the screen."""
    first, *rest = textwrap.wrap(what, SCREEN - INDENT)
    return [f"{step['at_s']:6.1f} s  {first}", *(" " * INDENT + line for line in rest)]


def _show(end: dict[str, Any]) -> None:
    """How the call ended, and what was heard."""
    if not end:
        tell("the daemon stopped before the call ended")
        return
    answered = end["outcome"] == "answered"
    if answered:
        tell(*_at(end, f"{TIMES[end['spoken']]}: {' '.join(end['digits'])}, in {end['locale']}"))
    code = f" ({end['sip_code']} {end['reason']})" if end["sip_code"] and not answered else ""
    cause = f", Q.850 cause {end['cause']}" if end["cause"] is not None else ""
    tell(*_at(end, f"ended: {end['outcome']}{code}{cause}"))
    tell(*(" " * INDENT + line for line in _remarks(end)))


def _remarks(end: dict[str, Any]) -> Iterator[str]:
    audio = f", {end['codec']}, {end['packets_sent']} packets sent" if end["codec"] else ""
    yield f"rang {end['rang_s']} s, talked {end['talked_s']} s{audio}"
    if end["keys"]:
        yield f"the callee pressed {end['keys']}"
    if end["machine"]:
        yield "it sounded like an answering machine, so nothing was said"
    if end["one_way"]:
        yield from ONE_WAY
    elif end["codec"]:
        yield "the callee was heard"
