"""What the kernel does for a call's UDP socket: a filter of packets, and the mark of telephony."""

import contextlib
import socket
import struct
from array import array

EXPEDITED_FORWARDING = 46 << 2  # RFC 3246, as RFC 4594 4.1 asks for telephony

# A kernel filter that lets only some payload types through (Linux socket-filter.txt): the callee's speech wakes nobody.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
UDP_HEADER = 8


def accept_only(sock: socket.socket, payload_types: tuple[int, ...], *, every: int = 0, port: int = 0) -> None:
    """Let only packets of these payload types through. every: and of all others one in so many, a power of two.

    So SRTP stays in step, too: the index of its packets must not run away unseen (RFC 3711 3.3.1). port: what comes
    from another one is let through.
    """
    accept, drop = (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)
    elsewhere = ((0x28, 0, 0, 0), (0x15, 1, 0, port), accept)  # source port; skip if equal
    sometimes = ((0x28, 0, 0, UDP_HEADER + 2), (0x45, 1, 0, every - 1), accept)  # sequence number; skip if it has bits
    compare = [(0x15, len(payload_types) - i, 0, number) for i, number in enumerate(payload_types)]
    program = (
        *(elsewhere if port else ()),
        *(sometimes if every else ()),
        (0x30, 0, 0, UDP_HEADER + 1),  # load the second octet of the RTP header
        (0x54, 0, 0, 0x7F),  # without the marker
        *compare,  # skip to the end if equal
        drop,
        accept,
    )
    code = array("B", b"".join(struct.pack("=HBBI", *line) for line in program))
    address, _ = code.buffer_info()
    filter_program = struct.pack("@HP", len(program), address)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_program)


def accept_all(sock: socket.socket) -> None:
    """Take the filter off."""
    with contextlib.suppress(OSError):  # there was none
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def disconnect(sock: socket.socket) -> None:
    """Take packets from anywhere again: connect() to no family (udp(7)), which Python's own cannot."""
    import ctypes  # late: 0.4 MB that only a call needs

    name = sock.getsockname()
    ctypes.CDLL(None).connect(sock.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)
    if sock.getsockname()[1] != name[1]:  # a port that the kernel has chosen is given back
        sock.bind(name)


def mark_for_telephony(sock: socket.socket) -> None:
    level, option = (
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
        if sock.family == socket.AF_INET6
        else (socket.IPPROTO_IP, socket.IP_TOS)
    )
    with contextlib.suppress(OSError):
        sock.setsockopt(level, option, EXPEDITED_FORWARDING)
