"""What the pages show, as texts: no whole number, and no text of a message."""

from collections.abc import Iterable, Mapping
from typing import Any

from daemon.core.masking import masked, without_numbers
from daemon.lanes.voice import TrialEnd
from daemon.operations.wording import bars, channel_word, span, words
from drivers import CallPhase


def overview(report: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """report: as /v1/status has it; lines: of the history, the newest first."""
    counts, problems = report["requests"], [_problem(problem) for problem in report["problems"]]
    return {
        "version": report["version"],
        "now": report["now"],
        "up": span(report["uptime_s"]),
        **health(report["health"], problems),
        "problems": problems,
        "modems": [_modem(modem) for modem in report["modems"]],
        "voice": _voice(report["voice"]),
        "calls": report["voice"].get("in_progress", []),
        "requests": [(state.lower(), count) for state, count in counts.items()],
        "overload": report["overload"],
        "events": [_event(line) for line in lines],
    }


def health(health: str, problems: list[dict[str, str]]) -> dict[str, str]:
    """The heading, and how it looks."""
    if health != "ok":
        return {"health": health[:1].upper() + health[1:], "look": "bad"}
    if problems:
        return {"health": "It works, with trouble", "look": "fair"}
    return {"health": "All is well", "look": "good"}


def _problem(problem: Mapping[str, str]) -> dict[str, str]:
    about = "" if problem["subject"].strip("[]") in problem["text"] else f"{problem['subject']}: "
    return {
        "severity": problem["severity"],
        "text": without_numbers(about + problem["text"]),
        "remedy": problem["remedy"],
    }


def _modem(modem: Mapping[str, Any]) -> dict[str, Any]:
    limit = modem["limits"]["day"]
    return {
        "name": modem["name"],
        "state": modem["state"],
        "detail": without_numbers(modem["detail"] or modem["limit_reached"] or ""),
        "operator": modem["operator"],
        "signal": bars(modem["signal_dbm"]),
        "dbm": "" if modem["signal_dbm"] is None else f"{modem['signal_dbm']} dBm",
        "queue": modem["queue"],
        "today": f"{modem['sent']['day']} of {limit}" if limit else str(modem["sent"]["day"]),
    }


def _voice(voice: Mapping[str, Any]) -> dict[str, Any] | None:
    if "state" not in voice:
        return None
    account = {True: "registered", False: "not registered", None: "without an account"}[voice["registered"]]
    return {
        "state": voice["state"],
        "detail": without_numbers(voice["detail"]),
        "server": voice["server"],
        "account": account,
        "waiting": voice["waiting"],
        "locales": ", ".join(voice["locales"]),
    }


def _event(line: Mapping[str, Any]) -> dict[str, str]:
    """What others wrote in an incoming message is not shown."""
    shown = "incoming SMS" if line["kind"] == "incoming" else without_numbers(words(line))
    return {"at": str(line["at"]), "request_id": str(line["request_id"]), "what": shown}


def request(found: Mapping[str, Any]) -> dict[str, Any]:
    """One request, as /v1/requests/ID has it."""
    attempts = [_attempt(attempt) for attempt in found["attempts"]]
    return {
        **found,
        "number": masked(found["number"]),
        "attempts": attempts,
        "history": [_event({"request_id": found["request_id"], **line}) for line in found["history"]],
    }


def _attempt(attempt: Mapping[str, Any]) -> dict[str, Any]:
    channel = channel_word(attempt["channel"])
    return {**attempt, "channel": channel, "detail": without_numbers(attempt["detail"])}


def step(step: CallPhase | TrialEnd, digits: str) -> str:
    """How far a test call is; what was said, once it has ended."""
    if isinstance(step, CallPhase):
        return f"Test call: {step}."
    result = step.result
    if not step.spoken:
        return without_numbers(f"Test call: {result.outcome}, nothing was said. {result.reason}")
    silent = " Nothing was heard from the other side." if result.one_way else ""
    return f"Test call: it said {digits}, {step.spoken} time(s), in {result.talk_s:.0f} s.{silent}"
