"""Programs that take a modem's ports, and sticks that have none yet. Tables. Pure."""

from collections.abc import Iterable

from daemon.operations.host.values import Process, Usb

RIVALS = {
    "ModemManager": "ModemManager",
    "gammu-smsd": "gammu-smsd",
    "smsd": "smstools",
    "brltty": "brltty",
    "gpsd": "gpsd",
    "kannel": "kannel",
    "smsbox": "kannel",
    "wvdial": "wvdial",
    "pppd": "pppd",
}
"""By the name of the process (at most 15 characters): what people call it."""
MODEM_MANAGER = "ModemManager"

CD_ROM = frozenset({"12d1:1f01", "12d1:1446", "12d1:14fe", "19d2:2000", "19d2:fff5", "1bbb:f000", "0af0:6971"})
"""Sticks that still show their drivers as a CD-ROM: usb-modeswitch turns them into modems."""
HILINK = frozenset({"12d1:14db", "12d1:14dc"})
"""Huawei with the HiLink firmware: a network card with a web page, without any port for AT commands."""
MAKERS = {
    "1bc7": "Telit",
    "12d1": "Huawei",
    "1199": "Sierra Wireless",
    "0bdb": "Ericsson",
    "19d2": "ZTE",
    "1e0e": "SIMCom",
    "2c7c": "Quectel",
    "2cb7": "Fibocom",
    "0af0": "Option",
}
"""Vendors whose serial ports are modems; those of the udev rule that the package brings."""


def rivals(running: Iterable[Process]) -> tuple[Process, ...]:
    return tuple(each for each in running if each.name in RIVALS)


def is_modem(usb: Usb | None) -> bool:
    return usb is not None and usb.vendor in MAKERS
