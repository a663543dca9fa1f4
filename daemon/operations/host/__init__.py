"""What this machine says of serial ports, of programs that hold them, of units, disks and its clock.

For the commands, which see the whole machine; the daemon in its sandbox does not. Each probe reads below a root folder,
"/" for the real one, gives frozen values, and changes nothing. What may not be read is left out, never an exception.
"""
