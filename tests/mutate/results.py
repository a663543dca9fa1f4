"""What earlier runs found, in a file that the next run continues: one line for each mutant that was tried."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.mutate.operators import Module, Mutant

Failed = list[str] | None  # the tests that failed; None where they did not come to an end


@dataclass(frozen=True, slots=True)
class Results:
    """Those of one module.

    A line holds as long as the module is what it was, and the files of the tests that failed; where none did, all of
    its tests. Other code that they use may have changed; whoever wants to be sure removes the file.

    every: all tests of a mutant were run, not only those up to the first that failed.
    """

    path: Path
    module: Module
    tests: tuple[str, ...]
    every: bool

    def _state(self, failed: Failed) -> str:
        files = {test.partition("::")[0] for test in failed or self.tests if test.partition("::")[0].endswith(".py")}
        state = hashlib.sha256(self.module.path.read_bytes() + bytes([self.every]))
        for file in sorted(files):
            state.update(_octets(Path(file)))
        return f"{self.module.name} {state.hexdigest()[:16]}"

    def keep(self, mutant: Mutant, failed: Failed) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([self._state(failed), mutant.key, failed]) + "\n")

    def known(self, mutants: Iterable[Mutant], *, kills_hold: bool) -> dict[int, Failed]:
        """By the mutant's number. kills_hold: those killed when last tried, whatever has changed since."""
        last: dict[tuple[str, ...], Failed] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            state, key, failed = json.loads(line)
            if key[0] == self.module.name and (failed != [] if kills_hold else state == self._state(failed)):
                last[tuple(key)] = failed
            else:
                last.pop(tuple(key), None)
        return {mutant.number: last[mutant.key] for mutant in mutants if mutant.key in last}


@cache
def _octets(file: Path) -> bytes:
    """b"" for one that is gone."""
    return file.read_bytes() if file.exists() else b""
