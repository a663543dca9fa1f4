"""Files of the kernel and of udev, which come and go."""

from pathlib import Path


def text_of(path: Path) -> str:
    """ "" where it is not there, or may not be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
