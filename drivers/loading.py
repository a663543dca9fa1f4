"""The registry of drivers: the modules of this package, found by name."""

from dataclasses import fields
from importlib import import_module
from types import ModuleType


def load(driver: str) -> ModuleType:
    """The module of a driver, imported late so that a missing library breaks only that driver.

    Raises LookupError, naming the driver, when there is no such module or it is no driver, and ImportError when a
    library that it needs is missing.
    """
    try:
        if not driver.isidentifier():
            raise LookupError(f"no driver named {driver!r}")
        module = import_module(f"drivers.{driver}")
    except ModuleNotFoundError as exc:
        if exc.name != f"drivers.{driver}":
            raise
        raise LookupError(f"no driver named {driver!r}") from None
    if not hasattr(module, "Driver") or not hasattr(module, "Options"):
        raise LookupError(f"{driver!r} is not a driver")
    for option in fields(module.Options):
        if "help" not in option.metadata:
            raise LookupError(f"{driver!r} does not declare its key {option.name} by drivers.settings.setting")
    return module
