"""Did a change of the code move the accuracy? The same sweep by an earlier revision and by this one, run by run.

    python tests/benchmarks/before_after.py 8208802                       # the quick sweep
    python tests/benchmarks/before_after.py 8208802 --datasets MNIST --data-dir ~/data --train-images 1000 --runs 5

takes a git revision and then flags of run_sweep.py, which both sides get. The earlier one runs in a worktree of its
own with the same Python; each side has an empty cache, so that nothing comes from the other's shared memory. Per role
and baseline: how many models have the same weights to the last bit, and the paired difference of test accuracy.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from hpmkd.audit import headers
from hpmkd.output import Output
from hpmkd.store.header import Header

HERE = Path(__file__).resolve().parents[2]


def sweep(code: Path, folder: Path, flags: Sequence[str]) -> dict[str, Header]:
    """Runs the sweep of the checkout `code`; the headers of what it left."""
    command = [sys.executable, "run_sweep.py", *flags, "-q", "-o", str(folder / "out")]
    environment = {**os.environ, "PYTHONPATH": str(code), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{code}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return headers(Output(folder / "out"))


def compare(before: dict[str, Header], after: dict[str, Header]) -> list[dict[str, object]]:
    """One row per data set, role and baseline; of networks and tables that both sides have."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for key in before.keys() & after.keys():
        meta = after[key].metadata
        if "weights_sha256" in meta:
            groups[str(meta["dataset"]), str(meta["role"]), str(meta.get("baseline") or "")].append(key)
    rows: list[dict[str, object]] = []
    for (dataset, role, baseline), keys in sorted(groups.items()):
        shifts = [after[key].accuracy - before[key].accuracy for key in keys]
        same = sum(after[key].metadata["weights_sha256"] == before[key].metadata["weights_sha256"] for key in keys)
        spread = round(statistics.stdev(shifts), 3) if len(shifts) > 1 else None
        row = {"dataset": dataset, "role": role, "baseline": baseline, "models": len(keys), "same_weights": same}
        mean = statistics.fmean(after[key].accuracy for key in keys)
        rows.append(row | {"accuracy": round(mean, 2), "shift": round(statistics.fmean(shifts), 3), "sd": spread})
    return rows


def main(words: list[str]) -> int:
    """Prints one JSON line per role and baseline; exit code 1 where a side has models that the other lacks."""
    if not words or words[0].startswith("-"):
        sys.exit(__doc__)
    revision, *flags = words
    with tempfile.TemporaryDirectory(prefix="before-after-") as folder:
        earlier = Path(folder) / "code"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--detach", str(earlier), revision], check=True, capture_output=True)
        try:
            before = sweep(earlier, Path(folder) / "before", flags)
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=False, capture_output=True)
        after = sweep(HERE, Path(folder) / "after", flags)
    for row in compare(before, after):
        print(json.dumps(row), flush=True)
    alone = sorted(before.keys() ^ after.keys())
    if alone:
        print(json.dumps({"only_on_one_side": alone}))
    return 1 if alone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
