"""What grows how fast with the number of models? The parts of a sweep that no GPU makes faster, at several sizes.

    python tests/benchmarks/scale.py                                       # 1,000 and 10,000 models, minutes
    python tests/benchmarks/scale.py --models 1000 10000 100000 --parts plan start mirror state
    python tests/benchmarks/scale.py --models 50000 --places 1000 --parts driver

Compared is each size with the smallest: `growth` is how many times as much a model takes there (1: linear). The plan:
23 baselines on 24 combinations of data, condition and networks, each run with teachers of its own. No Ray, no
training; seconds are this process's processor time, so that a busy machine counts little. Parts:

- `plan`: config to jobs and their fingerprints, as the driver and each worker make them once; memory of both.
- `start`: the check of every file of a finished output, and its table. Small files, whose bytes take no time.
- `driver`: our searcher, scheduler and callbacks in Tune's loop, with trials that end at once, so many side by side
  (`--places`). Tune's own part is not in it: `sweep_cost.py` measures that.
- `wait`: one teacher and so many students that wait for it: the searcher's first answer, then one per step of Tune.
- `state`: Tune's record of so many trials, written and signed, as happens again and again.
- `mirror`: the look for what is to be copied, all of it copied; and a listing of the same files in a second folder.
- `s3`: of so many objects, at most 20,000, on a server on this machine (moto's): a listing, and what a model needs.

Each in a process of its own, in a temp folder that is deleted. One line per part and size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import scale_parts

PARTS: dict[str, Callable[[int, int, Path], dict[str, float]]] = {
    "plan": scale_parts.plan_it,
    "start": scale_parts.start,
    "driver": scale_parts.drive_it,
    "wait": scale_parts.wait,
    "state": scale_parts.state,
    "mirror": scale_parts.mirror,
    "s3": scale_parts.s3,
}


def measure(part: str, models: int, places: int) -> dict[str, float]:
    """One part at one size, in a process of its own."""
    words = [sys.executable, __file__, "--child", part, "--models", str(models), "--places", str(places)]
    places_of_code = [str(Path(__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places_of_code))}  # the tests' S3 server
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{part}, {models} models: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def with_growth(found: dict[str, float], before: dict[str, float] | None) -> dict[str, float]:
    """And by how much a model takes more than in the smallest size."""
    if before is None:
        return found
    each = [one["seconds"] / one["count"] for one in (before, found)]
    return found | {"growth": each[1] / each[0]}


def main(words: list[str]) -> int:
    """Prints one JSON line per part, number of places and size."""
    parser = argparse.ArgumentParser(prog="scale.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=[1000, 10_000], help="students, sizes to compare")
    parser.add_argument("--places", type=int, nargs="+", default=[2, 1000], help="trials side by side, of the driver")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="what is measured")
    parser.add_argument("--child", choices=list(PARTS), help=argparse.SUPPRESS)
    values = parser.parse_args(words)
    if values.child:
        with tempfile.TemporaryDirectory(prefix="scale-") as folder:
            print(json.dumps(PARTS[values.child](values.models[0], values.places[0], Path(folder))))
        return 0
    for part in values.parts:
        for places in values.places if part == "driver" else [0]:
            first = None
            for models in values.models:
                found = with_growth(measure(part, models, places), first)
                first = first or found
                line = {"part": part, **({"places": places} if places else {}), **found}
                print(json.dumps({name: rounded(value) for name, value in line.items()}), flush=True)
    return 0


def rounded(value: float | str) -> float | str:
    """Three digits are more than a busy machine tells."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
