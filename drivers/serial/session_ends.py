"""What ends a session with a modem. Pure. None of these exceptions carries what was on the wire."""

from drivers import Reason


class Lost(Exception):
    """The port failed: unplugged, hung up, or it takes no octets; the text says which."""


class Silent(Exception):
    """A command got no final result in time."""


class Interrupted(Exception):
    """The driver is being closed."""


class Restarted(Exception):
    """The modem has just started, or its SIM is locked or gone: all is to be set up again."""


class Stuck(Exception):
    """The modem answers, but message after message fails for a reason of its own."""


class Blocked(Exception):
    """The modem answers but cannot work before somebody has done something; the text says what."""

    def __init__(self, text: str, reason: Reason = Reason.NONE) -> None:
        super().__init__(text)
        self.reason = reason


class WrongPort(Exception):
    """What answers here is not the modem that was asked for, or its port for something else than messages."""
