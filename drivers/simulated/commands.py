"""The commands of a simulated modem (3GPP 27.005, PDU mode): what each answers, and what it changes."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from drivers.simulated.network import STORAGE

if TYPE_CHECKING:
    from drivers.simulated.modem import SimulatedModem

ANSWERS: dict[str, str] = {
    "I": "Pinwheel simulated modem",
    "+CGMI": "Pinwheel",
    "+CGMM": "simulated modem",
    "+CGMR": "1",
    "+CIMI": "234150999999999",
    "+CSQ": "+CSQ: 21,0",
    "+COPS?": '+COPS: 0,0,"Simulated",7',
    "+CSCA?": '+CSCA: "+447785016005",145',
    "+CSCS?": '+CSCS: "GSM"',
    "+CSCS=?": '+CSCS: ("GSM","UCS2","HEX")',
    "+CFUN?": "+CFUN: {functionality}",
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
}
"""Commands (without their parameters) that answer one line."""
ACCEPTED = frozenset({"", "Z", "&F", "+CMMS", "+CREG", "+CGREG", "+CEREG", "+CSCS", "+CSCA", "+CSDH"})
"""Commands that only say OK."""
WITHOUT_SIM = frozenset(
    {"", "Z", "I", "E", "Q", "V", "+CFUN", "+CFUN?", "+CMEE", "+CMEE?", "+CPIN", "+CPIN?", "+CPINR"}
    | {"+CGMI", "+CGMM", "+CGMR", "+CGSN"}
)


def echo(modem: "SimulatedModem", value: str) -> None:
    modem._echo = value != "0"
    modem._say("OK")


def results(modem: "SimulatedModem", value: str) -> None:
    modem._verbose = value.upper() in ("0V1", "1")  # of ATQ0V1 and ATV1
    modem._say("OK")


def cmee(modem: "SimulatedModem", value: str) -> None:
    modem._numeric_errors = value == "1"
    modem._say("OK")


def csms(modem: "SimulatedModem", value: str) -> None:
    modem._phase = value
    modem._say("+CSMS: 1,1,1", "OK")


def csms_query(modem: "SimulatedModem", _: str) -> None:
    modem._say(f"+CSMS: {modem._phase},1,1,1", "OK")


def cnma(modem: "SimulatedModem", _: str) -> None:
    if modem._unacknowledged:
        modem._unacknowledged = False
        modem._say("OK")
    else:
        modem._error("CMS", 340)


def cgsn(modem: "SimulatedModem", _: str) -> None:
    modem._say(modem._imei, "OK")


def cpin(modem: "SimulatedModem", value: str) -> None:
    if value.strip('"') == modem._pin and modem._pin_tries:
        modem._locked, modem._pin_tries = False, 3
        modem._say("OK")
    else:
        modem._pin_tries = max(modem._pin_tries - 1, 0)
        modem._error("CME", 16)


def cmgf(modem: "SimulatedModem", value: str) -> None:
    modem._say("OK") if value == "0" else modem._error("CMS", 303)


def cnmi(modem: "SimulatedModem", value: str) -> None:
    reports = int((value.split(",") + ["0"] * 5)[3] or 0)
    if (reports == 1 and modem.dialect.stores_reports) or (
        reports and modem.dialect.acknowledged and modem._phase != "1"
    ):
        modem._error("CMS", 303)
        return
    modem._reports = reports
    modem._say("OK")


def cpms(modem: "SimulatedModem", value: str) -> None:
    storage = value.split(",")[0].strip('"')
    if storage not in modem._storages or value.count(",") + 1 != modem.dialect.storages:
        modem._error("CMS", 302)
        return
    modem._read_from = storage
    rest = f"{len(modem._storages['SM'])},{STORAGE}"
    modem._say(f"+CPMS: {len(modem._stored)},{STORAGE},{rest},{rest}", "OK")


def cpms_query(modem: "SimulatedModem", _: str) -> None:
    told = (modem._read_from, "SM", modem.dialect.told_incoming or modem.dialect.incoming)
    counts = [(name, len(modem._storages[name])) for name in told]
    modem._say("+CPMS: " + ",".join(f'"{name}",{count},{STORAGE}' for name, count in counts), "OK")


def cmgl(modem: "SimulatedModem", _: str) -> None:
    for index, pdu in modem._stored.items():
        modem._say(f"+CMGL: {index},1,,{len(pdu) - 1}\r\n{pdu.hex().upper()}")
    modem._say("OK")


def cmgr(modem: "SimulatedModem", value: str) -> None:
    pdu = modem._stored.get(int(value)) if value.isdecimal() else None
    if pdu is None:
        modem._error("CMS", 321)
    else:
        modem._say(f"+CMGR: 1,,{len(pdu) - 1}\r\n{pdu.hex().upper()}", "OK")


def cmgd(modem: "SimulatedModem", value: str) -> None:
    modem._stored.pop(int(value.split(",")[0] or 0), None)
    modem._say("OK")


def cfun(modem: "SimulatedModem", value: str) -> None:
    modem._functionality = int(value[:1] or 1)
    modem._say("OK")
    if value.startswith("1,1"):
        modem._restart()


def cmgs_test(modem: "SimulatedModem", _: str) -> None:
    modem._say("OK" if modem.dialect.for_messages else "ERROR")


def cmgs(modem: "SimulatedModem", value: str) -> None:
    if not modem.dialect.for_messages:
        modem._say("ERROR")
        return
    modem.moments.append(("AT+CMGS", time.monotonic()))
    late_s = modem._prompts.pop(0) if modem._prompts else 0.0

    def prompt() -> None:
        modem._body, modem._line = int(value), b""
        modem._write(b"\r\n> ")

    if modem.dialect.meanwhile and modem._outbox:
        modem._error("CMS", 512)
    elif not value.isdecimal():
        modem._error("CMS", 304)
    elif late_s is None:
        modem._body, modem._line = int(value), b""  # in data mode, without a word
    elif late_s:
        modem._after(late_s, prompt)
    else:
        prompt()


SPECIAL: dict[str, Callable[["SimulatedModem", str], None]] = {
    "E": echo,
    "Q": results,
    "V": results,
    "+CMEE": cmee,
    "+CGSN": cgsn,
    "+CSMS": csms,
    "+CSMS?": csms_query,
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
    "+CMGS": cmgs,
    "+CMGS=?": cmgs_test,
}
"""Commands that change or depend on more than one word of state."""
