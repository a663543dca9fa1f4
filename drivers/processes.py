"""How a program that we started has ended, in words for an operator. Pure."""

import signal

LAST_WORDS = 200  # characters of a program's last line that are kept
HINTS = {signal.SIGSYS: ", which is how SystemCallFilter= of a systemd unit forbids a system call"}


def ending(returncode: int) -> str:
    """What follows the program's name. returncode: as `subprocess` gives it, negative for a signal."""
    if returncode >= 0:
        return f"ended with exit status {returncode}"
    try:
        number = signal.Signals(-returncode)
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-returncode}"
    return f"was killed by {number.name}" + HINTS.get(number, "")


def last_line(output: bytes) -> str:
    """The last line of what a program wrote that has something in it, printable and short; "" if there is none."""
    lines = ("".join(filter(str.isprintable, line)).strip() for line in output.decode(errors="replace").splitlines())
    return ([line for line in lines if line] or [""])[-1][:LAST_WORDS]
