"""Tables of the report: numbers as they are for CSV, as text for people."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.contrast import of_teachers
from hpmkd.analysis.section import Format, Table, digits
from hpmkd.numeric import p_value, whole

BEST = (
    "All of these, and every difference and test, are of last epochs. Best test epoch: the mean of each model's "
    "highest test accuracy of any epoch, as many papers report it; chosen by the test images, it is too high, and "
    "stands in no other number."
)


def ordered(frame: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Rows by place as they come, then teachers, then the baselines in the order of the config."""
    if frame.empty:
        return frame
    place = {name: number for number, name in enumerate(["teacher", *order, "all"])}
    places = {name: number for number, name in enumerate(dict.fromkeys(frame["place"]))}
    keys = pd.DataFrame({"d": frame["place"].map(places), "b": frame["baseline"].map(place).fillna(len(place))})
    if "reference" in frame:
        keys.insert(1, "r", frame["reference"].map(place).fillna(len(place)))
    return frame.loc[keys.sort_values(list(keys.columns), kind="stable").index].reset_index(drop=True)


def _axes(frame: pd.DataFrame) -> dict[str, tuple[str, Format]]:
    """Columns that say where a row belongs: the data set, and what there is of conditions and pairs."""
    names = {"dataset": "data set", "condition": "condition", "pair": "pair"}
    return {name: (head, str) for name, head in names.items() if name == "dataset" or frame[name].notna().any()}


def accuracy_table(summary: pd.DataFrame) -> Table:
    """Of `stats.summary`."""
    columns: dict[str, tuple[str, Format]] = {
        **_axes(summary), "baseline": ("baseline", str), "runs": ("n", whole),
        "mean_pct": ("accuracy %", digits(2)), "sd_pct": ("sd", digits(2)), "low_pct": ("95 % from", digits(2)),
        "high_pct": ("to", digits(2)), "retention_pct": ("retention %", digits(1)),
        "train_seconds": ("train s", digits(1)), "total_seconds": ("total s", digits(1)),
    }  # fmt: skip
    note = (
        "Test accuracy: mean, sample standard deviation, 95 % interval of the mean (Student's t). Retention: student / "
        "its teacher, the first of several; where each run has its own, the mean of the runs'. train s: one model, "
        "mean; total s: all models of the row with everything that they depend on."
    )
    if summary["best_test_pct"].notna().any():
        columns["mean_pct"] = ("last epoch %", digits(2))
        columns["best_test_pct"] = ("best test epoch %", digits(2))
        note += f" {BEST}"
    return Table("accuracy", "Accuracy, retention, cost", frame=summary, columns=columns, note=note)


def difference_table(comparisons: pd.DataFrame, per_run: bool | None = None) -> Table:
    """Of `stats.comparisons`; `per_run`: whether each run has teachers of its own, None: that is not known."""
    columns: dict[str, tuple[str, Format]] = {
        **_axes(comparisons), "baseline": ("baseline", str), "reference": ("against", str),
        "n": ("pairs", whole), "difference": ("difference", digits(2, sign=True)),
        "low": ("95 % from", digits(2, sign=True)), "high": ("to", digits(2, sign=True)),
        "boot_low": ("bootstrap from", digits(2, sign=True)), "boot_high": ("to", digits(2, sign=True)),
        "effect": ("effect g_z", digits(2, sign=True)), "p": ("p (t)", p_value), "p_holm": ("p (Holm)", p_value),
        "p_wilcoxon": ("p (Wilcoxon)", functools.partial(p_value, digits=4)),
        "p_wilcoxon_min": ("its minimum", functools.partial(p_value, digits=4)),
        "p_improvement": ("P(improvement)", digits(2)),
    }  # fmt: skip
    note = (
        "Runs are paired: run r of every baseline starts from the same weights and sees the same images. Differences "
        "in percentage points, with their 95 % interval by Student's t and by bootstrap (BCa, "
        f"{stats.RESAMPLES:,} resamples, seed {stats.BOOTSTRAP_SEED}). The bootstrap is too narrow for few runs: in "
        "simulations with normal differences it covers 74 % at n = 3, 83 % at n = 5, 90 % at n = 10, 95 % at n = 30. "
        "Effect g_z: mean / sd of the differences (Cohen's d_z) times Hedges' correction. p: two-sided paired t-test, "
        "corrected by Holm over the baselines of a data set, condition, pair and reference; exact Wilcoxon signed-rank "
        "test, with the smallest p possible with this many pairs. P(improvement): fraction of pairs that the baseline "
        "wins, ties "
        "count half (Agarwal et al. 2021)."
    )
    note += "" if per_run is None else f" {of_teachers(per_run)}"
    return Table("differences", "Paired differences", frame=comparisons, columns=columns, note=note)


