"""`make soak`: slow campaigns. Each prints a table; the exit status says whether all were clean."""

import statistics
import sys
import tempfile
from pathlib import Path

from tests.soak.kills import campaign

KILLS = 30


def main() -> int:
    print(f"kill -9 of the daemon, {KILLS} times under load (at-most-once policy) ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="pinwheel-soak-") as directory:
        result = campaign(Path(directory), KILLS)
    rows = {
        "requests promised": result.started,
        "requests lost": len(result.lost),
        "messages sent twice": len(result.repeated),
        "reported sent, but were not": len(result.sent_unsent),
        "restart to first answer, median s": round(statistics.median(result.on_duty_s), 2),
        "restart to first answer, worst s": round(max(result.on_duty_s), 2),
        **{f"deliveries {state}": count for state, count in sorted(result.states.items())},
    }
    for name, value in rows.items():
        print(f"  {name:36} {value:>8}")
    print("clean" if result.clean else "NOT CLEAN")
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main())
