"""Which command an answer belongs to: one command at a time, and only its own answer counts.

A modem that was too slow answers after the time-out; if that answer were taken for the next command's, every later
answer would belong to the command before. So after each time-out, and where an answer lacks its line, the next command
waits until the modem has answered a marker: a query whose answer begins with a name of its own. Modems answer in
order, so whatever came before the marker's answer was for older commands. Pure.
"""

import contextlib
from collections import Counter
from enum import Enum, auto

from drivers.serial import at, error_causes
from drivers.serial.at import Reply
from drivers.serial.error_causes import ResultKind
from drivers.serial.procedure import (
    Begin,
    Beside,
    Drop,
    Escape,
    Expect,
    Idle,
    Listen,
    Send,
    Talk,
    Time,
    Unexpected,
)
from drivers.serial.session_ends import Silent
from drivers.serial.timing import Timing

MARKERS = (("AT+CMEE?", "+CMEE"), ("AT+CMGF?", "+CMGF"), ("AT+CSQ", "+CSQ"))
"""Queries that change nothing, and the names that begin their answers; hardly any modem knows none of them."""
NEVER_UNASKED = frozenset({"+CMEE", "+CMGF"})
"""Of these names, those that no modem says by itself: the OK behind such a line belongs to it."""

LISTING_S = 120.0  # for a full storage at 9600 baud
MOST_LINES = 1000  # of one answer that are kept: more messages than a SIM holds; the next listing has the rest
ALIVE_GROWTH = (1.0, 2.5, 1.0, 2.0, 2.0)  # for how much longer each try is waited for: some need 3 s for each answer
ESCAPE_FROM = 2  # the try that is the first to leave a prompt, at which a killed daemon may have left the modem
PROBES = 12  # at most, before a modem that answers anything but markers counts as silent
LONGEST_PROMPT = 4  # times as long as a prompt is waited for at first
QUIET_S = 0.3  # of silence after which a quick modem has no answer left
OWN_S = 1.0  # from an older command's answer to that of a quick modem's marker


class _Seen(Enum):
    """What came after a marker."""

    OWN = auto()  # its answer
    REFUSED = auto()  # an error, perhaps an older command's
    OTHERS = auto()  # older commands' answers only
    NOTHING = auto()


def ask(command: str, answer: str = "", *, free_text: bool = False, timeout_s: float) -> Talk[Reply]:
    """A command from its first octet to its final result; each line of its answer gives it time again. Raises Silent.

    answer, free_text: as of `at.Parser.command`.
    """
    answers: list[str] = []
    came = yield Begin(command, answer, free_text)
    deadline = came.now + timeout_s
    latest = deadline if free_text else max(deadline, came.now + LISTING_S)
    while (came := (yield Listen(deadline))).event is not None:
        if isinstance(came.event, at.Final):
            return Reply(came.event, answers)
        if isinstance(came.event, at.Answer):
            if len(answers) < MOST_LINES:
                answers.append(came.event.text)
            deadline = min(came.now + timeout_s, latest)
    yield Drop()
    if not answers:
        raise Silent("no final result")
    return Reply(at.Final(ResultKind.NONE), answers)  # a Wavecom's "+CPIN: READY" has no OK behind it