def not_shown_table(left: pd.DataFrame) -> Table:
    """Of `Conclusions.not_shown`."""
    columns: dict[str, tuple[str, Format]] = {
        **_axes(left), "baseline": ("baseline", str), "reference": ("against", str),
        "n": ("pairs", whole), "difference": ("difference", digits(2, sign=True)),
        "low": ("95 % from", digits(2, sign=True)), "high": ("to", digits(2, sign=True)),
        "p_holm": ("p (Holm)", p_value), "why": ("why", str),
    }  # fmt: skip
    title = f"No difference is shown: {len(left)} comparison{'s' * (len(left) != 1)}"
    note = "There may still be one: any value in an interval fits these runs."
    if left["low"].isna().all():
        note = "There may still be one: of so few runs there is no interval."
    return Table("not-shown", title, frame=left, columns=columns, note=note)


def cost_table(costs: pd.DataFrame) -> Table:
    """Of `costs.costs`."""
    columns: dict[str, tuple[str, Format]] = {
        **_axes(costs), "baseline": ("baseline", str), "role": ("role", str),
        "models": ("models", whole), "seconds": ("training s", digits(1)),
    }  # fmt: skip
    note = "Models shared by several baselines count in each of them, and once in 'all'."
    return Table("times", "Training time by role", frame=costs, columns=columns, note=note)


def profile_table(parts: pd.DataFrame, starts: Sequence[str]) -> Table:
    """Of `profiling.by_part`; `starts` says what each start of the sweep took."""
    columns: dict[str, tuple[str, Format]] = {
        "role": ("role", str), "models": ("models", whole), "part": ("part", str), "what": ("what it is", str),
        "seconds": ("seconds", digits(1)), "share_pct": ("% of the role", digits(1)),
    }  # fmt: skip
    return Table("profile", "Where the time of the trials went", frame=parts, columns=columns, note=" ".join(starts))


def operator_table(operators: pd.DataFrame) -> Table:
    """Of `profiling.by_operator`."""
    columns: dict[str, tuple[str, Format]] = {
        "role": ("role", str), "baseline": ("baseline", str), "operator": ("operator", str), "calls": ("calls", whole),
        "seconds": ("seconds", digits(3)), "share_pct": ("% of those listed", digits(1)),
    }  # fmt: skip
    note = "Operators of torch in the second epoch, each without the operators that it calls."
    return Table("operators", "Where the time of an epoch goes", frame=operators, columns=columns, note=note)


def model_table(frame: pd.DataFrame) -> Table:
    """A row per file, as in results.parquet."""
    columns: dict[str, tuple[str, Format]] = {
        "file": ("file", str), "accuracy_pct": ("accuracy %", digits(2)),
        "validation_accuracy_pct": ("validation %", digits(2)), "parameters": ("parameters", whole),
        "epochs": ("epochs", whole), "train_seconds": ("train s", digits(1)), "parents": ("trained from", str),
    }  # fmt: skip
    shown = frame[frame["planned"].astype(bool)].reset_index(drop=True)
    return Table(
        "models",
        "Models and their lineage",
        frame=shown,
        columns=columns,
        note="The accuracy of a search is on validation images.",
    )
