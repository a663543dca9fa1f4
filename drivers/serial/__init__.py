"""The SMS driver for GSM modems on a serial port (3GPP 27.005, PDU mode)."""

from drivers.serial.driver import Driver
from drivers.serial.options import Options

__all__ = ["Driver", "Options"]
