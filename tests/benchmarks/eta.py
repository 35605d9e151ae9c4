"""How good is the estimate of the time that is left? Runs a real sweep and compares: `python tests/benchmarks/eta.py`.

    python tests/benchmarks/eta.py                       # the quick sweep
    python tests/benchmarks/eta.py --mode quick --runs 2 # any flags of run_sweep.py

Whenever a model ends, the tracker is asked how long the rest takes. Afterwards what it said is held against what was so
(to the end of the last model; Ray's start and end are not part of it). The sweep has an output and a shared memory of
its own, in a temporary folder, so nothing is found.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from hpmkd.cli import run
from hpmkd.cli.main import run_command
from hpmkd.monitor.tracker import Tracker

PARTS = {"1/3": 1 / 3, "1/2": 1 / 2, "2/3": 2 / 3}
# When, how many models were done, and the estimate.
Sample = tuple[float, int, float | None]


class Listening(Tracker):
    """A tracker that notes what it would say."""

    samples: list[Sample] = []  # noqa: RUF012 - one sweep, one list
    models = 0

    def ended(self, key: str, made: bool) -> None:
        """Also notes the estimate."""
        super().ended(key, made)
        Listening.models = self.total
        Listening.samples.append((time.monotonic(), len(self.done), self.seconds_left()))


def main() -> int:
    """Runs the sweep and prints a line per part of it."""
    run.Tracker = Listening  # type: ignore[misc]
    with tempfile.TemporaryDirectory(prefix="hpmkd-eta-") as folder:
        words = ["-o", str(Path(folder) / "out"), "--data.cache_dir", str(Path(folder) / "cache"), "-q"]
        code = run_command([*words, *sys.argv[1:]], "eta.py")
    if code:
        return code
    end = Listening.samples[-1][0]
    begin = Listening.samples[0][0]
    print(f"{Listening.models} models; from the first one's end to the last one's: {end - begin:.1f} s")
    for name, part in PARTS.items():
        time_, done, left = next(one for one in Listening.samples if one[1] >= part * Listening.models)
        said = "nothing" if left is None else f"{left:.1f} s, {100 * (left / (end - time_) - 1):+.0f} %"
        print(f"{name} ({done} models done): {end - time_:.1f} s were left, it said {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
