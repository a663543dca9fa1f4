"""The terminal: keys in, pictures out. Whatever ends the program, the terminal is as it was before.

Signals and news wake the loop through pipes, so there is one place where it waits, and no picture is drawn twice.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace

from daemon.cli.localtime import now_text
from daemon.cli.top.frame import Line, Size, Style, frame, rows
from daemon.cli.top.seen import Seen
from daemon.cli.top.view import View, pressed

BETWEEN_S = 0.25  # pictures
TICK_S = 1.0  # a new picture also without news: ages go on
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # another screen, no cursor, no wrapping (xterm's control sequences)
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
HOME, CLEAR_LINE = "\x1b[H", "\x1b[2K"
WITHOUT = {Style.PLAIN: "", Style.TITLE: "\x1b[1m", Style.WARNING: "", Style.CHOSEN: "\x1b[7m", Style.KEYS: "\x1b[7m"}
COLOURS = {**WITHOUT, Style.WARNING: "\x1b[33m"}  # but with NO_COLOR
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SIGNALS = (*ENDING, signal.SIGWINCH, signal.SIGTSTP)


def interactive() -> bool:
    """Whether there is a terminal to draw on, and keys to press."""
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def size() -> Size:
    return Size(*shutil.get_terminal_size())


def watch(look: Callable[[str], Seen], every_s: float = 1.0) -> int:
    """Draw what `look` sees until somebody presses q (0) or a signal ends it (128 and its number).

    look: takes the request that is shown in detail, or ""; may take long; a thread calls it.
    """
    feed = _Feed(look, every_s)
    with _signals() as woken, _screen() as screen:
        feed.start()
        return _loop(screen, feed, woken)


def _loop(screen: "_Screen", feed: "_Feed", woken: int) -> int:
    view, seen, arrived, drawn, keyboard = View(), Seen(), time.monotonic(), 0.0, sys.stdin.fileno()
    while not view.done:
        screen.draw(frame(_now(seen, arrived), size(), view))
        drawn = time.monotonic()
        ready, _, _ = select.select([keyboard, woken, feed.wakes], [], [], TICK_S)
        if keyboard in ready:
            keys = os.read(keyboard, 1024)
            text = keys.decode(errors="ignore")
            view = pressed(view, text, rows(seen.state, view)) if keys else replace(view, done=True)
            feed.want(view.request_id)
        if woken in ready:
            came = {*os.read(woken, 1024)}
            if ends := [number for number in ENDING if number in came]:
                return 128 + int(ends[0])
            if signal.SIGTSTP in came:
                screen.suspend()
        if feed.wakes in ready:
            newest = feed.take()
            if view.paused:
                seen = replace(seen, asked=newest.asked)
            else:
                seen, arrived = newest, time.monotonic()
        time.sleep(max(drawn + BETWEEN_S - time.monotonic(), 0))
    return 0


def _now(seen: Seen, arrived: float) -> Seen:
    return replace(seen, clock=now_text(), age_s=seen.age_s + time.monotonic() - arrived)


class _Feed:
    """A thread that looks, and wakes the loop."""

    def __init__(self, look: Callable[[str], Seen], every_s: float) -> None:
        self._look, self._every_s = look, every_s
        self._newest, self._request_id = Seen(), ""
        self._wanted = threading.Event()
        self.wakes, self._wake = os.pipe()

    def start(self) -> None:
        threading.Thread(target=self._run, name="top", daemon=True).start()

    def want(self, request_id: str) -> None:
        """The request that is to be seen in detail, at once; "": none."""
        if request_id != self._request_id:
            self._request_id = request_id
            self._wanted.set()

    def take(self) -> Seen:
        os.read(self.wakes, 1024)
        return self._newest

    def _run(self) -> None:
        while True:
            self._wanted.clear()
            self._newest = self._look(self._request_id)
            os.write(self._wake, b"\0")
            self._wanted.wait(self._every_s)


class _Screen:
    """What is drawn on. Made by `_screen`, which restores the terminal."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._fd)
        self._looks = WITHOUT if os.environ.get("NO_COLOR") else COLOURS

    def enter(self) -> None:
        tty.setcbreak(self._fd)
        _write(ENTER)

    def leave(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal is gone
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
            _write(LEAVE)

    def draw(self, lines: list[Line]) -> None:
        drawn = (f"{CLEAR_LINE}{self._looks[line.style]}{line.text}\x1b[0m" for line in lines)
        _write(HOME + "\r\n".join(drawn))

    def suspend(self) -> None:
        """Stop as Ctrl-Z stops any program, and go on after `fg`."""
        self.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.enter()


@contextlib.contextmanager
def _screen() -> Iterator[_Screen]:
    screen = _Screen()
    try:
        screen.enter()
        yield screen
    finally:
        screen.leave()


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """A pipe from which the numbers of the signals that came can be read; they do nothing else meanwhile."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    wakes = signal.set_wakeup_fd(writes)
    try:
        yield reads
    finally:
        signal.set_wakeup_fd(wakes)
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
