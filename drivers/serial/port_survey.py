"""What answers at a serial port: a look of two seconds, before any driver is configured.

It asks, and sets nothing but that the modem does not echo and says why it refuses, until its next restart. It enters no
PIN and knows no state: whoever wants to send opens a driver.
"""

import contextlib
import time

from drivers.serial import at
from drivers.serial.at import Reply
from drivers.serial.dialogue import ask
from drivers.serial.error_causes import ResultKind
from drivers.serial.imei import IMEI
from drivers.serial.line import Line
from drivers.serial.modem import NO_SIM, OF_SIM, OPEN, REMOVED, shown
from drivers.serial.ports import FAILURES, failure, opened
from drivers.serial.procedure import Talk, run
from drivers.serial.session_ends import Interrupted, Lost, Silent
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
                return run(_asked(), line.carry_out)
    except FAILURES as exc:
        return Survey(failure(port, exc).cause)
    except Lost as exc:
        return Survey(str(exc))
    except (Silent, Interrupted, at.Malformed):
        return Survey(SILENT)


def _asked() -> Talk[Survey]:
    """Raises Silent."""
    yield from _wake()
    for command in ("ATE0", "AT+CMEE=1"):
        yield from _reply(command)
    imei = IMEI.search((yield from _text("AT+CGSN")))
    takes = yield from _reply("AT+CMGS=?")
    return Survey(
        model=shown((yield from _text("AT+CGMM")).strip('"')),
        imei=imei[0] if imei else "",
        sim=_lock((yield from _reply("AT+CPIN?", "+CPIN"))),
        messages=takes.ok or takes.final.code in OF_SIM,
        centre=_centre((yield from _reply("AT+CSCA?", "+CSCA"))),
    )


def _wake() -> Talk[None]:
    """Raises Silent."""
    for command in TRIES:
        with contextlib.suppress(Silent):
            yield from ask(command, timeout_s=AWAKE_S)
            return
    raise Silent("no answer to AT")


def _reply(command: str, answer: str = "", *, free_text: bool = False) -> Talk[Reply]:
    """It ends in NONE where no answer comes in time: what answers AT need not know the rest."""
    try:
        return (yield from ask(command, answer, free_text=free_text, timeout_s=ANSWER_S))
    except Silent:
        return Reply(at.Final(ResultKind.NONE), [])


def _text(command: str) -> Talk[str]:
    reply = yield from _reply(command, at.answer_name(command), free_text=True)
    return at.text_of(reply, command)


def _lock(reply: Reply) -> SimLock:
    state = at.fields(reply.answers[0])[0] if reply.answers else ""
    if reply.final.code in NO_SIM or state in REMOVED:
        return SimLock.ABSENT
    return LOCKS.get(state, SimLock.UNKNOWN)


def _centre(reply: Reply) -> bool | None:
    """3GPP 27.005 3.3.1."""
    return bool(at.fields(reply.answers[0])[0].strip("+")) if reply.answers else None
