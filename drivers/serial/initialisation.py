"""A session's begin: from any state the modem may be in to one in which it can send a message. Pure."""

import contextlib
from dataclasses import dataclass

from drivers import DeviceState
from drivers.serial import at, dialects
from drivers.serial.imei import same
from drivers.serial.modem import Modem
from drivers.serial.modem_status import Became
from drivers.serial.procedure import Idle, Procedure, SetRate, Time, TrustEcho
from drivers.serial.session_chores import SessionChores
from drivers.serial.session_ends import Blocked, Silent, WrongPort
from drivers.serial.timing import Timing


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which modem is meant. imei: "" if any; searched: port is a pattern; has_pin: we were given the SIM's PIN."""

    port: str
    imei: str
    searched: bool
    has_pin: bool


def initialise(
    modem: Modem, chores: SessionChores, wanted: Wanted, rates: tuple[int, ...], timing: Timing
) -> Procedure[int]:
    """What a message needs; returns the speed that fits. Raises Silent, Blocked, WrongPort."""
    rate = yield from _find_rate(modem, rates)
    yield from modem.reply("ATE0")
    yield from modem.dialect.use(dialects.ERRORS)
    yield TrustEcho()
    yield from _recognise(modem, chores, wanted)
    if (yield from modem.is_asleep()) and chores.pulse.believes((yield Time()).now):
        yield from modem.wake()
    yield from modem.unlock(has_pin=wanted.has_pin)
    yield from _insist_on_pdu_mode(modem, timing, wanted.port)
    for setting in dialects.SETTINGS[1 : dialects.URGENT]:
        yield from modem.dialect.use(setting)
    yield from chores.network.find()
    yield from chores.set_up()
    return rate


def _find_rate(modem: Modem, rates: tuple[int, ...]) -> Procedure[int]:
    for rate in rates:
        yield SetRate(rate)
        with contextlib.suppress(Silent):
            yield from modem.dialogue.wake()
            return rate
    raise Silent("no baud rate fits")


def _recognise(modem: Modem, chores: SessionChores, wanted: Wanted) -> Procedure[None]:
    """Where it matters. Raises WrongPort unless this is the modem, and the port, that was meant."""
    if wanted.imei or wanted.searched:
        found = yield from chores.identify()
        if wanted.imei and not same(found.imei, wanted.imei):
            raise WrongPort(f"no modem with the IMEI {wanted.imei} at {wanted.port}")
    if wanted.searched and not (yield from modem.takes_messages()):
        raise WrongPort(f"no port at {wanted.port} takes messages")


def _insist_on_pdu_mode(modem: Modem, timing: Timing, port: str) -> Procedure[None]:
    """Without it nothing can be sent; a modem that is still starting refuses it, for a minute at most.

    Raises WrongPort where it is a port for something else, Blocked where the modem has no such mode.
    """
    end = (yield Time()).now + timing.starting
    while not (reply := (yield from modem.reply("AT+CMGF=0"))).ok:
        cause = at.cause(reply.final)
        now = (yield Time()).now
        if now >= end and not (yield from modem.takes_messages()):
            raise WrongPort(f"the port {port} takes no messages")
        if now >= end:
            raise Blocked(f"the modem has no PDU mode (AT+CMGF=0: {cause}): it cannot be used")
        yield Became(DeviceState.STARTING, f"the modem does not accept AT+CMGF=0 yet: {cause}")
        yield Idle(now + timing.busy)
