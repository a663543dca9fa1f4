"""The canary: which device tries itself when, by a text to another SIM or by a call, and what came of it.

Pure: times are arguments. A modem may be in the network with a good signal and yet send nothing: only a message that
arrives shows that it works. A trial that failed is repeated soon, so that a second failure is an alert within the hour.
"""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from daemon.core.fast_replace import replace
from daemon.core.milliseconds import Ms, seconds

AGAIN = seconds(900)  # after the first failures
SOON = 2  # failures after which it is tried again so soon; then at the usual pace, as each trial costs
PATIENCE = seconds(300)  # that a text has to arrive
SEVERAL = 2  # failures in a row that are no accident
TEXT = re.compile(r"Pinwheel canary ([a-z2-7]{16})")
KEPT = 80  # characters of why a trial failed


def text_of(token: str) -> str:
    """What a SIM texts. token: 16 letters and digits that nobody can guess."""
    return f"Pinwheel canary {token}"


def token_in(text: str) -> str:
    """ "" in any text that is not a canary's."""
    found = TEXT.fullmatch(text)
    return found[1] if found is not None else ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one device. failures: in a row; why: of the last of them.

    token: of its last text; open: that trial has not ended yet.
    """

    tried_at: Ms | None = None
    succeeded_at: Ms | None = None
    failures: int = 0
    token: str = field(default="", repr=False)
    open: bool = False
    why: str = ""

    def begun(self, at: Ms, token: str = "") -> Self:
        return replace(self, tried_at=at, token=token, open=True)

    def succeeded(self, at: Ms) -> Self:
        return replace(self, succeeded_at=at, failures=0, open=False, why="")

    def failed(self, why: str) -> Self:
        return replace(self, failures=self.failures + 1, open=False, why=why[:KEPT])

    def due_at(self, first: Ms, every: Ms) -> Ms:
        """When its next trial is due; first: the first one."""
        if self.tried_at is None:
            return first
        return self.tried_at + (min(every, AGAIN) if 0 < self.failures <= SOON else every)

    def written(self) -> str:
        """As a setting of the database."""
        times = ("" if at is None else str(int(at)) for at in (self.tried_at, self.succeeded_at))
        return "/".join((*times, str(self.failures), self.token, str(int(self.open)), self.why))


def standing_from(text: str) -> Standing:
    """What `written` made; a device of which nothing can be read starts again."""
    try:
        tried, succeeded, failures, token, opened, why = text.split("/", 5)
        return Standing(
            tried_at=_at(tried),
            succeeded_at=_at(succeeded),
            failures=int(failures),
            token=token,
            open=opened == "1",
            why=why,
        )
    except ValueError:
        return Standing()


def _at(text: str) -> Ms | None:
    return Ms(int(text)) if text else None


@dataclass(slots=True)
class Canary:
    """devices: their names, in order; numbers: of those that can be texted, by name; caller: the device that calls.

    calls: whom the caller calls. began: when this run of the daemon did; every: between two trials of a device.
    """

    devices: Sequence[str]
    numbers: Mapping[str, str] = field(repr=False)
    every: Ms
    began: Ms
    caller: str = ""
    calls: str = field(default="", repr=False)
    standings: dict[str, Standing] = field(default_factory=dict)

    def standing(self, device: str) -> Standing:
        return self.standings.get(device, Standing())

    def due(self, at: Ms) -> list[str]:
        """The devices whose trial is due now, the first of them first."""
        due = [(self.due_at(device), device) for device in self.devices if not self.standing(device).open]
        return [device for when, device in sorted(due, key=lambda each: int(each[0])) if when <= at]

    def due_at(self, device: str) -> Ms:
        """The first trials are spread over the whole pause, so that no two devices try at once."""
        share = int(self.every) * (self.devices.index(device) + 1) // len(self.devices)
        return self.standing(device).due_at(self.began + Ms(share), self.every)

    def recipient(self, device: str, at: Ms, able: Container[str] = ()) -> str:
        """Whom it texts or calls. able: the modems that can receive.

        A SIM texts each other one in turn; itself where there is none, and after a failure: one that receives nothing
        must not be held against those that text it, also where there are only two.
        """
        if device == self.caller:
            return self.calls
        others = [number for name, number in self.numbers.items() if name != device and name in able]
        own = self.numbers.get(device, "")
        if own and (not others or self.standing(device).failures % 2):
            return own
        others = others or list(self.numbers.values())
        turn = int(at) // int(self.every) + self.devices.index(device)
        return others[turn % len(others)]

    def follow(self, before: "Canary") -> None:
        """Take the place of another plan: what that knew of devices that still take part."""
        self.standings = {name: known for name, known in before.standings.items() if name in self.devices}
        self.began = before.began if before.devices else self.began

    def arrived(self, token: str, at: Ms) -> str:
        """A text with this token came: the modem that sent it, also where it comes late; "" for none."""
        for device in self.devices:
            standing = self.standing(device)
            if token and standing.token == token:
                self.standings[device] = standing.succeeded(at)
                return device
        return ""

    def give_up(self, at: Ms) -> list[str]:
        """The devices of whose trial nothing came in time; of a call only after a restart."""
        late = [device for device in self.devices if self._is_late(self.standing(device), at)]
        for device in late:
            why = "its text has not arrived" if self.standing(device).token else "its call has not ended"
            self.standings[device] = self.standing(device).failed(why)
        return late

    def _is_late(self, standing: Standing, at: Ms) -> bool:
        return standing.open and standing.tried_at is not None and standing.tried_at + PATIENCE <= at
