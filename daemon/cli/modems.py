"""`pinwheel modems`: how the modems are, and what one may do to them."""

from typing import Any

import click

from daemon.cli.command_list import Listing
from daemon.cli.commands import SAID_NO
from daemon.cli.context import Context, json_flag, pass_context, table, tell
from daemon.client.connection import HttpProblem
from daemon.operations.wording import bars

COLUMNS = ("name", "state", "operator", "signal", "queue", "today", "last_error")
FLEXIBLE = ("name", "operator", "last_error")
TEST_S = 30


@click.group(cls=Listing, invoke_without_command=True)
@json_flag
@pass_context
@click.pass_context
def modems(ctx: click.Context, context: Context) -> None:
    """The modems: state, operator, signal, queue, messages of the last day, and the last error.

    \b
    pinwheel modems                               the table
    pinwheel modems test sim1 --to +447700900123  does this SIM send?
    pinwheel modems test --all --to +447700900123 does each of them?
    pinwheel modems pause sim1                    no PIN by it until resumed
    """
    if ctx.invoked_subcommand is None:
        found = context.client.get("/v1/modems")["modems"]
        context.show(found, lambda: _table(found))


def _table(found: list[dict[str, Any]]) -> None:
    if not found:
        click.echo("no modem is configured: add a [[modem]] to the configuration")
        return
    table(COLUMNS, ([_cell(modem, column) for column in COLUMNS] for modem in found), flexible=FLEXIBLE)


def _cell(modem: dict[str, Any], column: str) -> str:
    match column:
        case "signal":
            return bars(modem["signal_dbm"])
        case "today":
            limit = modem["limits"]["day"]
            return f"{modem['sent']['day']}/{limit}" if limit else str(modem["sent"]["day"])
        case "last_error":
            return _trouble(modem)
        case _:
            return str(modem[column])


def _trouble(modem: dict[str, Any]) -> str:
    """What is wrong now; else what was wrong last, when (UTC), and whether that is over."""
    if modem["detail"]:
        return str(modem["detail"])
    if modem["state"] in ("paused", "drained"):
        return f"use it again: pinwheel modems resume {modem['name']}"
    if modem["limit_reached"]:
        return f"{modem['limit_reached']} is reached: its messages wait, or go by other modems"
    if not modem["last_error"]:
        return ""
    over = "over: " if modem["last_error_over"] else ""
    return f"{over}{modem['last_error_at'][5:16]}Z {modem['last_error']}"


@modems.command(name="show")
@click.argument("name")
@json_flag
@pass_context
def show_modem(context: Context, name: str) -> None:
    """Everything about the modem NAME: device, SIM, port, limits, outcomes."""
    found = next((modem for modem in context.client.get("/v1/modems")["modems"] if modem["name"] == name), None)
    if found is None:
        raise click.ClickException(f"there is no modem {name!r}; see: pinwheel modems")
    context.show(found, lambda: _show(found))


def _show(found: dict[str, Any]) -> None:
    for name, value in found.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        shown = "; ".join(shown) if isinstance(shown, list) else shown
        tell(f"{name:14} {'' if shown is None else shown}".rstrip())


def _order(name: str, help: str, done: str) -> None:
    @modems.command(name=name, help=help)
    @click.argument("modem", metavar="NAME")
    @json_flag
    @pass_context
    def order(context: Context, modem: str) -> None:
        answer = context.client.post(f"/v1/modems/{modem}/{name}", timeout_s=300)
        context.show(answer, lambda: click.echo(done.format(modem)))


_order("pause", "Send no PIN by the modem NAME until it is resumed; it still receives.", "{} is paused")
_order(
    "drain",
    "Let the modem NAME finish, then close its port: you may unplug it, or use it with another program.",
    "{} has closed its port",
)
_order("resume", "Use the modem NAME again.", "{} is in use")


@modems.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="By each modem, at the same time, instead of by NAME.")
@click.option("--to", "number", required=True, help="A number, such as +447700900123, or a short code.")
@click.option("--wait", default=TEST_S, show_default=True, help="Seconds to wait for the delivery report.")
@json_flag
@pass_context
def test(context: Context, name: str | None, every: bool, number: str, wait: int) -> None:
    """Send a test SMS by the modem NAME, and wait for its delivery report; exits 1 if the report says that it failed.

    It belongs to no request.
    """
    if (name is None) is not every:
        raise click.UsageError("give the NAME of a modem, or --all")
    if name is None:
        _test_all(context, number, wait)
        return
    answer = _tested(context, name, number, wait)
    context.show(answer, lambda: _show_test(answer, wait))
    if answer["report"] == "failed":
        click.get_current_context().exit(SAID_NO)


def _tested(context: Context, name: str, number: str, wait: int) -> dict[str, Any]:
    return context.client.post(f"/v1/modems/{name}/test", timeout_s=wait + 240, to=number, wait=wait)


def _test_all(context: Context, number: str, wait: int) -> None:
    """A line for each modem; exits 1 if one of them did not send, or its report says that it failed."""
    from concurrent.futures import ThreadPoolExecutor  # late: few commands need threads

    names = [modem["name"] for modem in context.client.get("/v1/modems")["modems"]]
    if not names:
        raise click.ClickException("no modem is configured: add a [[modem]] to the configuration")

    def one(name: str) -> dict[str, Any]:
        try:
            return {**_tested(context, name, number, wait), "error": ""}
        except HttpProblem as exc:
            return {"name": name, "error": str(exc).removeprefix(f"{name}: "), "report": None}

    with ThreadPoolExecutor(len(names)) as threads:
        answers = list(threads.map(one, names))
    rows = [(answer["name"], *_outcome(answer)) for answer in answers]
    context.show(answers, lambda: table(("name", "network", "report"), rows, flexible=("network",)))
    if any(answer["error"] or answer["report"] == "failed" for answer in answers):
        click.get_current_context().exit(SAID_NO)


def _outcome(answer: dict[str, Any]) -> tuple[str, str]:
    """What the network and the report said of a test message."""
    if answer["error"]:
        return str(answer["error"]), "-"
    report = f"{answer['report']} after {answer['report_s']:.1f} s" if answer["report"] else "none in time"
    return f"accepted after {answer['sent_s']:.1f} s", report


def _show_test(answer: dict[str, Any], wait: int) -> None:
    click.echo(f"the network accepted it after {answer['sent_s']:.1f} s ({answer['parts']} part)")
    if answer["report"] is None:
        click.echo(f"no delivery report within {wait} s: the phone may be off, or the network sends none")
    elif answer["report"] == "trying":
        click.echo(f"the network still tries after {answer['report_s']:.1f} s: the phone may be off")
    else:
        click.echo(f"{answer['report']} after {answer['report_s']:.1f} s")


@modems.command(name="at")
@click.argument("name")
@click.argument("command")
@json_flag
@pass_context
def ask(context: Context, name: str, command: str) -> None:
    """Send the modem NAME a COMMAND that changes nothing, such as AT+CSQ; exits 1 if its answer is an error.

    If the COMMAND is not allowed, those that are allowed are listed.
    """
    answer = context.client.post(f"/v1/modems/{name}/at", command=command)
    context.show(answer, lambda: tell(*answer["answer"]))
    if answer["answer"][-1].startswith(("ERROR", "CME", "CMS")):
        click.get_current_context().exit(SAID_NO)
