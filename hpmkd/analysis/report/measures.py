"""The report's section on measures beyond accuracy: its sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from hpmkd.analysis.measure_groups import TEACHER, Group, confusions, groups, recall_frame
from hpmkd.analysis.measure_words import sentences, unmeasured
from hpmkd.analysis.plots import measures as plots
from hpmkd.analysis.report.tables import ordered
from hpmkd.analysis.section import Drawing, Format, Table, digits
from hpmkd.audit.measure_tables import summary
from hpmkd.audit.measures import BINS, TOP
from hpmkd.data.source.listing import some_of
from hpmkd.numeric import whole

MANY_PANELS = 9  # more reliability diagrams are folded
_MOST_CLASSES = 30
_FIRST: dict[str, tuple[str, Format]] = {
    "place": ("data set", str), "baseline": ("baseline", str), "runs": ("n", whole),
}  # fmt: skip


@dataclass(frozen=True)
class Measures:
    """The section. `frame`: of `measured.measure_models`; `missing`: what is not measured, and what to do."""

    frame: pd.DataFrame
    lines: tuple[str, ...] = ()
    missing: str = ""
    tables: tuple[Table, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    folded: bool = False  # the reliability diagrams


def measures_of(frame: pd.DataFrame, measured: pd.DataFrame, order: Sequence[str], command: str) -> Measures:
    """The section for a sweep.

    Args:
        frame: of `results.collect`.
        measured: of `measured.measure_models`.
        order: the baselines.
        command: measures what is not measured.
    """
    missing = _missing(*unmeasured(frame), command)
    found = groups(frame, measured, order) if len(measured) else []
    if not found:
        return Measures(measured, missing=missing)
    return Measures(
        measured,
        lines=tuple(sentences(frame, found, order)),
        missing=missing,
        tables=tuple(_tables(frame, found, order)),
        drawings=tuple(_drawings(frame, found, order)),
        folded=len(found) > MANY_PANELS,
    )


def _missing(count: int, of: int, command: str) -> str:
    if not count:
        return ""
    if of == 1:
        which = "The model is not"
    else:
        which = "None of the models is" if count == of else f"{some_of(count, of, 'model')} not"
    return f"{which} measured here: what they answer to the test images is not kept. To measure them: {command}"


def _tables(frame: pd.DataFrame, found: Sequence[Group], order: Sequence[str]) -> list[Table]:
    table = ordered(summary(frame), order)
    made = [_measure_table(table), _calibration_table(table)]
    if table["agreement_pct"].notna().any():
        made.append(_agreement_table(table))
    if len(pairs := confusions(found)):
        made.append(_confusion_table(pairs))
    return [*made, _recall_table(recall_frame(found, order, _MOST_CLASSES), order)]


def _measure_table(table: pd.DataFrame) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        **_FIRST, "accuracy_pct": ("accuracy %", digits(2)), "balanced_accuracy_pct": ("balanced %", digits(2)),
        "macro_f1_pct": ("macro-F1 %", digits(2)), "worst_recall_pct": ("worst class %", digits(1)),
        "top5_pct": (f"top-{TOP} %", digits(2)), "nll": ("NLL", digits(3)), "brier": ("Brier", digits(3)),
    }  # fmt: skip
    if table["top5_pct"].isna().all():
        del columns["top5_pct"]
    note = (
        "Means over n models, on test images. Balanced accuracy: mean recall of the classes (Brodersen et al. 2010). "
        "Macro-F1: mean of their F1 (Opitz and Burst 2019). Worst class: recall of the class that a model finds least. "
        "NLL: negative log-likelihood, nats. Brier: squared errors of the probabilities, summed over classes, 0 to 2."
    )
    return Table("measures", "Classes and probabilities", frame=table, columns=columns, note=note)


def _calibration_table(table: pd.DataFrame) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        **_FIRST, "ece_pct": ("ECE %", digits(2)), "temperature": ("fitted T", digits(2)),
        "ece_scaled_pct": ("ECE % with it", digits(2)),
    }  # fmt: skip
    note = (
        f"ECE: expected calibration error over {BINS} bins of equal width (Guo et al. 2017). T: what the logits are "
        "divided by so that validation images are likeliest; above 1 the model was too sure. Where a model has all of "
        "them right, or its logits say no more than chance, there is no such T. The error of a few hundred images is "
        "above 0 even without any miscalibration."
    )
    return Table("calibration", "Calibration", frame=table, columns=columns, note=note)


def _agreement_table(table: pd.DataFrame) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        "place": ("data set", str), "baseline": ("baseline", str), "compared": ("n", whole),
        "accuracy_pct": ("accuracy %", digits(2)), "agreement_pct": ("agrees %", digits(2)),
        "agreement_on_errors_pct": ("on its errors %", digits(1)), "teacher_kl": ("KL from the teacher", digits(3)),
    }  # fmt: skip
    note = (
        "With the first teacher that a student was trained from; Direct and further teachers with the first of their "
        "data set, condition and pair, as a reference. Agrees: the same class (Stanton et al. 2021). On its errors: "
        "the same wrong class, of the images that the teacher gets wrong. KL: mean KL(teacher || student) at T = 1, "
        "nats."
    )
    shown = table[table["agreement_pct"].notna()]
    return Table("agreement", "Agreement with the teacher", frame=shown, columns=columns, note=note)


def _confusion_table(pairs: pd.DataFrame) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        "place": ("data set", str), "true": ("class", whole), "predicted": ("taken for", whole),
        "students_pct": ("students %", digits(2)), "teacher_pct": ("teachers %", digits(2)),
    }  # fmt: skip
    note = (
        "The pairs that students confuse most: % of the class's test images, mean over baselines. Every matrix is in "
        "measures.parquet."
    )
    return Table("confusions", "Most frequent confusions", frame=pairs, columns=columns, note=note)


def _recall_table(recalls: pd.DataFrame, order: Sequence[str]) -> Table:
    names = [name for name in (TEACHER, *order) if name in recalls]
    columns: dict[str, tuple[str, Format]] = {"place": ("data set", str), "class": ("class", whole)}
    columns |= {name: (name, digits(1)) for name in names}
    note = (
        "Recall: % of a class's test images that are found, mean over models. Of more than "
        f"{_MOST_CLASSES} classes those that students find least; all are in measures.parquet."
    )
    return Table("recall", "Recall per class", frame=recalls, columns=columns, note=note)


def _drawings(frame: pd.DataFrame, found: Sequence[Group], order: Sequence[str]) -> list[Drawing]:
    text = "Means over models. Hollow: as trained; filled: with the fitted temperature, where each model has one."
    made = [Drawing("calibration", "Calibration error", partial(plots.calibration, frame, order), text)]
    if "agreement_pct" in frame and frame["agreement_pct"].notna().any():
        text = (
            "Filled: same class as the teacher, over all test images; small dots: single runs. Hollow: over the images "
            "that the teacher gets wrong."
        )
        made.append(Drawing("agreement", "Agreement with the teacher", partial(plots.agreement, frame, order), text))
    text = (
        "Accuracy over confidence; a dot's area is the share of images. Below the diagonal: too sure. Solid: as "
        "trained; dashed: with the fitted temperature."
    )
    made.append(Drawing("reliability", "Reliability diagrams", partial(plots.reliability, found, order), text))
    if any(one.confusion is not None for one in found):
        text = "Rows: true class; columns: what it is taken for, in % of its images. Grey: the images that are right."
        made.append(Drawing("confusion", "Confusion matrices", partial(plots.confusion, found), text))
    return made
