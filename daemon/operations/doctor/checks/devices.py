"""The daemon's own view of its store, its modems and its trunk. Pure.

The daemon judges these for status, /healthz and the metrics; the doctor takes them from there.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from daemon.core.canary import SEVERAL as SEVERAL_TRIALS
from daemon.lanes.snapshots import VOICE, Duty, ModemSnapshot, VoiceSnapshot
from daemon.operations.doctor.facts import Inside
from daemon.operations.doctor.verdicts import Verdict, error, parted, warning
from drivers import DeviceState, Reason

AT_WORK = (DeviceState.READY, DeviceState.STARTING)
OF_PORT = frozenset({Reason.NO_PORT, Reason.PORT_HELD, Reason.NO_PERMISSION, Reason.NOT_SERIAL})
OF_SIM = frozenset({Reason.NO_SIM, Reason.SIM_PIN, Reason.SIM_PUK})
REMEDIES = {
    Reason.NONE: "journalctl -u pinwheel; the log of the trunk may say more",
    Reason.SILENT: "pinwheel doctor trunk-reached",
    Reason.UNAUTHORIZED: "check [voice] username, auth_username and password_file",
    Reason.FORBIDDEN: "ask the trunk: is the account blocked, or bound to another address?",
    Reason.UNKNOWN_ACCOUNT: "check [voice] username and domain: the registrar does not know this account",
}
"""Of what the trunk says, or does not."""
ACCOUNT = frozenset({Reason.UNAUTHORIZED, Reason.FORBIDDEN, Reason.UNKNOWN_ACCOUNT})
WHY_UNWRITTEN = "journalctl -u pinwheel -p err says why; make room (df -h), or start PostgreSQL"
LOW_DBM = -103  # as the alert SignalLow has it
SEVERAL = 3  # failures in a row that are no accident
OLD_S = 60.0  # as the alert QueueOld has it


def in_place(inside: Inside) -> Iterator[Verdict]:
    if inside.store.misplaced is not None:
        yield error(*inside.store.misplaced)


def whole(inside: Inside) -> Iterator[Verdict]:
    if inside.store.damaged:
        yield error(
            "the daemon has met a damaged part of the database",
            "restore your newest backup; journalctl -u pinwheel -p crit names the file",
        )


def writes(inside: Inside) -> Iterator[Verdict]:
    if inside.store.broken:
        yield error("the last write to the database failed", WHY_UNWRITTEN)


def nothing_configured(inside: Inside) -> Iterator[Verdict]:
    if inside.sms is None and inside.voice is None:
        text = "the configuration has no [[modem]], and [voice] driver is none"
        yield error(text, "pinwheel setup")


# --- modems ----------------------------------------------------------------------------------------------------


def on_duty(inside: Inside) -> Iterator[Verdict]:
    for modem in _modems(inside):
        if modem.duty is not Duty.WORKING:
            yield warning(f"modem {modem.name} is {modem.duty}", f"pinwheel modems resume {modem.name}", modem.name)


def ports(inside: Inside) -> Iterator[Verdict]:
    yield from (_stopped(modem) for modem in _idle(inside) if modem.status.reason in OF_PORT)


def tty(inside: Inside) -> Iterator[Verdict]:
    """What answers is not the modem, or not its port for messages."""
    for modem in _idle(inside):
        if modem.status.reason is Reason.WRONG_PORT:
            yield replace(_stopped(modem), remedy="name another port of the stick, or: pinwheel setup")


def answers(inside: Inside) -> Iterator[Verdict]:
    yield from (_stopped(modem) for modem in _idle(inside) if modem.status.reason is Reason.SILENT)


def sims(inside: Inside) -> Iterator[Verdict]:
    yield from (_stopped(modem) for modem in _idle(inside) if modem.status.reason in OF_SIM)


def denied(inside: Inside) -> Iterator[Verdict]:
    yield from (_stopped(modem) for modem in _idle(inside) if modem.status.reason is Reason.DENIED)


def networks(inside: Inside) -> Iterator[Verdict]:
    yield from (_stopped(modem) for modem in _idle(inside) if modem.status.reason is Reason.NO_COVERAGE)


def works(inside: Inside) -> Iterator[Verdict]:
    """For whatever reason that has no name."""
    yield from (_stopped(modem) for modem in _idle(inside) if modem.status.reason is Reason.NONE)


def quotas(inside: Inside) -> Iterator[Verdict]:
    for modem in _modems(inside):
        if modem.duty is Duty.WORKING and modem.full:
            text = f"modem {modem.name} has reached its limit"
            yield warning(text, f"{modem.full}; raise it, or add a SIM", modem.name)


def signals(inside: Inside) -> Iterator[Verdict]:
    for modem in _modems(inside):
        dbm = modem.status.signal_dbm
        if dbm is not None and dbm < LOW_DBM:
            yield warning(
                f"modem {modem.name} receives {dbm} dBm", "move the antenna, or use a longer USB cable", modem.name
            )


def balances(inside: Inside) -> Iterator[Verdict]:
    for modem in _modems(inside):
        balance = modem.status.balance
        if balance is not None and balance.amount < Decimal(modem.balance_low):
            left = f"{balance.amount} {balance.currency}".rstrip()
            yield warning(f"the SIM of modem {modem.name} has {left} left", "top it up", modem.name)


def failures(inside: Inside) -> Iterator[Verdict]:
    for modem in _modems(inside):
        if modem.failures >= SEVERAL:
            why = f", the last with: {modem.last_error[1]}" if modem.last_error else ""
            text = f"modem {modem.name} has failed {modem.failures} times in a row{why}"
            yield warning(text, _trial(modem.name), modem.name)


def remarks(inside: Inside) -> Iterator[Verdict]:
    """What a modem that works does not do: no delivery reports, say."""
    for modem in _modems(inside):
        for each in (*modem.status.remarks, *modem.remarks):
            yield warning(f"modem {modem.name}: {each}", f"pinwheel modems show {modem.name}", modem.name)


def messages(inside: Inside) -> Iterator[Verdict]:
    if inside.sms is not None and inside.sms.oldest_s > OLD_S:
        text = f"{inside.sms.waiting} messages wait, the first for {inside.sms.oldest_s:.0f} s"
        yield warning(text, "pinwheel modems; add a modem, or send less")


def overload(inside: Inside) -> Iterator[Verdict]:
    if inside.sms is not None and inside.sms.overload is not None:
        yield warning(str(inside.sms.overload), "add a modem, or send less")


def canary(inside: Inside) -> Iterator[Verdict]:
    """What looks well and yet sends nothing."""
    for device, standing in inside.canary.items():
        if standing.failures >= SEVERAL_TRIALS:
            text = f"the canary of {device} has failed {standing.failures} times in a row: {standing.why}"
            yield warning(text, _trial(device), device)


def _trial(device: str) -> str:
    """The command that tries it."""
    return f"pinwheel modems test {device} --to YOUR_NUMBER" if device != VOICE else "pinwheel call test YOUR_NUMBER"


def _modems(inside: Inside) -> tuple[ModemSnapshot, ...]:
    return inside.sms.modems if inside.sms is not None else ()


def _idle(inside: Inside) -> Iterator[ModemSnapshot]:
    """Those that should work and do not."""
    for modem in _modems(inside):
        if modem.duty is Duty.WORKING and modem.status.state not in AT_WORK:
            yield modem


def _stopped(modem: ModemSnapshot) -> Verdict:
    text, remedy = parted(modem.status.detail)
    because = f": {text}" if text else ""
    return error(f"modem {modem.name} is {modem.status.state}{because}", remedy, modem.name)


# --- calls -----------------------------------------------------------------------------------------------------


def alive(inside: Inside) -> Iterator[Verdict]:
    voice = inside.voice
    if voice is not None and not voice.status.alive:
        yield error(voice.status.detail, "systemctl restart pinwheel; keep the log: it is a defect", VOICE)


def trunk_name(inside: Inside) -> Iterator[Verdict]:
    yield from _trunk(inside, frozenset({Reason.NO_ADDRESS}))


def trunk_answers(inside: Inside) -> Iterator[Verdict]:
    yield from _trunk(inside, frozenset({Reason.SILENT}))


def account(inside: Inside) -> Iterator[Verdict]:
    """401, 403 and 404 have different remedies."""
    yield from _trunk(inside, ACCOUNT)


def calls(inside: Inside) -> Iterator[Verdict]:
    """For whatever reason that has no name."""
    yield from _trunk(inside, frozenset({Reason.NONE}))


def spoken(inside: Inside) -> Iterator[Verdict]:
    voice = inside.voice
    if voice is not None and voice.status.state in AT_WORK and not voice.locales:
        yield error("voice has no prompts", "pinwheel prompts check", VOICE)


def waiting(inside: Inside) -> Iterator[Verdict]:
    if inside.voice is not None and inside.voice.oldest_s > OLD_S:
        text = f"{inside.voice.waiting} calls wait, the first for {inside.voice.oldest_s:.0f} s"
        yield warning(text, "pinwheel status; raise [voice] max_calls or calls_per_second", VOICE)


def _trunk(inside: Inside, reasons: frozenset[Reason]) -> Iterator[Verdict]:
    voice = inside.voice
    if voice is None or not voice.status.alive or voice.status.state in AT_WORK:
        return
    if voice.status.reason in reasons:
        yield _no_calls(voice)


def _no_calls(voice: VoiceSnapshot) -> Verdict:
    status = voice.status
    detail = status.detail.removesuffix("; check the account")  # the remedy says how
    text = detail if status.state is DeviceState.FAILED else f"voice is {status.state}: {detail}"
    return error(text, REMEDIES.get(status.reason, ""), VOICE)
