"""A program under a kernel filter that forbids setpriority(2), as a systemd unit's SystemCallFilter= does.

`python -m tests.peers.seccomp kill|eperm PROGRAM ARGUMENT...`
"""

import ctypes
import os
import platform
import struct
import sys

SETPRIORITY = {"x86_64": 141, "aarch64": 140}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
KILL_PROCESS, ERRNO, ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
EPERM = 1


def forbid_setpriority(how: str) -> None:
    """For this process and all that it starts. how: "kill", as without SystemCallErrorNumber=, or "eperm"."""
    program = (
        (0x20, 0, 0, 0),  # load the number of the system call
        (0x15, 0, 1, SETPRIORITY[platform.machine()]),  # skip one line unless equal
        (0x06, 0, 0, KILL_PROCESS if how == "kill" else ERRNO | EPERM),
        (0x06, 0, 0, ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    filter_program = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid_setpriority(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
