"""Model files -> one row per file (pandas, CSV, Parquet)."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hpmkd.audit.findings import headers
from hpmkd.audit.grid_columns import RATIOS, columns_of
from hpmkd.audit.lineage import ancestors
from hpmkd.audit.places import (
    AXES,
    Place,
    distinct,
    groups,
    in_order,
    narrowed,
    places_in,
    retention_pct,
    stems,
    teacher_pct,
    teachers_by_run,
)
from hpmkd.audit.result_row import COUNTS, RATES, result_row
from hpmkd.audit.sweep_dir import Saved, open_saved
from hpmkd.config.arguments import path_of
from hpmkd.files import commit_bytes
from hpmkd.plan.roles import is_cache
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header

if TYPE_CHECKING:
    import pandas as pd

_SUMMARY = [
    *AXES, "place", "baseline", "runs", "mean_pct", "sd_pct", "retention_pct", "train_seconds", "total_seconds",
    "teacher_pct", "best_test_pct",
]  # fmt: skip
_SUMMARISED = (
    "role", "baseline", "run", "accuracy_pct", "train_seconds", "weights_sha256", "best_test_accuracy_pct",
)  # fmt: skip


def collect(
    output: OutputDir,
    planned: Mapping[str, Mapping[str, Any]] | Collection[str] | None,
    known: Mapping[str, Header] = MappingProxyType({}),
    places: Sequence[Place] = (),
) -> pd.DataFrame:
    """One row per valid file in `models/`: networks with their measures, and searches with what they cost; by place and
    file name.

    Args:
        output: the sweep's folder.
        planned: keys of the present plan, for the column `planned`, and what else it adds (see
            `grid_columns.columns_of`); None: there is no plan, all belong.
        known: by key, what was verified under the lock that is still held; all else is read from its file.
        places: the order of data sets, conditions and pairs; others follow. Default: the order of file names alone.
    """
    return collect_measured(output, planned, known, places)[0]


def collect_measured(
    output: OutputDir,
    planned: Mapping[str, Mapping[str, Any]] | Collection[str] | None,
    known: Mapping[str, Header] = MappingProxyType({}),
    places: Sequence[Place] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`collect`, and of `measured.measure_models`."""
    import pandas as pd

    from hpmkd.audit import data_measures, measured, represented

    found, rows = headers(output, known), []
    more: Mapping[str, Mapping[str, Any]] = planned if isinstance(planned, Mapping) else {}
    for stem, header in found.items():
        row = result_row(stem, header, planned is None or stem in planned)
        rows.append({**row, **_lineage(stem, found), **more.get(stem, {})})
    columns = [
        *result_row("", Header("", 0, accuracy=0.0, train_time=0.0, timestamp="", metadata={}), False),
        "ancestors",
        "ancestor_seconds",
        *dict.fromkeys(
            ["teacher", *RATIOS, "training_multiply_adds", *(name for row in more.values() for name in row)]
        ),
    ]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = ["accuracy_pct", "validation_accuracy_pct", "train_seconds", "prepare_seconds", "ancestor_seconds"]
    numbers += ["best_test_accuracy_pct"]
    numbers += ["attention_entropy", "training_multiply_adds", *RATIOS, *RATES]
    kinds = dict.fromkeys(("run", "epochs", "best_test_epoch", "parameters", "multiply_adds", *COUNTS), "Int64")
    frame = frame.astype({**kinds, **dict.fromkeys(numbers, "float64")})
    found_out = measured.measure_models(output, found)
    beyond = found_out.set_index("key")[[*measured.COLUMNS]].reindex(list(found)).set_axis(frame.index)
    text = beyond["agreement_with"].astype(object)
    beyond["agreement_with"] = text.where(text.notna(), None)
    trained = data_measures.columns(output, found, found_out).set_axis(frame.index)
    seen = represented.columns(output, found).set_axis(frame.index)
    whole = pd.concat([frame, beyond, trained, seen], axis=1)
    return whole.loc[in_order(frame, places)].reset_index(drop=True), found_out


def _lineage(stem: str, found: Mapping[str, Header]) -> dict[str, object]:
    """What a file depends on, and how long that took to make; NaN where not all of it is there."""
    needed = sorted(ancestors(stem, found))
    times = [found[name].train_time if name in found else math.nan for name in needed if _counts(name, found)]
    return {"ancestors": " ".join(needed), "ancestor_seconds": float(sum(times))}


def load_results(output_dir: str | os.PathLike[str]) -> pd.DataFrame:
    """The results of a sweep, finished or not, as one DataFrame: a row per valid file, read anew from the files.

    Args:
        output_dir: the sweep's output folder. Where it holds a `sweep.yaml`, column `planned` says which models
            belong to that sweep; else all do.

    Raises:
        UsageError: `output_dir` is no path, there is no such folder, or its config cannot be read.
    """
    saved = open_saved(path_of(output_dir, "output_dir"))
    return collect_saved(saved)[0]


