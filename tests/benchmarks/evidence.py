"""Does distillation help? Runs a sweep, or continues one, then compares its baselines run by run.

    python tests/benchmarks/evidence.py --mode strong --datasets path/to/cifar10 -o results/evidence

takes every flag of run_sweep.py. Runs are paired (run r of every baseline starts from the same weights and sees the
same images), so what is compared is the difference in the same run: mean, its 95 % interval by Student's t, and the
two-sided p of the paired t-test with Holm's correction over the baselines of a data set. Models come from the sweep's
verified files alone; accuracy is on the test set, each read once.
"""

from __future__ import annotations

import sys

import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy import stats
from statsmodels.stats.multitest import multipletests

from hpmkd.cli.main import run_command
from hpmkd.cli.parser import parse
from hpmkd.cli.run import resolve


def differences(frame: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Per baseline: runs, accuracy, and the paired difference to `reference` in percentage points.

    Args:
        frame: one row per student: `baseline`, `run`, `accuracy_pct`.
        reference: the baseline that the others are compared with.
    """
    wide = frame.pivot(index="run", columns="baseline", values="accuracy_pct").dropna()
    rows = []
    for name in wide.columns:
        row = {"baseline": name, "runs": len(wide), "mean": wide[name].mean(), "sd": wide[name].std(ddof=1)}
        if name != reference and len(wide) > 1:
            test = stats.ttest_rel(wide[name], wide[reference])
            interval = test.confidence_interval(0.95)
            row |= {"difference": (wide[name] - wide[reference]).mean(), "p": test.pvalue}
            row |= {"low": interval.low, "high": interval.high}
        rows.append(row)
    table = pd.DataFrame(rows).sort_values("mean", ascending=False)
    if "p" in table:
        known = table["p"].notna()
        table.loc[known, "p_holm"] = multipletests(table.loc[known, "p"], method="holm")[1]
    return table


def show(dataset: str, table: pd.DataFrame, reference: str) -> Table:
    """The table for people."""
    made = Table(title=f"{dataset}: test accuracy, and difference to {reference} in the same run")
    for heading in ("baseline", "runs", "accuracy %", "sd", "difference", "95 % interval", "p (Holm)"):
        made.add_column(heading, justify="left" if heading == "baseline" else "right")
    for row in table.to_dict("records"):
        cells = [row["baseline"], str(row["runs"]), f"{row['mean']:.2f}", f"{row['sd']:.2f}", "", "", ""]
        if pd.notna(row.get("difference")):
            cells[4:] = [
                f"{row['difference']:+.2f}",
                f"{row['low']:+.2f} to {row['high']:+.2f}",
                f"{row['p_holm']:.3f}",
            ]
        made.add_row(*cells)
    return made


def main(words: list[str]) -> int:
    """Sweep, then compare; the exit code of the sweep."""
    code = run_command(words, "evidence.py")
    _, output = resolve(parse(words, "evidence.py"))
    frame = pd.read_csv(output.root / "results.csv")
    students = frame[(frame["role"] == "student") & frame["planned"]]
    console = Console(width=120)
    for dataset, part in students.groupby("dataset"):
        for reference in ("Direct", "TraditionalKD"):
            if reference in set(part["baseline"]):
                console.print(show(str(dataset), differences(part, reference), reference))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
