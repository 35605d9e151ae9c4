"""Two trained models on the same test images: McNemar's test (1947), and what it says over several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels

from hpmkd.analysis.stats.groups import students
from hpmkd.analysis.stats.tost import LEVEL


def mcnemar_test(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Whether two models err equally often on the population that the test images come from.

    It speaks of these two trained models: with other seeds the same methods give other models.

    Args:
        first, second: (images,) bool: whether each model is right on each image, in the same order.

    Returns:
        `images`; `only_first`, `only_second`: images on which only that model is right; `discordant`: their sum;
        `p`: two-sided and exact, by the binomial distribution; missing where there are none.

    Raises:
        ValueError: the arrays are not of one length.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"expected two arrays (images,) of one length, found {first.shape} and {second.shape}")
    first, second = first.astype(bool), second.astype(bool)
    one, two = int((first & ~second).sum()), int((second & ~first).sum())
    made = {"images": len(first), "only_first": one, "only_second": two, "discordant": one + two, "p": math.nan}
    if one + two:
        table = [[int((first & second).sum()), one], [two, 0]]
        made["p"] = min(1.0, float(of_statsmodels(table, exact=True).pvalue))
    return made


def mcnemar_over_runs(frame: pd.DataFrame, pairs: pd.DataFrame, correctness: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """McNemar's test in each run of each pair of baselines, counted.

    The runs share their test images, so their p are not independent and are not combined: a chance of these images
    shows in all of them. What holds under any dependence is Holm's correction: `p_least` says whether in at least one
    run the two models differ. Whether the methods differ is the question of the paired t-test over runs.

    Args:
        frame: of `results.collect`.
        pairs: rows with `baseline`, `reference` and `place`, such as `comparisons` has.
        correctness: stem of a model's file -> (images,) bool, right or not.

    Returns:
        A row per pair that has test outputs of both in a common run: `place`, `baseline`, `reference`, `runs`,
        `images`; `discordant`: mean per run; `better`, `worse`: runs in which the baseline is so with p < .05;
        `p_least`: the smallest p, times the number of runs.
    """
    stems: dict[tuple[Any, Any], dict[int, np.ndarray]] = {}
    for row in students(frame).to_dict("records"):
        array = correctness.get(str(row["file"]).rpartition(".")[0])
        if array is not None:
            stems.setdefault((row["place"], row["baseline"]), {}).setdefault(int(row["run"]), array)
    rows = []
    for row in pairs.to_dict("records"):
        ours, theirs = (stems.get((row["place"], row[name]), {}) for name in ("baseline", "reference"))
        # Of unequal length are only outputs on other images, which cannot be compared.
        common = [run for run in sorted(ours.keys() & theirs.keys()) if ours[run].shape == theirs[run].shape]
        if common:
            about = {name: row[name] for name in ("place", "baseline", "reference")}
            rows.append(about | _count([mcnemar_test(ours[run], theirs[run]) for run in common]))
    return pd.DataFrame(rows, columns=["place", "baseline", "reference", *_count([])])


def _count(tests: list[dict[str, Any]]) -> dict[str, Any]:
    sure = [one["only_first"] - one["only_second"] for one in tests if one["p"] < LEVEL]
    known = [one["p"] for one in tests if not math.isnan(one["p"])]
    return {
        "runs": len(tests),
        "images": max((one["images"] for one in tests), default=0),
        "discordant": float(np.mean([one["discordant"] for one in tests])) if tests else math.nan,
        "better": sum(change > 0 for change in sure),
        "worse": sum(change < 0 for change in sure),
        "p_least": min(1.0, min(known) * len(tests)) if known else math.nan,
    }
