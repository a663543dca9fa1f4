"""The commands that speak to a running daemon."""

import io
import sys
from pathlib import Path
from typing import Any

import click

from daemon.cli.commands import SAID_NO, Commands
from daemon.cli.context import Context, json_flag, pass_context, table, tell
from daemon.client.connection import HttpProblem, Unreachable
from daemon.operations.wording import words
from daemon.resources import DEFAULT_SOCKET
from daemon.version import VERSION

RELOAD_S = 60.0  # many prompts on a slow disk
FINAL = {"success", "failed", "expired", "cancelled"}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    type=click.Path(path_type=Path, readable=False),  # whether it may be used shows when it is used
    envvar="PINWHEEL_SOCKET",
    default=DEFAULT_SOCKET,
    show_default=True,
    help="The daemon's socket (also: PINWHEEL_SOCKET).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.version_option(VERSION)
@click.pass_context
def main(ctx: click.Context, socket: Path, as_json: bool) -> None:
    """Verify phone numbers through the Pinwheel daemon on this machine.

    \b
    pinwheel start +447700900123 --brand Acme   sends a PIN, prints an id
    pinwheel check ID CODE                      is this the PIN?
    pinwheel demo                               everything on simulated devices

    Exit codes: 0 done, 1 the gateway said no, 2 wrong usage, 3 the daemon cannot be reached.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character is no reason to fail
    ctx.obj = Context(socket, as_json)


@main.command()
@click.argument("number")
@click.option("--brand", required=True, help="Your brand, 1-18 characters: the SMS and the call name it.")
@click.option("--workflow", type=int, help="1-7, or the id of a [[workflow]]; default 1: SMS, call, call.")
@click.option("--lang", help="Language, such as en-gb; default: that of the number's country.")
@click.option("--country", help="For a national number: its country, such as GB.")
@click.option("--code-length", type=int, help="4 or 6 digits; default 4.")
@click.option("--pin-expiry", type=int, help="How long a PIN is valid, 60-3600 seconds; default 300.")
@click.option("--next-event-wait", type=int, help="Seconds between events, 60-900; default by workflow.")
@click.option("--wait", is_flag=True, help="Stay and print what happens until the request ends; for operators.")
@json_flag
@pass_context
def start(
    context: Context,
    number: str,
    brand: str,
    workflow: int | None,
    lang: str | None,
    country: str | None,
    code_length: int | None,
    pin_expiry: int | None,
    next_event_wait: int | None,
    wait: bool,
) -> None:
    """Send a PIN to NUMBER (international, such as +447700900123) and print the id of the request."""
    answer = context.client.verify(
        "",
        number=number,
        brand=brand,
        workflow_id=workflow,
        lg=lang,
        country=country,
        code_length=code_length,
        pin_expiry=pin_expiry,
        next_event_wait=next_event_wait,
    )
    context.answer(answer, lambda: click.echo(answer["request_id"]))
    if wait:
        _follow(context, answer["request_id"])


def _follow(context: Context, request_id: str) -> None:
    """Print the request's history until it ends; exits 1 unless it was verified, 3 if the daemon stops first."""
    seen = 0
    for line in context.client.get(f"/v1/requests/{request_id}")["history"]:
        _tell(context, line)
        seen = line["seq"]
    try:
        for line in context.client.events(follow=True, after=seen):
            if line["request_id"] != request_id:
                continue
            _tell(context, line)
            if line["kind"] in FINAL:
                click.get_current_context().exit(0 if line["kind"] == "success" else SAID_NO)
    except Unreachable as exc:
        raise Unreachable(f"{exc}; to see how it went on: pinwheel show {request_id}") from None


def _tell(context: Context, line: dict[str, Any]) -> None:
    """A line of the history of one request."""
    context.show(line, lambda: tell(f"{line['at']}  {words(line)}"))


@main.command()
@click.argument("request_id", metavar="ID")
@click.argument("code")
@json_flag
@pass_context
def check(context: Context, request_id: str, code: str) -> None:
    """Check the CODE that the person typed for the request ID; exits 1 if it is wrong."""
    answer = context.client.verify("check", request_id=request_id, code=code)
    context.answer(answer, lambda: click.echo("verified"))


@main.command()
@click.argument("request_id", metavar="ID")
@json_flag
@pass_context
def cancel(context: Context, request_id: str) -> None:
    """Stop the request ID, if it is not too early or too late for that."""
    answer = context.client.verify("control", request_id=request_id, cmd="cancel")
    context.answer(answer, lambda: click.echo("cancelled"))


@main.command(name="next")
@click.argument("request_id", metavar="ID")
@json_flag
@pass_context
def next_event(context: Context, request_id: str) -> None:
    """Run the next event of the request ID now."""
    answer = context.client.verify("control", request_id=request_id, cmd="trigger_next_event")
    context.answer(answer, lambda: click.echo("the next event runs"))


@main.command()
@click.argument("request_id", metavar="ID")
@json_flag
@pass_context
def show(context: Context, request_id: str) -> None:
    """Everything about the request ID: deliveries, checks, history."""
    found = context.client.get(f"/v1/requests/{request_id}")
    context.show(found, lambda: _show(context, found))


