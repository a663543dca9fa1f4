"""Whether the ports for audio are free."""

import socket

SAMPLE = 20


def taken(ports: range) -> tuple[int, int]:
    """Of a sample, spread over the ports: how many were tried, and how many other programs have."""
    sample = ports[:: max(len(ports) // SAMPLE, 1)][:SAMPLE]
    return len(sample), sum(not _free(port) for port in sample)


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True
