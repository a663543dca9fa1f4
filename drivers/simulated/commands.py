"""The commands of a simulated modem (3GPP 27.005, PDU mode): what each answers, and what it changes.

A command is a function of the state and its parameters; it knows no line and no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.simulated.state import STORAGE, State


@dataclass(frozen=True, slots=True)
class Failure:
    """kind: "CME", "CMS", or "ERROR" for a bare one."""

    kind: str
    code: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A message of this length (27.005 3.5.1) may follow."""

    length: int


@dataclass(frozen=True, slots=True)
class Dial:
    """OK, and then what the network answers by USSD, if it does."""

    lines: tuple[str, ...] = field(repr=False)


class Restart:
    """OK, and then it restarts."""


Answer = tuple[str, ...] | Failure | Prompt | Dial | Restart
"""Lines, or what else happens."""
OK = ("OK",)
NOT_KNOWN = ("+CUSD: 4",)  # to a code that the network does not know

LINES: dict[str, str] = {
    "I": "Pinwheel simulated modem",
    "+CGMI": "Pinwheel",
    "+CGMM": "simulated modem",
    "+CGMR": "1",
    "+CIMI": "234150999999999",
    "+CSQ": "+CSQ: {signal},0",
    "+COPS?": '+COPS: 0,0,"Simulated",7',
    "+CSCA?": '+CSCA: "+447785016005",145',
    "+CSCS?": '+CSCS: "GSM"',
    "+CSCS=?": '+CSCS: ("GSM","UCS2","HEX")',
    "+CFUN?": "+CFUN: {functionality}",
    "+CGSN": "{imei}",
    "+CMEE?": "+CMEE: {numeric_errors:d}",
    "+CMGF?": "+CMGF: 0",
    "+CMGF=?": "+CMGF: (0)",
    "+CNMI?": "+CNMI: 2,1,0,{reports},0",
    "+CNMI=?": "+CNMI: (0-3),(0,1),(0),(0-2),(0,1)",
    "+CPMS=?": '+CPMS: ("SM","SR"),("SM"),("SM")',
    "+CPINR": "+CPINR: SIM PIN,{tries}",
    "+CPIN?": "+CPIN: {lock}",
    "+CREG?": "+CREG: 1,{registered}",
    "+CGREG?": "+CGREG: 1,{registered}",
    "+CEREG?": "+CEREG: 1,{registered}",
    "+CSMS?": "+CSMS: {phase},1,1,1",
}
"""Commands (without their parameters) that answer one line."""
ACCEPTED = frozenset({"", "Z", "&F", "+CMMS", "+CREG", "+CGREG", "+CEREG", "+CSCS", "+CSCA", "+CSDH"})
"""Commands that only say OK."""
WITHOUT_SIM = frozenset(
    {"", "Z", "I", "E", "Q", "V", "+CFUN", "+CFUN?", "+CMEE", "+CMEE?", "+CPIN", "+CPIN?", "+CPINR"}
    | {"+CGMI", "+CGMM", "+CGMR", "+CGSN"}
)


def obey(state: State, name: str, value: str, up_s: float) -> Answer:
    """What the modem answers. name: with "?" or "=?" for a query; up_s: how long ago it started."""
    if name in state.dialect.unknown:
        return Failure("CME", 4)
    if name in state.dialect.not_yet and up_s < state.dialect.starting_s:
        return Failure(*state.dialect.not_yet_error)
    if state.sim.locked and name not in WITHOUT_SIM:
        return Failure("CME", 11)
    if name in COMMANDS:
        return COMMANDS[name](state, value)
    if name in LINES:
        return LINES[name].format(**_words(state)), "OK"
    return OK if name in ACCEPTED else Failure("CME", 4)


def _words(state: State) -> dict[str, object]:
    lock = "SIM PIN" if state.sim.tries else "SIM PUK"
    return {
        "imei": state.imei,
        "tries": state.sim.tries,
        "lock": lock if state.sim.locked else "READY",
        "registered": state.network.registered if state.functionality == 1 else 0,
        "signal": state.network.signal,
        "functionality": state.functionality,
        "numeric_errors": state.numeric_errors,
        "reports": state.reports,
        "phase": state.phase,
    }


def echo(state: State, value: str) -> Answer:
    state.echo = value != "0"
    return OK


def results(state: State, value: str) -> Answer:
    state.verbose = value.upper() in ("0V1", "1")  # of ATQ0V1 and ATV1
    return OK