def collect_saved(
    saved: Saved, known: Mapping[str, Header] = MappingProxyType({})
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`collect_measured`, by the plan of an output folder, if it has one; places in the order of the command.

    Every command that writes the tables makes them here, so that none has fewer columns than another's.
    """
    planned = None if saved.config is None else columns_of(saved.config, saved.jobs)
    return collect_measured(saved.output, planned, known, places=places_in(saved.jobs))


def files(frame: pd.DataFrame) -> dict[str, Callable[[], bytes]]:
    """`results.parquet` and `results.csv`: what makes the bytes of each."""

    def parquet() -> bytes:
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()

    return {"results.parquet": parquet, "results.csv": lambda: frame.to_csv(index=False).encode()}


def write(frame: pd.DataFrame, output: OutputDir, measures: pd.DataFrame | None = None) -> None:
    """Commits them, and `measures.parquet`."""
    from hpmkd.audit import measured

    more = {} if measures is None else measured.files(measures, output)
    for name, make in {**files(frame), **more}.items():
        commit_bytes(output.root / name, make())


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Per place (data set, condition, pair) and baseline: n, mean and standard deviation of accuracy, retention, mean
    train time, total cost.

    The total cost is the train time of all its students, and of all teachers, assistants and searches that they
    depend on, each counted once.

    Retention is student / teacher accuracy in percent, and missing where there is no teacher or it has 0 %. The teacher
    is the students' own one (`places.teacher_pct`), whose accuracy is in `teacher_pct`; where each run has its own,
    both are means over the runs. The row `teacher` is of all, each network once.
    The standard deviation is the sample's (n - 1), and missing for a single run. A cost of which a part is not known is
    missing. `best_test_pct` is the mean of best test epochs.
    """
    import pandas as pd

    rows, known = [], _seconds(frame)
    for names, part in groups(narrowed(frame, *_SUMMARISED)):
        teacher, reference = part[part["role"] == "teacher"], teacher_pct(part, names["place"])
        by_run = teachers_by_run(part, names["place"])
        named = [("teacher", teacher)] if len(teacher) else []
        students = part[part["role"] == "student"]
        named += [(str(name), group) for name, group in students.groupby("baseline", sort=False)]
        for name, group in named:
            networks = distinct(group) if name == "teacher" else group
            accuracy = networks["accuracy_pct"].set_axis(networks["run"])
            rows.append(
                {
                    **names,
                    "baseline": name,
                    "runs": len(networks),
                    "mean_pct": float(accuracy.mean()),
                    "sd_pct": float(accuracy.std(ddof=1)) if len(networks) > 1 else float("nan"),
                    "retention_pct": retention_pct(accuracy, reference, by_run),
                    "train_seconds": float(group["train_seconds"].mean()),
                    "total_seconds": total(group["train_seconds"]) + _shared_seconds(group, known),
                    "teacher_pct": reference,
                    "best_test_pct": _best(networks),
                }
            )
    return pd.DataFrame(rows, columns=_SUMMARY).astype({"runs": "int64", **dict.fromkeys(_SUMMARY[6:], "float64")})


def _best(networks: pd.DataFrame) -> float:
    """Mean of the best test epochs; NaN where one of them is not known, as of a protocol that does not look at them."""
    known = networks.get("best_test_accuracy_pct")
    return math.nan if known is None else float(known.mean(skipna=False))


def total(numbers: pd.Series) -> float:
    """The sum; NaN where one of them is missing: a sum of the others would be taken for the whole."""
    return float(numbers.sum(skipna=False))


def shared_names(group: pd.DataFrame) -> set[str]:
    """Stems of everything that the models of `group` depend on, themselves aside."""
    # `results.csv`, read by pandas, has nothing where a model depends on none.
    return {name for text in group["ancestors"].dropna() for name in text.split()}


def _seconds(frame: pd.DataFrame) -> dict[str, list[float]]:
    """Stem -> train times, in seconds; several where files differ by their ending alone."""
    made: dict[str, list[float]] = {}
    for stem, seconds in zip(stems(frame), frame["train_seconds"].astype("float64"), strict=True):
        made.setdefault(stem, []).append(seconds)
    return made


def _shared_seconds(group: pd.DataFrame, known: Mapping[str, Sequence[float]]) -> float:
    """Of everything that the models of `group` depend on; NaN where a part of it is not known."""
    names = shared_names(group)
    if _lacking(names, known):
        return math.nan
    return float(sum(seconds for name in sorted(names) if name in known for seconds in known[name]))


def absent(group: pd.DataFrame, frame: pd.DataFrame) -> set[str]:
    """Stems of what the models of `group` depend on and `frame` has not: a sum over them is not whole."""
    return _lacking(shared_names(group), set(stems(frame)))


def _lacking(names: Collection[str], known: Container[str]) -> set[str]:
    return {name for name in names if name not in known and _counts(name, known)}


def _counts(name: str, known: Container[str]) -> bool:
    """Whether a sum of times is not whole without it. A logits cache may be removed when its students are trained."""
    return name in known or not is_cache(name)
