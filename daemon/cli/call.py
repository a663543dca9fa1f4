"""`pinwheel call`: try the trunk by a call to oneself."""

from typing import Any

import click

from daemon.cli.commands import SAID_NO
from daemon.cli.context import Context, json_flag, pass_context, tell

SILENCE_S = 600.0  # between two phases: as long as a call may be
TIMES = {0: "not spoken to the end", 1: "spoken once", 2: "spoken twice"}
ONE_WAY = (
    "one-way: nothing was heard from the callee, so ours may not have arrived either;",
    "behind a NAT set external_address, and open rtp_ports in the firewall",
)


@click.group()
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

    It is made as all calls are ([voice] confirm, machine, ring_seconds), and waits while PINs wait for the trunk.
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
            tell(_at(step, step["phase"]))
    context.show({**end, "steps": steps}, lambda: _told(end))
    if not end.get("spoken"):
        click.get_current_context().exit(SAID_NO)


def _at(step: dict[str, Any], what: str) -> str:
    return f"{step['at_s']:6.1f} s  {what}"


def _told(end: dict[str, Any]) -> None:
    """How the call ended, and what was heard."""
    if not end:
        tell("the daemon stopped before the call ended")
        return
    answered = end["outcome"] == "answered"
    if answered:
        tell(_at(end, f"{TIMES[end['spoken']]}: {' '.join(end['digits'])}, in {end['locale']}"))
    code = f" ({end['sip_code']} {end['reason']})" if end["sip_code"] and not answered else ""
    cause = f", Q.850 cause {end['cause']}" if end["cause"] is not None else ""
    tell(_at(end, f"ended: {end['outcome']}{code}{cause}, rang {end['rang_s']} s, talked {end['talked_s']} s"))
    if end["codec"]:
        tell(f"          {end['codec']}, {end['packets_sent']} packets sent" + _heard(end))
    if end["one_way"]:
        tell(*(f"          {line}" for line in ONE_WAY))
    if end["machine"]:
        tell("          it sounded like an answering machine, so nothing was said")


def _heard(end: dict[str, Any]) -> str:
    """What came from the callee."""
    keys = f", keys {end['keys']}" if end["keys"] else ""
    return ("" if end["one_way"] else ", the callee was heard") + keys
