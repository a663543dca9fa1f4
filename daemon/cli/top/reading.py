"""Asks the daemon, again and again, and keeps what it said last while it does not answer."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from daemon.cli.choosing import Devices
from daemon.cli.localtime import clock_of, now_text
from daemon.cli.top.facts import ACCOUNT, modem_facts, request_facts, trunk_facts
from daemon.cli.top.seen import Asked, Happened, Modem, Queue, Seen, State, Trunk, UnderWay
from daemon.client.connection import Client, HttpProblem, Unreachable
from daemon.core.masking import without_numbers
from daemon.operations.wording import words

LAST = 50  # lines of history


class Reader:
    """Of one daemon."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen, self._read_at = Seen(), time.monotonic()

    def documents(self) -> dict[str, Any]:
        """What the daemon says, as it says it. Raises Unreachable or HttpProblem."""
        status = self._client.get("/v1/status")
        return {"status": status, "events": list(self._client.events(follow=False, last=LAST))}

    def read(self, request_id: str = "") -> Seen:
        """What it says now. request_id: the request that is asked for. Raises Unreachable or HttpProblem."""
        found = self.documents()
        asked = self._asked(request_id) if request_id else None
        return Seen(now_text(), state_of(found["status"]), tuple(happened_in(found["events"])), asked=asked)

    def look(self, request_id: str = "") -> Seen:
        """The newest there is: what it said last, with the age of that, while there is no answer."""
        try:
            self._seen = self.read(request_id)
        except (Unreachable, HttpProblem) as exc:
            return self._without(str(exc))
        except (AttributeError, KeyError, TypeError, ValueError):
            return self._without("cannot understand what the daemon says; is it of another version?")
        self._read_at = time.monotonic()
        return self._seen

    def _asked(self, request_id: str) -> Asked | None:
        try:
            found = self._client.get(f"/v1/requests/{request_id}")
            return Asked(request_id, request_facts(found), tuple(happened_in(found["history"])))
        except HttpProblem:  # a test call belongs to no request; an old request may be deleted
            return None

    def _without(self, problem: str) -> Seen:
        return replace(self._seen, age_s=time.monotonic() - self._read_at, problem=problem)


def state_of(status: Mapping[str, Any]) -> State:
    """status: as /v1/status gives it; an older daemon says less."""
    voice, queues = status.get("voice", {}), status.get("queues", {})
    return State(
        version=str(status.get("version", "")),
        uptime_s=status.get("uptime_s", 0),
        health=str(status.get("health", "ok")),
        reasons=tuple(status.get("reasons", ())),
        modems=tuple(map(_modem, status.get("modems", ()))),
        trunk=_trunk(voice) if "state" in voice else None,
        calls=tuple(UnderWay(c["request_id"], c["phase"], c["since_s"]) for c in voice.get("in_progress", ())),
        messages=Queue(**queues["sms"]) if "sms" in queues else None,
        waiting_calls=Queue(**queues["tts"]) if "tts" in queues else None,
        rates=dict(status.get("per_minute", {})),
        in_progress=status.get("requests", {}).get("IN PROGRESS", 0),
    )


def happened_in(lines: Iterable[Mapping[str, Any]]) -> Iterable[Happened]:
    """lines: of the event stream. A number in what others wrote is masked, too."""
    devices = Devices()
    for line in lines:
        said, device = without_numbers(words(line)), devices.device_of(line)
        yield Happened(clock_of(str(line["at"])), str(line["request_id"]), said, device)


def _modem(modem: Mapping[str, Any]) -> Modem:
    full = modem.get("limit_reached")
    return Modem(
        name=modem["name"],
        state=modem["state"],
        signal_dbm=modem.get("signal_dbm"),
        busy=modem.get("busy", False),
        hour=modem["sent"]["hour"],
        day=modem["sent"]["day"],
        hourly_limit=modem["limits"]["hour"],
        daily_limit=modem["limits"]["day"],
        usual_s=modem.get("usual_s", 0.0),
        trouble=modem.get("detail") or (f"{full} is reached" if full else ""),
        facts=modem_facts(modem),
    )


def _trunk(voice: Mapping[str, Any]) -> Trunk:
    return Trunk(
        state=str(voice["state"]),
        account=ACCOUNT[voice.get("registered")],
        server=str(voice.get("server", "")),
        calls=voice.get("calls", 0),
        trouble=str(voice.get("detail", "")),
        facts=trunk_facts(voice),
    )
