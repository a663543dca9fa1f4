"""What can be wrong with a database while the daemon runs. Pure."""

from dataclasses import dataclass
from typing import NamedTuple


def restored_from(backup: str) -> str:
    """The command for a database that cannot go on as it is. With its socket open, systemd would start the daemon."""
    return f"systemctl stop pinwheel.socket pinwheel; pinwheel restore {backup}"


RESTORE = restored_from("BACKUP")


class Misplaced(NamedTuple):
    """What became of the files that the daemon has open: nobody would find what is written into them."""

    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Condition:
    """At one moment; each is a fact of its own.

    broken: the last save failed, and nothing can be saved until one succeeds. damaged: a part is not what was written,
    and stays so until a backup is restored; what needs no such part is done all the same.
    """

    broken: bool = False
    damaged: bool = False
    misplaced: Misplaced | None = None

    def __str__(self) -> str:
        said = (
            self.misplaced.text if self.misplaced is not None else "",
            "the last write failed" if self.broken else "",
            "a part of the database is damaged" if self.damaged else "",
        )
        return "; ".join(filter(None, said)) or "ok"


WELL = Condition()