def cmee(state: State, value: str) -> Answer:
    state.numeric_errors = value == "1"
    return OK


def csms(state: State, value: str) -> Answer:
    state.phase = value
    return "+CSMS: 1,1,1", "OK"


def cnma(state: State, _: str) -> Answer:
    waited, state.unacknowledged = state.unacknowledged, False
    return OK if waited else Failure("CMS", 340)


def cpin(state: State, value: str) -> Answer:
    return OK if state.sim.unlock(value.strip('"')) else Failure("CME", 16)


def cmgf(_: State, value: str) -> Answer:
    return OK if value == "0" else Failure("CMS", 303)


def cnmi(state: State, value: str) -> Answer:
    wanted = (value.split(",") + ["0"] * 5)[3] or "0"
    if wanted not in ("0", "1", "2"):
        return Failure("CMS", 303)
    reports = int(wanted)
    unacknowledged = reports and state.dialect.acknowledged and state.phase != "1"
    if unacknowledged or (reports == 1 and state.dialect.stores_reports):
        return Failure("CMS", 303)
    state.reports = reports
    return OK


def cpms(state: State, value: str) -> Answer:
    storage = value.split(",")[0].strip('"')
    if storage not in state.storage.pdus or value.count(",") + 1 not in state.dialect.storages:
        return Failure("CMS", 302)
    state.storage.reading = storage
    rest = f"{len(state.storage.pdus['SM'])},{STORAGE}"
    return f"+CPMS: {len(state.storage.read)},{STORAGE},{rest},{rest}", "OK"


def cpms_query(state: State, _: str) -> Answer:
    names = (state.storage.reading, "SM", state.dialect.announced_incoming or state.dialect.incoming)
    used = ",".join(f'"{name}",{len(state.storage.pdus[name])},{STORAGE}' for name in names)
    return f"+CPMS: {used}", "OK"


def cmgl(state: State, _: str) -> Answer:
    return *(f"+CMGL: {index},1,,{_whole(pdu)}" for index, pdu in state.storage.read.items()), "OK"


def cmgr(state: State, value: str) -> Answer:
    pdu = state.storage.read.get(int(value)) if value.isdecimal() else None
    return Failure("CMS", 321) if pdu is None else (f"+CMGR: 1,,{_whole(pdu)}", "OK")


def _whole(pdu: bytes) -> str:
    """Its length without the service centre's address, and the PDU."""
    return f"{len(pdu) - 1}\r\n{pdu.hex().upper()}"


def cmgd(state: State, value: str) -> Answer:
    index = value.split(",")[0]
    if not index.isdecimal():
        return Failure("CMS", 321)
    state.storage.read.pop(int(index), None)
    return OK


def cfun(state: State, value: str) -> Answer:
    if value[:1] not in ("", *"0123456789"):
        return Failure("CME", 50)
    state.functionality = int(value[:1] or 1)
    return Restart() if value.startswith("1,1") else OK


def cusd(state: State, value: str) -> Answer:
    """27.007 7.15: <n>[,<str>[,<dcs>]]; 2 ends a dialogue."""
    mode, code, *_ = *value.split(","), ""
    if mode != "1" or not code:
        return OK if mode in ("0", "1", "2") else Failure("CME", 50)
    return Dial(state.network.ussd.get(code.strip('"'), NOT_KNOWN))


def cmgs_test(state: State, _: str) -> Answer:
    return OK if state.dialect.for_messages else Failure("ERROR")


def cmgs(state: State, value: str) -> Answer:
    if not state.dialect.for_messages:
        return Failure("ERROR")
    return Prompt(int(value)) if value.isdecimal() else Failure("CMS", 304)


COMMANDS: dict[str, Callable[[State, str], Answer]] = {
    "E": echo,
    "Q": results,
    "V": results,
    "+CMEE": cmee,
    "+CSMS": csms,
    "+CNMA": cnma,
    "+CPIN": cpin,
    "+CMGF": cmgf,
    "+CNMI": cnmi,
    "+CPMS": cpms,
    "+CPMS?": cpms_query,
    "+CMGL": cmgl,
    "+CMGR": cmgr,
    "+CMGD": cmgd,
    "+CFUN": cfun,
    "+CUSD": cusd,
    "+CMGS": cmgs,
    "+CMGS=?": cmgs_test,
}
"""Commands that change the state, or whose answer depends on more than one word of it."""
