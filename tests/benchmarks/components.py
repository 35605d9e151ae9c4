"""What each component of HPM-KD gains over TraditionalKD, on images held out of the training set; the test set is not
read.

    python tests/benchmarks/components.py digits
    python tests/benchmarks/components.py digits_resnet --runs 10
    python tests/benchmarks/components.py mnist --data-dir FOLDER
    python tests/benchmarks/components.py cifar --folder FOLDER --variants KD Direct lr2 lr4

Each variant trains a student per run, all with the same initial weights, images and order in run r, from the same
teachers, whose logits are looked up. Printed: accuracy on the held-out images, and the difference to KD (T=4,
alpha=0.9), its mean over the runs and its standard error. What was trained is kept in `--work` (default:
`components/`), a row per student, and not trained again.

Variants: other learning rates (`lr2`: twice that of the mode), T, alpha, standardised logits (`LS`); a second teacher
with equal weights, by attention, or calibrated; snapshots of one cyclic training (`snapshots`), late checkpoints of the
teacher (`late`), its route of checkpoints one after the other (`route`), a temperature that falls or rises by cosine,
the teacher's own calibration (`calibrated`); twice the epochs (`x2`).
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch
from component_conditions import setting, teachers
from component_variants import VARIANTS, accuracy, parser_of


def table(rows: list[dict[str, Any]]) -> list[str]:
    by: dict[str, dict[int, float]] = {}
    for row in rows:
        by.setdefault(row["variant"], {})[row["run"]] = row["accuracy_pct"]
    lines = ["| variant | runs | accuracy % | minus KD | standard error |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, runs in by.items():
        apart = np.array([value - by["KD"][run] for run, value in runs.items() if run in by.get("KD", {})])
        error = apart.std(ddof=1) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
        mean = float(np.mean(list(runs.values())))
        lines.append(
            f"| {name} | {len(runs)} | {mean:.2f} | {apart.mean() if len(apart) else math.nan:+.2f} | {error:.2f} |"
        )
    return lines


def main(argv: list[str] | None = None) -> list[str]:
    """Trains what is missing, and prints the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    here, file = setting(options.condition, options), options.work / f"{options.condition}.jsonl"
    found = teachers(here, options.work / f"{options.condition}.pt")
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["variant"], row["run"]) for row in rows}
    for run in range(1, options.runs + 1):
        for name in options.variants:
            if (name, run) not in done:
                rows.append({"variant": name, "run": run, "accuracy_pct": accuracy(VARIANTS[name], here, found, run)})
                with file.open("a") as out:
                    out.write(json.dumps(rows[-1]) + "\n")
    lines = table(rows)
    print("\n".join(lines))
    return lines


if __name__ == "__main__":
    main()
