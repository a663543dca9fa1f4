"""`pinwheel top`: the screen fits every terminal, whatever others wrote; then the terminal is as it was before."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli import main
from daemon.cli.screen import CUT, MARKS, clean, fit, width_of, wrapped
from daemon.cli.top.facts import modem_facts, request_facts, trunk_facts
from daemon.cli.top.frame import Size, Style, frame, once, rows, shares
from daemon.cli.top.reading import Reader, happened_in, state_of
from daemon.cli.top.seen import Asked, Happened, Modem, Queue, Seen, State, Trunk, UnderWay
from daemon.cli.top.view import Kind, Row, Sort, View, pressed
from daemon.operations.wording import bars, span, words
from tests.gateway import Gateway, modem_section

ID = "01a224591a357c668fbd5ef12df9c584"
HOSTILE = (
    "\x1b[2J\x1b]0;x\x07 日本語テキスト \u202eABC עברית العربية e\u0301\u0302\u0303\u0304\u0305 👩‍👩‍👧 \r\n\t\x9b31m"
)
MODEMS = (
    Modem("sim1", "ready", -71, True, 12, 80, 100, 500, 4.2),
    Modem("sim2", "absent", trouble="no such port"),
    Modem("sim3", "waiting", -99, day=90),
)
STATE = State(
    "0.1.0",
    277_000,
    "ok",
    ("modem sim2 is absent: no such port",),
    MODEMS,
    (UnderWay(ID, "ringing", 3), UnderWay(ID[::-1], "answered", 20)),
    Queue(3, 4.0),
    Queue(),
    {"started": 12, "verified": 9, "ended": 10},
    41,
    Trunk("ready", "registered", "fritz.box", 2, facts=(("state", "ready"),)),
)
SEEN = Seen("17:03:12", STATE, tuple(Happened(f"17:03:{n:02}", ID, f"event {n} delivered") for n in range(30)))


PLAIN = View()


def shown(seen: Seen, width: int = 80, height: int = 24, view: View = PLAIN) -> list[str]:
    lines = frame(seen, Size(width, height), view)
    assert len(lines) == height
    assert {width_of(line.text) for line in lines} == {width}
    return [line.text.rstrip() for line in lines]


# --- the picture -------------------------------------------------------------------------------------------


def test_a_terminal_of_80_by_24_shows_everything_at_a_glance() -> None:
    lines = shown(SEEN)
    assert lines[0] == f"{'Pinwheel 0.1.0  health ok, 1 problem  up 3 d 4 h':70}  17:03:12"
    assert lines[1:4] == [
        "! modem sim2 is absent: no such port",
        "queue   3 messages (the oldest waits for 4 s), 0 calls",
        "rates   12 started, 9 verified, 10 ended in the last minute; 41 in progress",
    ]
    assert lines[4] == "  DEVICE       STATE    DAY         SIGNAL     NOW      HOUR       AN SMS IN"
    assert lines[5] == "  sim1         ready    80/500      ▂▄▆█ -71   sending  12/100     4.2 s"
    assert lines[8] == "  trunk        ready    at fritz.box, registered, 2 calls"
    assert lines[9:12] == ["  CALLS", f"  ringing   3 s         {ID}", f"  answered  20 s        {ID[::-1]}"]
    assert lines[22] == f"17:03:29  {ID}  event 29 delivered"
    assert lines[23] == "q quit  p pause  s sort (name)  / filter  arrows, Enter details"


def test_a_terminal_of_40_by_10_shows_health_queue_and_as_much_of_each_table_as_fits() -> None:
    lines = shown(SEEN, 40, 10)
    assert lines[0].endswith("  17:03:12")
    assert lines[2] == "queue   3 messages (4 s), 0 calls"
    assert lines[3:6] == [
        "rates   12 started, 9 verified, 10 ende" + CUT,
        "  DEVICE       STATE    DAY",
        "  sim1         ready    80/500",
    ]
    more = replace(STATE, modems=MODEMS * 3, trunk=None)
    assert shown(replace(SEEN, state=more), 40, 10)[8] == "  ... and 6 more"


def test_a_terminal_of_120_by_50_shows_what_is_wrong_with_each_modem() -> None:
    assert next(line for line in shown(SEEN, 120, 50) if line.startswith("  sim2")).endswith("no such port")


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (120, 50), (3, 4), (1, 1), (20, 2)])
def test_nothing_that_others_wrote_breaks_the_picture(size: tuple[int, int]) -> None:
    state = replace(STATE, version=HOSTILE, health=HOSTILE, reasons=(HOSTILE,) * 9)
    state = replace(state, modems=(Modem(HOSTILE, HOSTILE, trouble=HOSTILE),) * 40, calls=(UnderWay(HOSTILE, "x", 1),))
    seen = Seen(HOSTILE, state, (Happened(HOSTILE, HOSTILE, HOSTILE),) * 9, 60.0, HOSTILE)
    for line in shown(seen, *size, View(filter="x", editing=True)) + shown(seen, *size):
        assert clean(line) == line


@given(st.text(max_size=60), st.integers(0, 40))
def test_a_text_that_is_fitted_takes_exactly_its_columns(text: str, width: int) -> None:
    fitted = fit(text, width)
    assert width_of(fitted) == width
    assert clean(fitted) == fitted
    assert len(fitted) <= width * (MARKS + 2) + MARKS


@given(st.text(max_size=60), st.integers(2, 40))
def test_a_text_that_is_wrapped_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert max(map(width_of, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(clean(text).split())


def test_wide_characters_take_two_columns_and_a_cut_one_leaves_a_space() -> None:
    assert (width_of("日本"), fit("日本", 5), fit("日本", 3), fit("日本語", 4)) == (4, "日本 ", f"日{CUT}", f"日 {CUT}")
    assert fit("e" + "\u0301" * 9, 2) == "e\u0301\u0301 "


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=6))
def test_sections_never_get_more_than_there_is(room: int, wishes: list[tuple[int, int]]) -> None:
    given = shares(room, wishes)
    assert sum(given) <= room
    for got, (least, all_) in zip(given, wishes, strict=True):
        assert got in (0, *range(min(least, all_), all_ + 1))


def test_before_the_first_answer_and_without_one_the_picture_says_so() -> None:
    lines = shown(Seen("17:03:12", problem="cannot reach the daemon; systemctl status pinwheel"))
    assert lines[0].startswith("Pinwheel: no answer yet")
    assert lines[1] == "! cannot reach the daemon; systemctl status pinwheel"
    old = shown(replace(SEEN, age_s=75.0, problem="cannot reach the daemon: " + "x" * 300))
    assert old[0].endswith("17:03:12 1 min 15 s old")
    assert "health unknown" in old[0]  # it used to be that of the last answer
    assert old[4].endswith(CUT)
    # The command at the end of the second line used to be cut off.
    away = "cannot reach the daemon at /run/pinwheel/control.sock: Connection refused; the daemon is not running, or"
    away += " does not start: systemctl status pinwheel, journalctl -u pinwheel"
    assert shown(replace(SEEN, problem=away))[3].endswith("journalctl -u pinwheel")
    assert any(line.startswith("  sim1") for line in old)


def test_what_is_bad_is_said_and_not_only_coloured() -> None:
    bad = frame(replace(SEEN, state=replace(STATE, health="nothing can be sent")), Size(80, 24), View())
    assert (bad[0].style, "health BAD" in bad[0].text) == (Style.WARNING, True)
    assert bad[1].text.startswith("! nothing can be sent")


def test_a_gateway_without_devices_has_no_tables() -> None:
    lines = shown(replace(SEEN, state=State(reasons=("a", "b"))))
    assert "queue   no device is configured" in lines
    assert not any(line.startswith(("  DEVICE", "  CALLS", "  trunk")) for line in lines)
    assert "health ok, 2 problems" in lines[0]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.NAME, ["sim1", "sim2", "sim3"]),
        (Sort.STATE, ["sim2", "sim3", "sim1"]),
        (Sort.SENT, ["sim3", "sim1", "sim2"]),
        (Sort.PACE, ["sim1", "sim2", "sim3"]),
    ],
)
def test_modems_are_sorted(sort: Sort, order: list[str]) -> None:
    assert [line[2:6] for line in shown(SEEN, view=View(sort=sort)) if line.startswith("  sim")] == order


def test_a_filter_keeps_what_has_its_text() -> None:
    lines = shown(SEEN, view=View(filter="EVENT 7 "))
    assert [line for line in lines if ID in line] == [f"17:03:07  {ID}  event 7 delivered"]
    assert "/ filter (EVENT 7 ; Esc: all)  arrows" in lines[-1]


def test_once_is_the_whole_of_it_without_keys_or_empty_lines() -> None:
    lines = once(SEEN, 80)
    assert (lines[-1], "" in lines) == (f"17:03:29  {ID}  event 29 delivered", False)


# --- keys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "view"),
    [
        ("q", View(done=True)),
        ("Q", View(done=True)),
        ("p", View(paused=True)),
        ("pp", View()),
        (" ", View(paused=True)),
        ("s", View(sort=Sort.STATE)),
        ("ssss", View()),
        ("\x1b[A\x1bOB\x1b[1;5C", View()),
        ("x", View()),
        ("/qp", View(filter="qp", editing=True)),
        ("/qp\x7f\r", View(filter="q")),
        ("/q\x01\r", View(filter="q")),
        ("/q\x1b", View()),
        ("/q\rp\x1b", View(paused=True)),
        ("/" + "y" * 99, View(filter="y" * 60, editing=True)),
    ],
)
def test_keys_change_what_is_shown(keys: str, view: View) -> None:
    assert pressed(View(), keys) == view


def test_a_picture_that_stands_says_so() -> None:
    assert shown(SEEN, view=View(paused=True))[0].endswith("17:03:12 paused")
    assert "p go on" in shown(SEEN, view=View(paused=True))[-1]


# --- rows and their details --------------------------------------------------------------------------------

SIM1, TRUNK, CALL = Row(Kind.MODEM, "sim1"), Row(Kind.TRUNK), Row(Kind.CALL, ID)


@pytest.mark.parametrize(
    ("keys", "chosen", "opened"),
    [
        ("\x1b[B", SIM1, False),
        ("\x1bOB" * 4, TRUNK, False),
        ("jjk", SIM1, False),
        ("k", SIM1, False),
        ("j" * 99, Row(Kind.CALL, ID[::-1]), False),
        ("\r", SIM1, True),
        ("jjjjj\n", CALL, True),
        ("jjjj\rk", Row(Kind.MODEM, "sim3"), True),
        ("j\r\x1b", SIM1, False),
        ("j\r\x1b\x1b", None, False),
        ("/fritz\r\r", TRUNK, True),
        ("j\r/x\r", SIM1, False),
    ],
)
def test_arrows_choose_a_row_and_enter_opens_it(keys: str, chosen: Row | None, opened: bool) -> None:
    view = View()
    for key in keys if "\x1b[" not in keys and "\x1bO" not in keys else [keys]:
        view = pressed(view, key, rows(STATE, view))
    assert (view.chosen, view.opened, view.editing) == (chosen, opened, False)


def test_where_nothing_can_be_chosen_nothing_is() -> None:
    assert pressed(View(), "j\r", rows(None, View())) == View()
    assert pressed(View(chosen=Row(Kind.CALL, "gone")), "j", rows(STATE, View())).chosen == SIM1
    assert pressed(View(chosen=Row(Kind.CALL, "gone")), "\r", rows(STATE, View())).request_id == "gone"


def test_a_chosen_row_has_a_mark_and_stays_in_sight() -> None:
    assert shown(SEEN, view=View(chosen=CALL))[10] == f"> ringing   3 s         {ID}"
    many = replace(STATE, modems=tuple(Modem(f"sim{n}", "ready") for n in range(10, 70)))
    lines = shown(replace(SEEN, state=many), view=View(chosen=Row(Kind.MODEM, "sim65")))
    at = next(n for n, line in enumerate(lines) if line.startswith("> sim65"))
    assert (lines[at - 1][:7], lines[at + 1]) == ("  sim64", f"  ... and {60 - (at - 4)} more")


def test_what_is_chosen_is_shown_in_detail_with_its_own_events() -> None:
    facts = (("state", "ready"), ("remarks", "words " * 30))
    happened = (Happened("17:00:00", ID, "sent", "sim1"), Happened("17:00:01", "b" * 32, "dialling", "voice"))
    state = replace(STATE, modems=(replace(MODEMS[0], facts=facts),))
    seen = replace(SEEN, state=state, happened=happened, problem="the daemon is away")
    lines = shown(seen, view=View(chosen=SIM1, opened=True))
    assert lines[1:4] == ["! the daemon is away", "MODEM sim1", "  state            ready"]
    assert lines[5].startswith(" " * 19 + "words")
    assert [line for line in lines if line.startswith("17:")] == [f"17:00:00  {ID}  sent"]
    assert lines[-1] == "q quit  p pause  arrows next  Esc back"
    trunk = shown(seen, view=View(chosen=TRUNK, opened=True))
    assert trunk[2:4] == ["TRUNK", "  state            ready"]
    assert any(line.endswith("dialling") for line in trunk)
    call = shown(replace(seen, asked=Asked(ID, (("brand", "Acme"),))), view=View(chosen=CALL, opened=True))
    assert call[3:5] == ["  call             ringing for 3 s", "  brand            Acme"]
    # Of a gateway that is busy, the last events used to be of other requests only.
    own = Asked(ID, (), (Happened("16:59:00", ID, "began"),))
    lines = shown(replace(seen, asked=own, happened=()), view=View(chosen=CALL, opened=True))
    assert [line for line in lines if line.startswith("16:")] == [f"16:59:00  {ID}  began"]


@pytest.mark.parametrize("row", [Row(Kind.MODEM, "sim9"), Row(Kind.TRUNK), Row(Kind.CALL, "c" * 32)])
def test_what_has_gone_meanwhile_is_said_to_be_gone(row: Row) -> None:
    for state in (None, State()):
        lines = shown(Seen(state=state, asked=Asked("d", ())), view=View(chosen=row, opened=True))
        assert lines[2].endswith("the call has ended" if row.kind is Kind.CALL else "is not there any more")


def test_facts_are_what_is_known_with_masked_numbers() -> None:
    counts = {"sent": {"hour": 1, "day": 2}, "limits": {"hour": 0, "day": 50}}
    least = {"name": "sim1", "state": "absent", **counts}
    known = (("state", "absent"), ("signal", "not known"), ("last hour", "1"), ("last day", "2 of 50"))
    assert modem_facts(least) == known
    left = {"amount": 12.5, "currency": "EUR", "age_s": 7300}
    assert dict(modem_facts({**least, "balance": left}))["balance"] == "12.50 EUR, 2 h ago"
    assert dict(modem_facts({**least, "balance": {**left, "currency": ""}}))["balance"] == "12.50, 2 h ago"
    full = {
        **least,
        "signal_dbm": -71,
        "busy": True,
        "usual_s": 2.5,
        "outcomes": {"sent": 3, "failed": 1, "uncertain": 0},
    }
    full |= {"last_error": "447700900123 is barred", "last_error_at": "11:00", "last_error_over": True}
    found = dict(modem_facts({**full, "port": "/dev/usb-0123456789", "detail": "no port", "remarks": ["a", "b"]}))
    assert found["last error"] == "over: 11:00 4477******23 is barred"
    assert (found["port"], found["remarks"], found["state"]) == ("/dev/usb-0123456789", "a; b", "absent: no port")
    assert (found["since the start"], found["now"], found["an SMS takes"]) == ("3 sent, 1 failed", "sends", "2.5 s")
    tried = {"event": 2, "channel": "tts", "device": "voice", "pin": "A", "state": "failed", "detail": "busy (486)"}
    ended = {"number": "447700900123", "brand": "Acme", "status": "EXPIRED", "event": 2, "events": 2, "locale": "en-gb"}
    said = dict(request_facts({**ended, "workflow_id": 1, "submitted": "11:00", "due": "", "attempts": [tried]}))
    assert said["event 2"] == "tts by voice, PIN A, failed: busy (486)"
    assert (said["status"], "due" in said) == ("expired, event 2 of 2", False)
    assert dict(trunk_facts({"state": "ready"})) == {"state": "ready", "calls": "0 under way, 0 waiting"}


# --- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "step", "detail", "said"),
    [
        ("started", None, "workflow 1, en-gb", "request started: workflow 1, en-gb"),
        ("event", 0, "sms A", "event 1 begins: SMS with PIN A"),
        ("event", 0, "", "event 1 begins"),
        ("sent", 0, "", "event 1 accepted by the network"),
        ("sending", 0, "sim1", "event 1 given to sim1"),
        ("sending", 2, "voice", "event 3 given to the trunk"),
        ("sending", 2, "", "event 3 given to the device"),  # as an older version wrote it
        ("failed", None, "", "ended, not verified"),
        ("failed", 1, "busy (486)", "event 2 failed: busy (486)"),
        ("new-kind", None, None, "new-kind"),
        ("new-kind", 3, "x", "event 4 new-kind: x"),
    ],
)
def test_a_line_of_history_is_a_sentence(kind: str, step: int | None, detail: str | None, said: str) -> None:
    assert words({"kind": kind, "step": step, "detail": detail}) == said


def test_spans_and_signals_are_short() -> None:
    assert [span(s) for s in (0, 59.9, 60, 3_660, 90_000)] == ["0 s", "59 s", "1 min 0 s", "1 h 1 min", "1 d 1 h"]
    assert [bars(dbm) for dbm in (-51, -90, None, -120)] == ["▂▄▆█", "▂▄  ", "none", "none"]


def test_numbers_in_what_others_wrote_are_masked() -> None:
    line = {"at": "2026-11-28 17:03:11Z", "request_id": "", "kind": "incoming", "step": None}
    (found,) = happened_in([{**line, "detail": "sim1 from 447700900123: call 07700900124"}])
    assert found.words == "incoming SMS: sim1 from 4477******23: call 0770*****24"
    assert [each.at for each in happened_in([{**line, "at": "soon", "detail": ""}])] == ["soon"]


def test_a_daemon_that_says_less_is_shown_as_far_as_it_goes() -> None:
    assert state_of({"version": "0.0.9"}) == State("0.0.9")


# --- a daemon, and a terminal ------------------------------------------------------------------------------


class Terminal:
    """A program on a pseudo-terminal of 80 x 24, and what it has written there."""

    def __init__(self, *command: str) -> None:
        self.side, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(other)
        environment = {**os.environ, "TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}
        environment.pop("COLUMNS", None), environment.pop("LINES", None)
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True
        )
        self.other, self.text = other, ""

    def until(self, wanted: str, seconds: float = 20.0) -> str:
        """What was written up to and with this; it is removed."""
        end = time.monotonic() + seconds
        while wanted not in self.text:
            assert select.select([self.side], [], [], max(end - time.monotonic(), 0))[0], self.text
            self.text += os.read(self.side, 65536).decode(errors="replace")
        found, wanted, self.text = self.text.partition(wanted)
        return found + wanted

    def press(self, keys: str) -> None:
        os.write(self.side, keys.encode())

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10)
        os.close(self.side)
        os.close(self.other)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("top"), modem_section("/nowhere/tty"))
    gateway.start()
    yield gateway
    gateway.stop()


@contextlib.contextmanager
def on_terminal(gateway: Gateway, program: str = "from daemon.cli import main; main()") -> Iterator[Terminal]:
    terminal = Terminal(sys.executable, "-c", program, "--socket", str(gateway.socket), "top")
    try:
        yield terminal
    finally:
        terminal.close()


def ended(terminal: Terminal) -> int:
    """The exit status, once the cursor is there, lines wrap, the first screen is back, and keys are echoed."""
    terminal.until("\x1b[?7h\x1b[?25h\x1b[?1049l")
    status = terminal.process.wait(10)
    assert termios.tcgetattr(terminal.other) == terminal.before
    return status


def test_top_follows_keys_sizes_and_pauses_and_q_ends_it(gateway: Gateway) -> None:
    with on_terminal(gateway) as terminal:
        terminal.until("modem sim1 is absent")
        assert terminal.until("q quit").count("\x1b[33m") == 0  # NO_COLOR
        terminal.press("p")
        terminal.until("paused")
        fcntl.ioctl(terminal.side, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 40, 0, 0))
        terminal.until(fit("q quit  p go on  s sort (name)  / filter  arrows", 40) + "\x1b[0m\x1b[H")
        terminal.press("\x1b[B\r")
        terminal.until("MODEM sim1")
        terminal.press("q")
        assert ended(terminal) == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_the_terminal_as_it_was(gateway: Gateway, number: signal.Signals, status: int) -> None:
    with on_terminal(gateway) as terminal:
        terminal.until("q quit")
        terminal.process.send_signal(number)
        assert ended(terminal) == status


CRASHES = """
import daemon.cli.top.terminal as terminal
def frame(*_): raise ZeroDivisionError
terminal.frame = frame
from daemon.cli import main
main()
"""


def test_a_defect_of_ours_leaves_the_terminal_as_it_was(gateway: Gateway) -> None:
    with on_terminal(gateway, CRASHES) as terminal:
        assert ended(terminal) == 1


def test_where_there_is_no_terminal_one_snapshot_is_printed(gateway: Gateway) -> None:
    runner, words = CliRunner(), ["--socket", str(gateway.socket), "top"]
    request = gateway.verify("447700900105")
    done = runner.invoke(main, words)
    assert done.exit_code == 0
    assert max(map(width_of, done.output.splitlines())) <= 80
    assert f"{request}  request started" in done.output
    found = json.loads(runner.invoke(main, [*words, "--json"]).output)
    assert found["status"]["per_minute"] == {"started": 1, "verified": 0, "ended": 0}
    assert found["status"]["queues"]["sms"]["waiting"] == 1
    facts = dict(Reader(gateway.client).look(request).asked.facts)  # type: ignore[union-attr]
    assert (facts["number"], facts["event 1"]) == ("4477******05", "sms, PIN A, queued")
    assert Reader(gateway.client).look("nobody").asked is None
    away = runner.invoke(main, ["--socket", "/nowhere", "top", "--once"])
    assert (away.exit_code, "cannot reach" in away.output) == (3, True)
