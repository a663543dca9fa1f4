"""The SMS driver for GSM modems on a serial port (3GPP 27.005, PDU mode).

The driver is imported when it is first used: a command that only reads the configuration does not load pyserial.
"""

from typing import TYPE_CHECKING

from drivers.serial.options import Options

if TYPE_CHECKING:
    from drivers.serial.driver import Driver
    from drivers.serial.port_survey import survey

__all__ = ["Driver", "Options", "survey"]


def __getattr__(name: str) -> object:
    if name == "Driver":
        from drivers.serial.driver import Driver

        return Driver
    if name == "survey":
        from drivers.serial.port_survey import survey

        return survey
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
