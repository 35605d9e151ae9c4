"""Does a change move the accuracy? The same sweep twice, with and without the change, compared run by run.

    python tests/benchmarks/two_sides.py --before 8208802                        # an earlier revision, the quick sweep
    python tests/benchmarks/two_sides.py --change "--fit.precision bf16" --datasets MNIST --data-dir ~/data --runs 5

`--before` is a git revision, checked out into a worktree of its own for the first side; `--change` holds flags that
only the second side gets; all other flags are those of run_sweep.py, and both sides get them. Each side has an empty
cache, so that nothing comes from the other's shared memory, and a working folder of its own: in earlier revisions Ray's
workers import from there first, and both sides would be trained by the code that lies there. Per role and baseline: how
many models have the same weights to the last bit, and the paired difference of test accuracy, second minus first, with
its 95 % interval (Student's t), and what two one-sided tests say of it (TOST): `equivalent` within `--margin` points,
`different`, or `undecided`.

With `--keep FOLDER` both sweeps stay there, and the same command goes on with them after an interruption.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from scipy.stats import ttest_1samp

from hpmkd.analysis.stats import MARGIN, equivalence
from hpmkd.audit.findings import headers
from hpmkd.data.catalog import DATASETS
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header

HERE = Path(__file__).resolve().parents[2]


def sweep(code: Path, folder: Path, flags: Sequence[str]) -> dict[str, Header]:
    """Runs the sweep of the checkout `code`, or goes on with it; the headers of what it left."""
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "out"
    begun = ["--restore", str(out)] if OutputDir(out).config_file.exists() else [*map(absolute, flags), "-o", str(out)]
    command = [sys.executable, str(code / "run_sweep.py"), *begun, "-q"]
    environment = {**os.environ, "PYTHONPATH": str(code), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{code}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    made = headers(OutputDir(out))
    check_code(made, code)
    return made


def check_code(made: dict[str, Header], code: Path) -> None:
    """SystemExit unless the workers have trained with this code: each model says by which revision it was made."""
    git = ["git", "-C", str(code), "rev-parse", "HEAD"]
    wanted = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    found = {str(one.metadata.get("git_revision")) for one in made.values()}
    if found != {wanted}:
        sys.exit(f"{code}: the models were made by {', '.join(sorted(found))}, not by {wanted}")


def absolute(word: str) -> str:
    """A path stays the same one in another working folder."""
    path = Path(word).expanduser()
    return str(path.resolve()) if path.exists() and word not in DATASETS else word


def interval(shifts: Sequence[float]) -> list[float] | None:
    """95 % interval of the mean; None where there are too few, or all are the same."""
    if len(set(shifts)) < 2:
        return None
    found = ttest_1samp(shifts, 0.0).confidence_interval(0.95)
    return [round(float(found.low), 2), round(float(found.high), 2)]


def compare(first: dict[str, Header], second: dict[str, Header], margin: float = MARGIN) -> list[dict[str, object]]:
    """One row per data set, role and baseline; of networks that both sides have."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for key in sorted(first.keys() & second.keys()):
        meta = second[key].metadata
        if meta.get("role") in ("teacher", "assistant", "student"):
            groups[str(meta["dataset"]), str(meta["role"]), str(meta.get("baseline") or "")].append(key)
    rows: list[dict[str, object]] = []
    for (dataset, role, baseline), keys in sorted(groups.items()):
        shifts = [second[key].accuracy - first[key].accuracy for key in keys]
        same = sum(second[key].metadata["weights_sha256"] == first[key].metadata["weights_sha256"] for key in keys)
        row: dict[str, object] = {"dataset": dataset, "role": role, "baseline": baseline, "models": len(keys)}
        row["same_weights"] = same
        for name, side in (("first_pct", first), ("second_pct", second)):
            row[name] = round(statistics.fmean(side[key].accuracy for key in keys), 2)
        seconds = [statistics.fmean(side[key].train_time for key in keys) for side in (first, second)]
        tested = equivalence(np.array(shifts), margin)
        row |= {"shift": round(statistics.fmean(shifts), 2), "interval": interval(shifts)}
        p = tested["p_equivalence"]
        row |= {"tost": tested["equivalence"], "tost_p": None if math.isnan(p) else round(p, 4)}
        rows.append(row | {"seconds_ratio": round(seconds[0] / seconds[1], 2)})
    return rows


@contextmanager
def checkout(revision: str, folder: Path) -> Iterator[Path]:
    """An earlier revision's files."""
    git = ["git", "-C", str(HERE), "worktree"]
    done = subprocess.run([*git, "add", "--detach", str(folder), revision], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"--before {revision}: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=False, capture_output=True)


def main(words: list[str]) -> int:
    """Prints one JSON line per role and baseline; exit code 1 where a side has models that the other lacks."""
    parser = argparse.ArgumentParser(
        prog="two_sides.py", description=__doc__,
        usage="%(prog)s [--before REVISION] [--change FLAGS] [--margin POINTS] [--keep FOLDER] [flags of run_sweep.py]",
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--before", help="git revision of the first side (default: this one)")
    parser.add_argument("--change", default="", help="flags of the second side, in one string")
    parser.add_argument(
        "--margin", type=float, default=MARGIN, help="of TOST, percentage points (default: %(default)s)"
    )
    parser.add_argument("--keep", type=Path, help="folder in which both sweeps stay, to go on with them")
    options, flags = parser.parse_known_args(words)
    if not options.before and not options.change:
        parser.error("nothing to compare: give --before, --change, or both")
    with tempfile.TemporaryDirectory(prefix="two-sides-") as folder:
        place = options.keep.resolve() if options.keep else Path(folder)
        with checkout(options.before, Path(folder) / "code") if options.before else nullcontext(HERE) as code:
            first = sweep(code, place / "first", flags)
        second = sweep(HERE, place / "second", [*flags, *shlex.split(options.change)])
    for row in compare(first, second, options.margin):
        print(json.dumps(row), flush=True)
    alone = sorted(first.keys() ^ second.keys())
    if alone:
        print(json.dumps({"only_on_one_side": alone}))
    return 1 if alone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
