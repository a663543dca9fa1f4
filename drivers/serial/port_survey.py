"""What answers at a serial port: a look of two seconds, before any driver is configured.

It asks, and sets nothing but that the modem does not echo and says why it refuses, until its next restart. It enters no
PIN and knows no state: whoever wants to send opens a driver.
"""

import contextlib
import time

from drivers.serial import at
from drivers.serial.at import Reply
from drivers.serial.ends import Interrupted, Lost, Silent
from drivers.serial.line import Line
from drivers.serial.modem import IMEI, NO_SIM, OF_SIM, OPEN, REMOVED
from drivers.serial.ports import FAILURES, failure, opened
from drivers.survey import SURVEY_S, SimLock, Survey
from drivers.wake import Wake

RATE = 115200  # USB modems ignore it
AWAKE_S = 0.4  # for each try of the first AT
ANSWER_S = 0.6  # for each question
TRIES = ("AT", "ATQ0V1", "AT")  # a stored profile may have results in digits, or none (V.250 6.2.5, 6.2.6)
SILENT = "nothing answers to AT: another port of the stick may, or the modem hangs (unplug it and plug it in again)"
LOCKS = {"SIM PIN": SimLock.PIN, "SIM PUK": SimLock.PUK, **dict.fromkeys(OPEN - {""}, SimLock.OPEN)}


def survey(port: str) -> Survey:
    """See `drivers`. The modem's messages are neither read nor deleted."""
    until = time.monotonic() + SURVEY_S
    try:
        with contextlib.closing(Wake()) as wake, opened(port, RATE, rtscts=False) as device:
            line = Line(device, wake, lambda _: None, lambda: until)
            with contextlib.closing(line):
                return _asked(line)
    except FAILURES as exc:
        return Survey(failure(port, exc).cause)
    except Lost as exc:
        return Survey(str(exc))
    except (Silent, Interrupted, at.Malformed):
        return Survey(SILENT)


def _asked(line: Line) -> Survey:
    """Raises Silent, Lost, Interrupted."""
    _wake(line)
    for command in ("ATE0", "AT+CMEE=1"):
        _reply(line, command)
    imei = IMEI.search(_text(line, "AT+CGSN"))
    takes = _reply(line, "AT+CMGS=?")
    return Survey(
        "",
        _text(line, "AT+CGMM").strip('"'),
        imei[0] if imei else "",
        _lock(_reply(line, "AT+CPIN?", "+CPIN")),
        takes.ok or takes.final.code in OF_SIM,
        _centre(_reply(line, "AT+CSCA?", "+CSCA")),
    )


def _wake(line: Line) -> None:
    """Raises Silent."""
    for command in TRIES:
        with contextlib.suppress(Silent):
            line.ask(command, timeout_s=AWAKE_S)
            return
    raise Silent("no answer to AT")


def _reply(line: Line, command: str, answer: str = "", *, free_text: bool = False) -> Reply:
    """ "NONE" where it does not come in time: what answers AT need not know the rest."""
    try:
        return line.ask(command, answer, free_text=free_text, timeout_s=ANSWER_S)
    except Silent:
        return Reply(at.Final("NONE"), [])


def _text(line: Line, command: str) -> str:
    name = at.answer_name(command)
    answers = _reply(line, command, name, free_text=True).answers
    return answers[0].removeprefix(f"{name}:").strip() if answers else ""


def _lock(reply: Reply) -> SimLock:
    state = at.fields(reply.answers[0])[0] if reply.answers else ""
    if reply.final.code in NO_SIM or state in REMOVED:
        return SimLock.ABSENT
    return LOCKS.get(state, SimLock.UNKNOWN)


def _centre(reply: Reply) -> bool | None:
    """3GPP 27.005 3.3.1."""
    return bool(at.fields(reply.answers[0])[0].strip("+")) if reply.answers else None