def _show(context: Context, found: dict[str, Any]) -> None:
    for name in ("request_id", "status", "number", "brand", "locale", "workflow_id", "submitted", "due", "finalized"):
        tell(f"{name:12} {found[name]}")
    click.echo()
    columns = ("event", "channel", "pin", "state", "device", "queued", "detail")
    table(columns, ([attempt[column] for column in columns] for attempt in found["attempts"]))
    click.echo()
    for line in found["history"]:
        _tell(context, line)


@main.command(name="list")
@click.option("--active", is_flag=True, help="Only those in progress.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The most that are listed.")
@json_flag
@pass_context
def list_requests(context: Context, active: bool, limit: int) -> None:
    """The newest requests; numbers are masked (show ID prints them in full)."""
    found = context.client.get("/v1/requests", active=int(active), limit=limit)["requests"]
    columns = ("request_id", "number", "status", "submitted")
    context.show(found, lambda: table(columns, map(_row, found), flexible=("status",)))


def _row(request: dict[str, Any]) -> tuple[str, ...]:
    """status: with how far it is; submitted: without the year, in UTC."""
    how_far = f" {request['event']}/{request['events']}" if request["status"] == "IN PROGRESS" else ""
    submitted = f"{request['submitted'][5:16]}Z"
    return (request["request_id"], request["number"], f"{request['status'].lower()}{how_far}", submitted)


@main.command()
@json_flag
@pass_context
def status(context: Context) -> None:
    """The daemon, its devices and its requests; exits 1 when nothing can be sent."""
    report = context.client.get("/v1/status")
    context.show(report, lambda: _status(report))
    click.get_current_context().exit(0 if report.get("health", "ok") == "ok" else SAID_NO)


@main.command()
@json_flag
@pass_context
def reload(context: Context) -> None:
    """Take up what has changed in the configuration, and the prompts, without a restart.

    Waits until it is done, and prints the keys that changed: those that are in use now, and those that need a restart.
    All of them are taken up, or none if the file has a mistake. A modem that was removed finishes its message first.
    Exits 1 if the configuration has a mistake, or if prompts are broken: those in use stay.
    """
    try:
        done = context.client.post("/v1/reload", timeout_s=RELOAD_S)
    except HttpProblem as exc:
        if "mistakes" not in exc.body:
            raise
        done = exc.body
    context.show(done, lambda: _reload(done))
    click.get_current_context().exit(SAID_NO if done["mistakes"] else 0)


def _reload(done: dict[str, Any]) -> None:
    for mistake in done["mistakes"]:
        tell(f"failed    {mistake}")
    if done["locales"]:
        tell(f"prompts   {', '.join(done['locales'])}")
    if done.get("applied"):
        tell(f"in use    {', '.join(done['applied'])}")
    if done["restart"]:
        tell(f"changed   {', '.join(done['restart'])}; they need: systemctl restart pinwheel")
    if not done["mistakes"]:
        click.echo("reloaded")


def _status(report: dict[str, Any]) -> None:
    speed = f", clock {report['clock_speed']:g} times as fast" if report["clock_speed"] != 1 else ""
    click.echo(f"pinwheeld {report['version']}, pid {report['pid']}, up {report['uptime_s']} s{speed}")
    click.echo(f"health    {report.get('health', 'unknown: the daemon is older than this command')}")
    for reason in report.get("reasons", ()):
        tell(f"reason    {reason}")
    for problem in report.get("problems", ()):
        _problem(problem, report["reasons"])
    click.echo(f"store     {report['store']}")
    counts = ", ".join(f"{count} {status.lower()}" for status, count in report["requests"].items())
    nothing = "none yet" if report["store"] == "ok" else "not known"
    click.echo(f"requests  {counts or nothing}")
    click.echo(f"voice     {_voice(report['voice'])}")
    if "locales" in report["voice"]:
        click.echo(f"prompts   {', '.join(report['voice']['locales']) or 'none; run: pinwheel prompts check'}")
    for call in report["voice"].get("in_progress", ()):
        click.echo(f"call      {call['request_id']}: {call['phase']} for {call['since_s']} s")
    for modem in report["modems"]:
        tell(f"modem     {modem['name']}: {modem['state']}{_because(modem)}")
    if report["modems"]:
        overload = f", {report['overload']}" if report["overload"] else ""
        click.echo(f"messages  {report['modems'][0]['queue']} waiting{overload}")
    for device in report.get("canary", ()):
        tell(f"canary    {device['device']}: {_canary(device)}")


def _canary(device: dict[str, Any]) -> str:
    """How a device's own trials went."""
    arrived = f"last arrived {device['last_success']}" if device["last_success"] else "nothing has arrived yet"
    failures = device["failures"]
    return arrived + (f", {failures} failed since: {device['detail']}" if failures else "")


def _problem(problem: dict[str, str], reasons: list[str]) -> None:
    """Those that are no reason yet."""
    said = f"{problem['text']}: {problem['remedy']}" if problem["remedy"] else problem["text"]
    if said not in reasons:
        tell(f"{problem['severity']:9} {said}")


def _voice(voice: dict[str, Any]) -> str:
    if "state" not in voice:
        return "no driver"
    account = {True: ", registered", False: ", not registered", None: ""}[voice["registered"]]
    return f"{voice['state']} at {voice['server']}{account}, {voice['calls']} calls{_because(voice)}"


def _because(device: dict[str, Any]) -> str:
    why = device["detail"] or (f"{device['limit_reached']} is reached" if device.get("limit_reached") else "")
    return f": {why}" if why else ""
