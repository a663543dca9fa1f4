"""A modem and a trunk tried for real: by the drivers and the configuration that the daemon will have."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import drivers
from daemon.config import Config, Modem, Voice
from daemon.core.phrases import DEFAULT_LOCALE
from daemon.operations.setup.model import Outcome
from daemon.prompts.library import PromptLibrary, shipped_prompts
from drivers import (
    Call,
    CallOutcome,
    CallPhase,
    DeviceState,
    DriverError,
    ModemStatus,
    Reason,
    Sms,
    SmsDriver,
    SmsEvent,
    TrunkStatus,
    Uncertain,
    VoiceDriver,
)

Tell = Callable[[str], None]
"""A line for the operator while something is under way."""

Status = TypeVar("Status", ModemStatus, TrunkStatus)


@dataclass(frozen=True, slots=True)
class Patience:
    """start_s: until a device is ready or says what it waits for; wait_s: for that."""

    start_s: float
    wait_s: float


MODEM = Patience(90.0, 60.0)  # a SIM needs up to a minute after it was unlocked, then the network comes
TRUNK = Patience(20.0, 12.0)
SMS_S = 60.0
UNHEARD_S = 5.0  # for an answer to OPTIONS; our own server search sends the next one then
RING_S = 30.0
CALL_S = RING_S + 60.0
LOOK_S = 0.1
VALIDITY_S = 300
UNSETTLED = (DeviceState.STARTING, DeviceState.WAITING, DeviceState.ABSENT)

MODEM_REMEDIES: Mapping[Reason, str] = {
    Reason.DENIED: "the network refuses this SIM: is it activated, paid and allowed here? Try it in a phone",
    Reason.NO_COVERAGE: "no network within a minute: move the stick or its antenna, or try the SIM in a phone",
    Reason.SIM_PIN: "enter the right PIN in a phone, which also gives all three tries back; then run setup again",
    Reason.SIM_PUK: "put the SIM into a phone and enter its PUK there",
    Reason.NO_SIM: "insert a SIM card",
    Reason.PORT_HELD: "another program has the port: stop it, then try again",
    Reason.NO_PERMISSION: "run it as root: sudo pinwheel setup",
}
TRUNK_REMEDIES: Mapping[Reason, str] = {
    Reason.NO_ADDRESS: "the name of the server leads nowhere: correct it, or check the DNS of this machine",
    Reason.UNAUTHORIZED: "the server refuses the password: type it again, and check the name for the password",
    Reason.FORBIDDEN: "the server forbids it: is this machine's address allowed there, is the account switched on?",
    Reason.UNKNOWN_ACCOUNT: "the server does not know this user name (with Asterisk: the name of the AOR)",
}
SILENT = "no answer: check name, port and transport, and that the firewall lets SIP out and back"
OURS_IN_USE = "another program has our SIP port; if it is pinwheeld, run: systemctl stop pinwheel, then try again"
CALL_REMEDIES: Mapping[CallOutcome, str] = {
    CallOutcome.BUSY: "your phone was busy: try again",
    CallOutcome.DECLINED: "the call was declined: answer it next time",
    CallOutcome.NO_ANSWER: "nobody answered: try again, and answer",
    CallOutcome.NOT_FOUND: "the trunk knows no such number: choose another way to dial",
    CallOutcome.REJECTED: "the trunk refuses the call: is the caller's number yours, may the account call out?",
    CallOutcome.UNREACHABLE: "the trunk does not answer calls: see its log",
    CallOutcome.FAILED: "no audio could be sent: see that the UDP ports of rtp_ports are free",
}


# --- the modem -------------------------------------------------------------------------------------------------


def network(row: Modem, tell: Tell, patience: Patience = MODEM) -> Outcome:
    """Whether the modem finds a network, with operator and signal."""
    with _modem(row) as driver:
        status = _settled(driver.status, patience, tell)
    if status.state is not DeviceState.READY:
        return Outcome(False, (_state(status),), (MODEM_REMEDIES.get(status.reason, status.detail),))
    signal = f"{status.signal_dbm} dBm" if status.signal_dbm is not None else "unknown"
    weak = status.signal_dbm is not None and status.signal_dbm < -100
    warning = ("the signal is weak: messages may be late; move the stick or its antenna",) if weak else ()
    return Outcome(True, (f"network {status.operator or 'found'}, signal {signal}", *warning))


def send_code(row: Modem, number: str, code: str, tell: Tell) -> Outcome:
    """A text with the code to a number (E.164 digits)."""
    began = time.monotonic()
    try:
        with _modem(row) as driver:
            status = _settled(driver.status, MODEM, tell)
            if status.state is not DeviceState.READY:
                return Outcome(False, (_state(status),), (MODEM_REMEDIES.get(status.reason, status.detail),))
            driver.send(Sms(number, f"Pinwheel setup: your code is {code}", VALIDITY_S)).result(SMS_S)
    except Uncertain as exc:
        return Outcome(True, (f"it is unknown whether the SMS was sent: {exc}",), NOT_COME, secret=code)
    except (DriverError, TimeoutError) as exc:
        why = str(exc) or f"no answer from the network within {SMS_S:g} s"
        return Outcome(False, (f"not sent: {why}",), ("is the SIM paid, may it send SMS, is the number right?",))
    took = time.monotonic() - began
    return Outcome(True, (f"the network took the SMS ({took:.1f} s)",), NOT_COME, secret=code)


NOT_COME = ("the network took the SMS, but it did not come: is the number right, is the phone on?",)


@contextlib.contextmanager
def _modem(row: Modem) -> Iterator[SmsDriver]:
    driver: SmsDriver = drivers.load(row.driver).Driver(row.name, row.options)
    driver.open(_kept)
    try:
        yield driver
    finally:
        driver.close()


def _kept(_: SmsEvent) -> "Future[bool]":
    """What comes in during the trial stays in the modem, for the daemon."""
    future: Future[bool] = Future()
    future.set_result(False)
    return future


# --- the trunk -------------------------------------------------------------------------------------------------


def register(voice: Voice, tell: Tell, patience: Patience = TRUNK) -> Outcome:
    """Whether the trunk takes our account, or answers at all where it needs no registration."""
    with _trunk(voice) as driver:
        status = _settled(driver.status, patience, tell)
        if status.state is DeviceState.READY and status.registered is None:
            status = _answered(driver, min(patience.wait_s, UNHEARD_S))
    if status.state is not DeviceState.READY:
        silent = OURS_IN_USE if "in use" in status.detail else SILENT
        return Outcome(False, (_state(status),), (TRUNK_REMEDIES.get(status.reason, silent),))
    if status.registered:
        return Outcome(True, (f"registered at {status.server}",))
    if status.answered:
        return Outcome(True, (f"{status.server} answers (OPTIONS)",))
    return Outcome(False, (f"no answer from {status.server} to OPTIONS",), ("does it know our address? See its log",))


def _answered(driver: VoiceDriver, patience_s: float) -> TrunkStatus:
    """As soon as the trunk has answered OPTIONS; some servers never do."""
    end = time.monotonic() + patience_s
    while not (status := driver.status()).answered and time.monotonic() < end:
        time.sleep(LOOK_S)
    return status


def call(config: Config, number: str, code: str, tell: Tell) -> Outcome:
    """A call that speaks the code (digits) as a PIN is spoken."""
    prompts = PromptLibrary.open([Path(config.prompts.directory), shipped_prompts()])
    audio = prompts.speech(DEFAULT_LOCALE, code, "").audio
    with _trunk(config.voice) as driver:
        status = _settled(driver.status, TRUNK, tell)
        if status.state is not DeviceState.READY:
            return Outcome(False, (_state(status),), (TRUNK_REMEDIES.get(status.reason, status.detail),))
        handle = driver.call(Call(number, audio, RING_S), lambda phase: tell(PHASES[phase]))
        try:
            result = handle.result.result(CALL_S)
        except (DriverError, TimeoutError) as exc:
            handle.hang_up()
            return Outcome(False, (f"no call: {exc}",), ("try again",))
    if result.outcome is not CallOutcome.ANSWERED:
        sip = f" (SIP {result.sip_code})" if result.sip_code else ""
        return Outcome(False, (f"{result.outcome}{sip} {result.reason}".rstrip(),), (CALL_REMEDIES[result.outcome],))
    said = f"answered after {result.ring_s:.0f} s, spoke for {result.talk_s:.0f} s"
    unheard = "no audio came from the phone: if you heard nothing, a NAT or a firewall is in the way"
    return Outcome(True, (said, *((unheard,) if result.one_way else ())), SILENT_CALL, secret=code)


PHASES = {
    CallPhase.DIALLING: "dialling ...",
    CallPhase.RINGING: "ringing: answer it, and listen ...",
    CallPhase.ANSWERED: "answered; the voice speaks ...",
}
SILENT_CALL = ('nothing heard: audio does not come back through a NAT; set external_address = "auto", see rtp_ports',)


@contextlib.contextmanager
def _trunk(voice: Voice) -> Iterator[VoiceDriver]:
    driver: VoiceDriver = drivers.load(voice.driver).Driver(voice.driver, voice.options)
    driver.open(lambda _: None)
    try:
        yield driver
    finally:
        driver.close()


# --- both ------------------------------------------------------------------------------------------------------


def _settled(ask: Callable[[], Status], patience: Patience, tell: Tell) -> Status:
    """Ready, failed for good, or how it is when the patience is over; each new reason is shown meanwhile."""
    end, said, waits_since = time.monotonic() + patience.start_s, "", float("inf")
    while (status := ask()).state in UNSETTLED:
        now = time.monotonic()
        waits_since = min(waits_since, now) if status.state is DeviceState.WAITING else float("inf")
        if now >= min(end, waits_since + patience.wait_s):
            break
        if status.detail not in (said, ""):
            said = status.detail
            tell(f"{said} ...")
        time.sleep(LOOK_S)
    return status


def _state(status: ModemStatus | TrunkStatus) -> str:
    return status.detail or str(status.state)
