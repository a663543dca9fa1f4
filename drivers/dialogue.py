"""Which command an answer belongs to: one command at a time, and only its own answer counts.

A modem that was too slow answers after the time-out; if that answer were taken for the next command's, every later
answer would belong to the command before. So after each time-out, and where an answer lacks its line, the next command
waits until the modem has answered a marker: a query whose answer begins with a name of its own. Modems answer in
order, so whatever came before the marker's answer was for older commands.
"""

import contextlib
import time
from enum import Enum, auto

from drivers import at, causes
from drivers.line import LISTING_S, Line, Reply, Silent
from drivers.timing import Timing

MARKERS = (("AT+CMEE?", "+CMEE"), ("AT+CMGF?", "+CMGF"), ("AT+CSQ", "+CSQ"))
"""Queries that change nothing, and the names that begin their answers; hardly any modem knows none of them."""

ALIVE_GROWTH = (1.0, 2.5, 1.0, 2.0, 2.0)  # for how much longer each try is waited for: some need 3 s for each answer
ESCAPE_FROM = 2  # the try that is the first to leave a prompt, at which a killed daemon may have left the modem
QUIET_S = 0.3  # of silence after which a quick modem owes no answer any more
OWN_S = 1.0  # from an older command's answer to that of a quick modem's marker


class _Heard(Enum):
    """What came after a marker."""

    OWN = auto()  # its answer
    REFUSED = auto()  # an error, perhaps an older command's
    OTHERS = auto()  # older commands' answers only
    NOTHING = auto()


class Dialogue:
    """The commands of one session. Every method may raise what ends one: Lost, Silent, Interrupted."""

    def __init__(self, line: Line, timing: Timing) -> None:
        self._line, self._timing = line, timing
        self._late: set[str] = set()  # names of answers that older commands may still get
        self._bare: set[str] = set()  # queries that this modem answers with nothing but OK
        self._may_prompt = False
        self._unmarked = False  # it answers no marker
        self._turn = 0
        self._slowest_s = 0.0

    def wake(self) -> None:
        """From whatever state the modem is in to one in which it answers. Raises Silent."""
        started = time.monotonic()
        for attempt in range(self._timing.alive_tries):
            if attempt >= ESCAPE_FROM:
                self._line.escape()
            # A stored profile may have results in digits, or none (V.250 6.2.5, 6.2.6).
            command = "ATQ0V1" if attempt % 2 else "AT"
            with contextlib.suppress(Silent):
                self._line.ask(command, timeout_s=self._timing.alive * ALIVE_GROWTH[attempt % len(ALIVE_GROWTH)])
                break
        else:
            raise Silent("no answer to AT")
        self._slowest_s = time.monotonic() - started
        self.regain()
        self._slowest_s = 0.0

    # --- commands ---

    def ask(self, command: str, answer: str = "", *, free_text: bool = False, timeout_s: float | None = None) -> Reply:
        """A command and its own answer. answer, free_text: as of `Line.ask`."""
        timeout_s = timeout_s or self._timing.command
        reply = self._ask(command, answer, free_text, timeout_s)
        known = self._unmarked or command in self._bare
        if known or reply.answers or not reply.ok or not (free_text or command.endswith("?")):
            return reply
        self._late.add("")  # it may be an older command's OK
        again = self._ask(command, answer, free_text, timeout_s)
        if again.ok and not again.answers:
            self._bare.add(command)
        return again

    def _ask(self, command: str, answer: str, free_text: bool, timeout_s: float) -> Reply:
        self.in_step()
        started = time.monotonic()
        try:
            reply = self._line.ask(command, answer, free_text=free_text, timeout_s=timeout_s)
        except Silent:
            self._late.add(answer)
            raise
        if reply.final.kind == "NONE":
            self._late.add(answer)
        else:
            self._slowest_s = max(self._slowest_s, time.monotonic() - started)
        return reply

    # --- messages ---

    def offer(self, command: str, answer: str) -> None:
        """Begin a command that asks for a body by a prompt."""
        self.in_step()
        self._may_prompt = True
        self._line.begin(command, answer, prompt=True)

    @property
    def prompt_s(self) -> float:
        """How long the prompt is waited for."""
        return min(max(self._timing.prompt, 2 * self._slowest_s), max(self._timing.prompt, self._timing.command))

    def submit(self) -> None:
        """Ctrl-Z behind the body."""
        self._line.send()
        self._may_prompt = False

    def ask_beside(self, query: str, answer: str) -> None:
        """Whether the modem is there, while the network has the message."""
        self._late.add(answer)
        self._line.beside(query, answer)

    def answered_beside(self, answer: str) -> None:
        self._late.discard(answer)

    def give_up(self, answer: str) -> None:
        """No answer to the command under way is waited for any more, though one may come."""
        self._line.give_up()
        self._late.add(answer)

    # --- in step ---

    def in_step(self) -> None:
        """No older command's answer can come any more."""
        if self._late:
            self.regain()

    def regain(self, tries: int = len(MARKERS)) -> None:
        """Ask markers until one is answered, or until a modem that knows none is quiet. Raises Silent."""
        heard: list[_Heard] = []
        for command, name in self._markers()[:tries]:
            if self._may_prompt:
                self._line.escape()
            repeated = name in self._late
            heard.append(self._mark(command, name))
            if heard[-1] is _Heard.OWN:
                if repeated:
                    self._await_quiet()
                break
        else:
            if all(each is _Heard.NOTHING for each in heard):
                raise Silent("no answer to any marker")
            self._unmarked |= len(heard) == len(MARKERS)
            self._await_quiet()
        self._late.clear()
        self._may_prompt = False

    def _markers(self) -> list[tuple[str, str]]:
        """In turn, first those of which no older answer can come; nothing but AT for a modem that knows none."""
        if self._unmarked:
            return [("AT", "")]
        turned = [MARKERS[(self._turn + i) % len(MARKERS)] for i in range(len(MARKERS))]
        return sorted(turned, key=lambda marker: marker[1] in self._late)

    def _mark(self, command: str, name: str) -> _Heard:
        self._line.begin(command, name)
        heard, wait_s = _Heard.NOTHING, self._timing.probe
        latest = time.monotonic() + LISTING_S
        while (event := self._line.next(min(time.monotonic() + wait_s, latest))) is not None:
            if isinstance(event, at.Answer):
                heard = _Heard.OWN
            elif isinstance(event, at.Final):
                if heard is _Heard.OWN:
                    return heard
                if not event.ok and not self._is_late_refusal(event):
                    heard = _Heard.REFUSED
                    break
                heard = _Heard.OTHERS  # its own is the next, at this modem's pace, or it has none
                wait_s = min(self._timing.probe, max(OWN_S, 3 * self._slowest_s))
                self._line.expect(name)
        self._line.give_up()
        if heard is not _Heard.OWN:
            self._late.add(name)
            self._turn += 1
        return heard

    def _is_late_refusal(self, final: at.Final) -> bool:
        """Whether this error is a message's, which is told to who listens, and not the marker's."""
        if final.kind != "CMS" or final.code in causes.OF_COMMAND:
            return False
        self._line.overhear(at.Notice("+CMS ERROR", f"+CMS ERROR: {final.code}"))
        return True

    def _await_quiet(self) -> None:
        quiet_s = max(QUIET_S, 2 * self._slowest_s)
        latest = time.monotonic() + 4 * quiet_s
        while (now := time.monotonic()) < min(quiet := self._line.heard_at + quiet_s, latest):
            self._line.idle(min(quiet, now + quiet_s))
