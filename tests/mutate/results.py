"""What earlier runs found, in a file that the next run continues: one line for each mutant that was tried."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.mutate.operators import Module, Mutant

Failed = list[str] | None  # the tests that failed; None where they did not come to an end


@dataclass(frozen=True, slots=True)
class Results:
    """Those of one module. A line holds as long as the module and the files of its tests are what they were.

    Other code that they use may have changed; whoever wants to be sure removes the file.
    """

    path: Path
    state: str

    @classmethod
    def of(cls, path: Path, module: Module, tests: Iterable[str], *, every: bool) -> "Results":
        """every: all tests of a mutant were run, not only those up to the first that failed."""
        files = [module.path, *sorted(Path(test) for test in tests if test.endswith(".py"))]
        state = hashlib.sha256(b"".join(file.read_bytes() for file in files) + bytes([every]))
        return cls(path, f"{module.name} {state.hexdigest()[:16]}")

    def keep(self, mutant: Mutant, failed: Failed) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([self.state, mutant.key, failed]) + "\n")

    def known(self, mutants: Iterable[Mutant], *, kills_hold: bool) -> dict[int, Failed]:
        """By the mutant's number. kills_hold: those killed when last tried, whatever has changed since."""
        last: dict[tuple[str, ...], Failed] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            state, key, failed = json.loads(line)
            if failed != [] if kills_hold else state == self.state:
                last[tuple(key)] = failed
            else:
                last.pop(tuple(key), None)
        return {mutant.number: last[mutant.key] for mutant in mutants if mutant.key in last}
