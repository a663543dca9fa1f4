"""How long the driver of a GSM modem waits for what."""

from dataclasses import dataclass

from drivers.serial.mute_or_slow import PATIENCE, Patience


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The defaults are for real modems; tests shorten them."""

    alive: float = 1.0  # an answer to the first AT; later ones are given more
    alive_tries: int = 5
    command: float = 10.0
    prompt: float = 5.0
    answer: float = 30.0  # after Ctrl-Z until the message counts as uncertain
    listen: float = 180.0  # after Ctrl-Z until a modem that says nothing counts as hung (a Quectel needed 135)
    probe: float = 4.0  # silence after a question that only asks whether the modem still answers
    attention: Patience = PATIENCE  # for a modem that says nothing while the network has a message
    busy: float = 1.0  # between two questions to a SIM that is still starting
    starting: float = 60.0  # for which a modem may refuse what it accepts later
    setup: float = 3.0  # for what is not needed for a message, before the first one may go
    retry_settings: float = 5.0
    pulse: float = 2.5  # between two questions to a modem that has nothing to do
    watch: float = 1.5  # between two looks for a network
    health: float = 30.0
    absent: float = 1.0  # between two looks for a port
    retry: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0)  # after one failed session, two in a row, ...
    blocked: float = 30.0  # where a person has to do something
    power_cycle: float = 60.0  # for the operator's command
    recovery: tuple[float, ...] = (27.0, 120.0, 300.0, 600.0)  # between two resets of a modem that stays silent
    recoveries_an_hour: int = 6
    keep: float = 5.0  # for who listens to make a stored message safe
    close: float = 3.0  # for the message on the wire