class Dialogue:
    """The commands of one session. What talks to the modem raises Silent where it does not answer."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._late: Counter[str] = Counter()  # answers that older commands may still get, by name
        self._bare: set[str] = set()  # queries that this modem answers with nothing but OK
        self._may_prompt = False
        self._unmarked = self._marked = False  # it answers no marker; it has answered one
        self._seen = _Seen.NOTHING  # after the last marker
        self._turn = 0
        self._slowest_s = 0.0
        self._prompt_s, self._offered_at = timing.prompt, 0.0

    def wake(self) -> Talk[None]:
        """From whatever state the modem is in to one in which it answers."""
        started = (yield Time()).now
        for attempt in range(self._timing.alive_tries):
            if attempt >= ESCAPE_FROM:
                yield Escape()
            # A stored profile may have results in digits, or none (V.250 6.2.5, 6.2.6).
            command = "ATQ0V1" if attempt % 2 else "AT"
            with contextlib.suppress(Silent):
                yield from ask(command, timeout_s=self._timing.alive * ALIVE_GROWTH[attempt % len(ALIVE_GROWTH)])
                break
        else:
            raise Silent("no answer to AT")
        self._slowest_s = (yield Time()).now - started
        yield from self.regain()
        self._slowest_s = 0.0

    # --- commands ---

    def ask(
        self, command: str, answer: str = "", *, free_text: bool = False, timeout_s: float | None = None
    ) -> Talk[Reply]:
        """A command and its own answer. answer, free_text: as of `at.Parser.command`."""
        timeout_s = timeout_s or self._timing.command
        reply = yield from self._ask(command, answer, free_text, timeout_s)
        known = self._unmarked or command in self._bare
        if known or reply.answers or not reply.ok or not (free_text or command.endswith("?")):
            return reply
        self._late[""] += 1  # it may be an older command's OK
        again = yield from self._ask(command, answer, free_text, timeout_s)
        if again.ok and not again.answers:
            self._bare.add(command)
        return again

    def _ask(self, command: str, answer: str, free_text: bool, timeout_s: float) -> Talk[Reply]:
        yield from self.in_step()
        started = (yield Time()).now
        try:
            reply = yield from ask(command, answer, free_text=free_text, timeout_s=timeout_s)
        except Silent:
            self._late[answer] += 1
            raise
        if reply.final.kind is ResultKind.NONE:
            self._late[answer] += 1
        else:
            self._slowest_s = max(self._slowest_s, (yield Time()).now - started)
        return reply

    # --- messages ---

    def offer(self, command: str, answer: str) -> Talk[None]:
        """Begin a command that asks for a body by a prompt."""
        yield from self.in_step()
        self._may_prompt = True
        self._offered_at = (yield Begin(command, answer, prompt=True)).now

    @property
    def prompt_s(self) -> float:
        """How long the prompt is waited for."""
        return max(self._prompt_s, min(2 * self._slowest_s, self._timing.command))

    def submit(self) -> Talk[None]:
        """Ctrl-Z behind the body."""
        now = (yield Send()).now
        self._may_prompt = False
        if now - self._offered_at < self._timing.prompt:
            self._prompt_s = self._timing.prompt

    def ask_beside(self, query: str, answer: str) -> Talk[None]:
        """Whether the modem is there, while the network has the message."""
        self._late[answer] += 1
        yield Beside(query, answer)

    def answered_beside(self, answer: str) -> None:
        self._late[answer] -= 1

    def give_up(self, answer: str) -> Talk[None]:
        """No answer to the command under way is waited for any more, though one may come."""
        yield Drop()
        self._late[answer] += 1

    # --- in step ---

    def in_step(self) -> Talk[None]:
        """No older command's answer can come any more."""
        if +self._late:
            yield from self.regain()

    def synchronise(self, *, always: bool, no_prompt: bool) -> Talk[None]:
        """The same. always: also where none is owed; no_prompt: none has come in time, so the next gets longer."""
        if no_prompt:
            self._prompt_s = min(2 * self._prompt_s, LONGEST_PROMPT * self._timing.prompt)
        yield from self.regain() if always else self.in_step()

    def regain(self) -> Talk[None]:
        """Ask markers until one is answered, or until a modem that knows none is quiet."""
        silent = strange = 0  # markers in a row without any answer; markers with answers that were not theirs
        for asked in range(1, PROBES + 1):
            if (yield from self.probe()):
                return
            silent = silent + 1 if self._seen is _Seen.NOTHING else 0
            strange += self._seen is not _Seen.NOTHING
            self._unmarked = not self._marked and strange == asked >= len(MARKERS)
            if silent == len(MARKERS):
                break
        raise Silent("no answer to any marker")

    def probe(self) -> Talk[bool]:
        """Ask one marker; whether the modem has answered it, so that no earlier answer is left."""
        command, name = self._next_marker()
        if self._may_prompt:
            yield Escape()
        self._seen = yield from self._mark(command, name)
        in_step = self._seen is _Seen.OWN
        if self._unmarked and self._seen is not _Seen.NOTHING:
            yield from self._await_quiet()
            in_step = True
        if in_step:
            self._late.clear()
            self._may_prompt = False
        return in_step

    def _next_marker(self) -> tuple[str, str]:
        """In turn, first one of which no older answer can come; nothing but AT for a modem that knows none."""
        if self._unmarked:
            return "AT", ""
        turned = [MARKERS[(self._turn + i) % len(MARKERS)] for i in range(len(MARKERS))]
        return min(turned, key=lambda marker: self._late[marker[1]])

    def _mark(self, command: str, name: str) -> Talk[_Seen]:
        came = yield Begin(command, name)
        self._late[name] += 1
        seen, own, wait_s = _Seen.NOTHING, False, self._timing.probe
        latest = came.now + LISTING_S
        while (came := (yield Listen(min(came.now + wait_s, latest)))).event is not None:
            event = came.event
            if isinstance(event, at.Answer | at.Aside):
                mine = at.name_of(event.text)
                self._late[mine] -= 1
                own = own or mine == name
                seen = _Seen.OTHERS if seen is _Seen.NOTHING else seen
                continue
            assert isinstance(event, at.Final)
            if own and self._late[name] <= 0:
                self._marked = True
                return _Seen.OWN
            if not own and not event.ok and not is_late_refusal(event):
                seen = _Seen.REFUSED
                break
            if not own and not event.ok:
                yield Unexpected(at.Notice("+CMS ERROR", f"+CMS ERROR: {event.code}"))
            seen = _Seen.OTHERS  # its own is the next, at this modem's pace, or it has none
            wait_s = self._timing.probe if own else min(self._timing.probe, max(OWN_S, 3 * self._slowest_s))
            yield Expect(name)
        yield Drop()
        self._turn += 1
        return _Seen.OWN if own else seen  # one without OK, or an answer that it has left out

    def _await_quiet(self) -> Talk[None]:
        quiet_s = max(QUIET_S, 2 * self._slowest_s)
        came = yield Time()
        latest = came.now + 4 * quiet_s
        while came.now < min(quiet := came.received_at + quiet_s, latest):
            came = yield Idle(min(quiet, came.now + quiet_s))


def is_late_refusal(final: at.Final) -> bool:
    """Whether this error, to a marker, is a message's that comes late."""
    return final.kind is ResultKind.CMS and final.code not in error_causes.OF_COMMAND
