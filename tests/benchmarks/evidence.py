"""Does distillation help, and what does it cost? Runs a sweep, or continues one, then compares its baselines.

    python tests/benchmarks/evidence.py --mode strong_cpu --datasets path/to/cifar10 -o results/evidence

takes every flag of run_sweep.py. Runs are paired (run r of every baseline starts from the same weights and sees the
same images), so what is compared is the difference in the same run: see `analysis.stats.paired`. Models come from the
sweep's verified files alone; accuracy is on the test set, each read once. Costs are training seconds of a baseline's
students and of all that they depend on; `--markdown` prints the tables as a README wants them.
"""

from __future__ import annotations

import sys

import pandas as pd
from rich.console import Console
from rich.table import Table

from hpmkd import load_results
from hpmkd.analysis import stats
from hpmkd.analysis.costs import costs
from hpmkd.cli.main import run_command
from hpmkd.cli.parser import parse
from hpmkd.plan.roles import Role
from hpmkd.sweep.resolution import resolve

REFERENCES = ("Direct", "TraditionalKD", "HPM-KD")


def references(frame: pd.DataFrame) -> list[str]:
    """What the others are compared with: HPM-KD only where variants of it are there, to see what a component buys."""
    names = set(frame["baseline"])
    ablation = any(str(name).startswith("HPM-KD-") for name in names)
    return [name for name in REFERENCES if name in names and (name != "HPM-KD" or ablation)]


def comparison(frame: pd.DataFrame, reference: str) -> tuple[list[str], list[list[str]]]:
    """Heading and rows: accuracy of every baseline, best first, and its paired difference to `reference`.

    Args:
        frame: one row per student of one data set: `baseline`, `run`, `accuracy_pct`.
        reference: the baseline that the others are compared with.
    """
    compared = stats.paired(frame, reference).set_index("baseline").to_dict("index")
    groups = frame.groupby("baseline")["accuracy_pct"]
    table = pd.DataFrame({"n": groups.size(), "mean": groups.mean(), "sd": groups.std(ddof=1)})
    rows = []
    for name, row in table.sort_values("mean", ascending=False).iterrows():
        cells = [str(name), f"{row['n']:.0f}", f"{row['mean']:.2f}", f"{row['sd']:.2f}"]
        found = compared.get(str(name))
        if found is None or pd.isna(found["low"]):
            cells += ["" if found is None else f"{found['difference']:+.2f}", "", ""]
        else:
            interval = f"{found['low']:+.2f} to {found['high']:+.2f}"
            cells += [f"{found['difference']:+.2f}", interval, f"{found['p_holm']:.3f}"]
        rows.append(cells)
    return ["baseline", "runs", "accuracy %", "sd", f"minus {reference}", "95 % interval", "p (Holm)"], rows


def components(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Heading and rows: training seconds of each baseline by what was trained, everything shared counted in full."""
    wide = costs(frame).pivot(index="baseline", columns="role", values="seconds").reindex(columns=list(Role))
    gate = stats.students(frame).groupby("baseline")["prepare_seconds"].sum()
    rows = []
    for name in [str(one) for one in wide.index if one != "all"]:
        seconds = [wide.loc[name, role] for role in Role]
        cells = ["" if pd.isna(value) else f"{value:.0f}" for value in seconds]
        rows.append([name, *cells, f"{gate[name]:.1f}", f"{wide.loc[name].sum():.0f}"])
    order = sorted(rows, key=lambda row: float(row[-1]))
    return ["baseline", *(f"{role} s" for role in Role), "of which attention s", "total s"], order


def show(title: str, heading: list[str], rows: list[list[str]], markdown: bool, console: Console) -> None:
    """Prints a table for people, or as Markdown."""
    if markdown:
        lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
        print(f"\n{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
        return
    made = Table(title=title)
    for place, name in enumerate(heading):
        made.add_column(name, justify="right" if place else "left")
    for row in rows:
        made.add_row(*row)
    console.print(made)


def main(words: list[str]) -> int:
    """Sweep, then compare; the exit code of the sweep."""
    markdown = "--markdown" in words
    words = [word for word in words if word != "--markdown"]
    code = run_command(words, "evidence.py")
    _, output = resolve(parse(words, "evidence.py"))
    frame, console = load_results(output.root), Console(width=140)
    for dataset, part in stats.students(frame).groupby("dataset", sort=False):
        for reference in references(part):
            title = f"{dataset}: test accuracy, and difference to {reference} in the same run"
            show(title, *comparison(part, reference), markdown, console)
        mine = frame[frame["dataset"] == dataset]
        show(f"{dataset}: training seconds, all runs", *components(mine), markdown, console)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
