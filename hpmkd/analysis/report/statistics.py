"""What stands beside the main test: equivalence, probabilities, runs needed, McNemar, ranks, means over groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from hpmkd.analysis import advice, stats
from hpmkd.analysis.report.drawings import group_drawings
from hpmkd.analysis.report.tables import ordered
from hpmkd.analysis.section import Drawing, Format, Table, digits
from hpmkd.analysis.stats.bayes import SAMPLES
from hpmkd.analysis.stats.power import POWER
from hpmkd.audit.chance import without_meaning
from hpmkd.data.source.listing import named
from hpmkd.numeric import fixed, is_defined, p_phrase, p_value, whole

_ABOUT: dict[str, tuple[str, Format]] = {
    "place": ("data set", str), "baseline": ("baseline", str), "reference": ("against", str)
}  # fmt: skip


@dataclass(frozen=True)
class Statistics:
    """`advice`: what to do next; `sentences`: what the tables and figures show, or why there are none."""

    advice: tuple[str, ...]
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    drawings: tuple[Drawing, ...]


def practical_table(needed: pd.DataFrame) -> Table:
    """Of `stats.needed`."""
    columns: dict[str, tuple[str, Format]] = {
        **_ABOUT, "n": ("pairs", whole),
        "equal_low": ("90 % from", digits(2, sign=True)), "equal_high": ("to", digits(2, sign=True)),
        "equivalence": ("TOST", str), "p_worse": ("P(worse)", digits(2)), "p_same": ("P(same)", digits(2)),
        "p_better": ("P(better)", digits(2)), "sd": ("sd", digits(2)),
        "runs_needed": ("runs needed", advice.runs_text), "runs_low": ("from", advice.runs_text),
        "runs_high": ("to", advice.runs_text),
    }  # fmt: skip
    margin = f"{stats.MARGIN:g} points"
    note = (
        f"TOST: two one-sided t-tests at {stats.LEVEL:g}, not corrected for the number of comparisons. By the 90 % "
        f"interval of the difference: equivalent within ±{margin}, different beyond, else undecided. A difference may "
        f"be shown and still be practically nothing. P: Bayesian signed-rank test, same: within ±{margin} (Benavoli et "
        f"al. 2017; {SAMPLES:,} samples, fixed seed); with few pairs it is surer than it should be. sd: of the paired "
        f"differences. Runs needed: to show {margin} with probability {100 * POWER:.0f} % by the two-sided paired "
        f"t-test at {stats.LEVEL:g} / comparisons (the first step of Holm's correction), by that sd and by the ends of "
        "its 95 % interval (chi-square)."
    )
    note += (
        " Two references stand here twice, once in each direction, but count once. Without spread, as of models with "
        "the same weights, there is no TOST."
    )
    return Table("practical", "Equivalence, probabilities, runs needed", frame=needed, columns=columns, note=note)


def mcnemar_table(tests: pd.DataFrame) -> Table:
    """Of `stats.mcnemar_over_runs`."""
    columns: dict[str, tuple[str, Format]] = {
        **_ABOUT, "runs": ("runs", whole), "images": ("test images", whole),
        "discordant": ("discordant", digits(1)), "better": ("runs better", whole), "worse": ("runs worse", whole),
        "p_least": ("p (any run)", p_value),
    }  # fmt: skip
    note = (
        "The two models of each run on the same test images. Discordant: images on which just one of them is right, "
        f"mean over runs. Runs better, worse: with p < {stats.LEVEL:g} of the exact test. The test is about these "
        "trained models and other images. Its runs share their images, so they are no independent tests and are not "
        "added up: one lucky image counts in each. p (any run): the smallest, times the number of runs, which holds "
        "nevertheless. Whether the methods differ is what the paired differences over runs tell."
    )
    return Table("mcnemar", "McNemar's test on the test images", frame=tests, columns=columns, note=note)


def rank_table(tests: stats.RankTests) -> Table:
    """Mean ranks, and the tests on them."""
    columns: dict[str, tuple[str, Format]] = {
        "baseline": ("baseline", str), "mean_rank": ("mean rank", digits(2)), "groups": ("groups", whole),
    }  # fmt: skip
    said = ["By mean accuracy; 1 is best. A group is a data set, with its condition and pair of networks."]
    if tests.friedman is None:
        said.append("Friedman's test needs 3 baselines and 2 groups without missing values.")
    else:
        statistic, p = tests.friedman
        said.append(f"Friedman's test: chi² = {fixed(statistic, 2)}, {p_phrase(p)}, approximate for few groups.")
    if is_defined(tests.critical_difference):
        said.append(f"Critical difference of mean ranks (Nemenyi, 0.05): {fixed(tests.critical_difference, 2)}.")
    if tests.control is not None:
        columns["p_holm"] = (f"p (Holm) to {tests.control}", p_value)
        said.append(f"p: of the difference of mean ranks to {tests.control}, corrected by Holm (Demsar 2006).")
    if 0 < tests.datasets < tests.groups:
        known = tests.friedman is not None or tests.control is not None
        said.append(
            f"The {tests.groups} groups are of {tests.datasets} data set{'s' * (tests.datasets > 1)}: they are not "
            f"independent{', which these tests suppose, so p is too small' * known}."
        )
    return Table("ranks", "Mean ranks across groups", frame=tests.table, columns=columns, note=" ".join(said))


def interquartile_table(means: pd.DataFrame, meaningless: Collection[str] = ()) -> Table:
    """Of `stats.interquartile_means`; `meaningless`: places that were left out."""
    columns: dict[str, tuple[str, Format]] = {
        "baseline": ("baseline", str), "groups": ("groups", whole), "runs": ("runs in each", whole),
        "iqm": ("IQM of retention %", digits(2)), "low": ("95 % from", digits(2)), "high": ("to", digits(2)),
    }  # fmt: skip
    note = (
        "Interquartile mean: of the middle half of all runs, each in percent of its teachers' accuracy (Agarwal et al. "
        "2021). Interval: stratified bootstrap, which draws the runs of each group anew; it is too narrow for few runs "
        "(in simulations over 4 groups it covers 88 % at 5 runs, 93 % at 10) and says nothing about other groups."
    )
    if meaningless:
        note += f" Left out, because their teachers are at chance or far worse than students: {named(meaningless, 5)}."
    return Table("interquartile", "Interquartile mean across groups", frame=means, columns=columns, note=note)


def statistics_of(
    frame: pd.DataFrame,
    compared: pd.DataFrame,
    order: Sequence[str],
    correctness: Mapping[str, np.ndarray],
    classes: Mapping[str, int] = MappingProxyType({}),
) -> Statistics:
    """All of it for which there is something.

    Args:
        frame: of `results.collect`.
        compared: of `stats.comparisons`.
        order: the baselines.
        correctness: stem of a model's file -> (test images,) bool, right or not; of those that have test outputs.
        classes: of data sets, by name; places where retention says nothing are known by it.
    """
    placed, meaningless = stats.students(frame), without_meaning(frame, classes)
    scored = frame.drop(placed.index[placed["place"].isin(meaningless)])
    needed, scores = stats.needed(compared), stats.scores(scored)
    tests = stats.rank_tests(frame, stats.REFERENCES)
    known = {name: scores[name] for name in order if name in scores}
    made = [practical_table(needed)] if (needed["n"] > 1).any() else []
    if correctness and len(by_image := stats.mcnemar_over_runs(frame, needed, correctness)):
        made.append(mcnemar_table(ordered(by_image, order)))
    made += [interquartile_table(stats.interquartile_means(known), meaningless)] if known else []
    made += [rank_table(tests)] if tests.groups > 1 else []
    said = [advice.practical(compared), *advice.over_groups(tests, known)] if len(compared) else []
    return Statistics(
        advice=tuple(advice.advice(needed)),
        sentences=tuple(filter(None, said)),
        tables=tuple(made),
        drawings=tuple(group_drawings(known, tests, order)),
    )
