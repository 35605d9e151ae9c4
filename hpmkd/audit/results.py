"""Model files -> one row per file (pandas, CSV, Parquet), and the table at the end of a sweep."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hpmkd.audit.findings import headers
from hpmkd.audit.sweep_dir import Saved, open_saved
from hpmkd.config.specs import ModelSpec
from hpmkd.files import commit_bytes
from hpmkd.numeric import divide, fixed, is_defined, whole
from hpmkd.plan.architecture import parameter_count
from hpmkd.plan.job import Job
from hpmkd.plan.roles import NETWORK_SUFFIX, Role
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header

if TYPE_CHECKING:
    import pandas as pd

    from hpmkd.text_table import TextTable

_SUMMARY = [
    "dataset", "baseline", "runs", "mean_pct", "sd_pct", "retention_pct", "train_seconds", "total_seconds",
]  # fmt: skip


def _row(stem: str, header: Header, planned: bool) -> dict[str, Any]:
    meta = header.metadata
    role, shape, versions = Role.of(meta.get("role")), meta.get("architecture") or {}, meta.get("versions") or {}
    # Of what is no network, `accuracy` is none on the test set: a search reports validation images.
    network = role is None or role.is_network
    return {
        "file": f"{stem}{role.suffix if role else NETWORK_SUFFIX}",
        "dataset": meta.get("dataset"),
        "role": role.value if role else meta.get("role"),
        "baseline": meta.get("baseline"),
        "run": _count(meta.get("run")),
        "accuracy_pct": header.accuracy if network else math.nan,
        "validation_accuracy_pct": meta.get("val_accuracy") if network else header.accuracy,
        "train_seconds": header.train_time,
        "prepare_seconds": meta.get("prepare_seconds", math.nan),  # of them, on helper modules before the first step
        "epochs": _count(meta.get("epochs")),
        "seed": str(meta.get("seed")),
        "architecture": shape.get("arch") if network else None,
        "channels": str(shape.get("channels")) if network else None,
        "parameters": _parameters(shape) if network else None,
        "device": meta.get("device"),
        "hardware": meta.get("hardware"),
        "timestamp": header.timestamp,
        "fingerprint": meta.get("fingerprint"),
        "sha256": header.sha256,
        "planned": planned,
        "recalled": bool(meta.get("recalled")),
        "hpmkd": versions.get("hpmkd"),
        "torch": versions.get("torch"),
        "python": versions.get("python"),
        "git_revision": meta.get("git_revision"),
        "parents": " ".join(meta.get("parents") or {}),
    }


def _count(value: Any) -> int | None:
    """A whole number of metadata; None where somebody else has put something else there."""
    return int(value) if is_defined(value) and value == int(value) else None


def _parameters(shape: Mapping[str, Any]) -> int | None:
    """Of a network by its metadata; None where they do not describe one of ours."""
    try:
        return parameter_count(ModelSpec(**{**shape, "channels": tuple(shape["channels"])}))
    except (TypeError, ValueError, KeyError):
        return None


def collect(
    output: OutputDir,
    planned: Collection[str] | None,
    known: Mapping[str, Header] = MappingProxyType({}),
    datasets: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per valid file in `models/`: networks, and searches with what they cost; by data set and file name.

    Args:
        output: the sweep's folder.
        planned: keys of the present plan, for the column `planned`; None: there is no plan, all belong.
        known: by key, what was verified under the lock that is still held; all else is read from its file.
        datasets: the order of data sets; others follow. Default: the order of file names alone.
    """
    import pandas as pd

    found = headers(output, known)
    rows = []
    for stem, header in found.items():
        ancestors = sorted(_ancestors(stem, found))
        row = _row(stem, header, planned is None or stem in planned)
        row["ancestors"] = " ".join(ancestors)
        row["ancestor_seconds"] = float(sum(found[name].train_time for name in ancestors if name in found))
        rows.append(row)
    columns = [
        *_row("", Header("", 0, accuracy=0.0, train_time=0.0, timestamp="", metadata={}), False),
        "ancestors",
        "ancestor_seconds",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = ["accuracy_pct", "validation_accuracy_pct", "train_seconds", "prepare_seconds", "ancestor_seconds"]
    place = {name: number for number, name in enumerate(datasets)}
    order = frame["dataset"].map(place).fillna(len(place)).sort_values(kind="stable").index
    frame = frame.loc[order].reset_index(drop=True)
    return frame.astype({"run": "Int64", "epochs": "Int64", "parameters": "Int64", **dict.fromkeys(numbers, "float64")})


def load_results(output_dir: str | os.PathLike[str]) -> pd.DataFrame:
    """The results of a sweep, finished or not, as one DataFrame: a row per valid file, read anew from the files.

    Args:
        output_dir: the sweep's output folder. Where it holds a `sweep.yaml`, column `planned` says which models
            belong to that sweep; else all do.

    Raises:
        UsageError: there is no such folder, or its config cannot be read.
    """
    saved = open_saved(Path(output_dir))
    return collect_saved(saved)


def collect_saved(saved: Saved, known: Mapping[str, Header] = MappingProxyType({})) -> pd.DataFrame:
    """`collect`, by the plan that an output folder has, if it has one; data sets in the order of the command."""
    planned = None if saved.config is None else {job.key for job in saved.jobs}
    return collect(saved.output, planned, known, datasets=datasets_in(saved.jobs))


def datasets_in(jobs: Iterable[Job]) -> list[str]:
    """The names of a plan's data sets, in the order of the command: all teachers stand before all else."""
    return list(dict.fromkeys(job.data.name for job in jobs))


def _ancestors(stem: str, found: Mapping[str, Header]) -> set[str]:
    """Everything that had to be trained or searched before this one."""
    seen: set[str] = set()
    left = [stem]
    while left:
        header = found.get(left.pop())
        parents = set(header.metadata.get("parents") or {}) - seen if header is not None else set()
        seen |= parents  # a circle, which only edited metadata can have, ends here
        left += parents
    return seen - {stem}


def files(frame: pd.DataFrame) -> dict[str, Callable[[], bytes]]:
    """`results.parquet` and `results.csv`: what makes the bytes of each."""

    def parquet() -> bytes:
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()

    return {"results.parquet": parquet, "results.csv": lambda: frame.to_csv(index=False).encode()}


def write(frame: pd.DataFrame, output: OutputDir) -> None:
    """Commits them."""
    for name, make in files(frame).items():
        commit_bytes(output.root / name, make())


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Per data set and baseline: n, mean and standard deviation of accuracy, retention, mean train time, total cost.

    The total cost is the train time of all its students, and of all teachers, assistants and searches that they
    depend on, each counted once.

    Retention is student / teacher accuracy in percent, and missing where there is no teacher or it has 0 %. The
    standard deviation is the sample's (n - 1), and missing for a single run. A cost of which a part is not known is
    missing.
    """
    import pandas as pd

    rows = []
    for dataset, part in frame[frame["planned"].astype(bool)].groupby("dataset", sort=False):
        teacher = part[part["role"] == "teacher"]
        reference = float(teacher["accuracy_pct"].mean())
        groups = [("teacher", teacher)] if len(teacher) else []
        students = part[part["role"] == "student"]
        groups += [(str(name), group) for name, group in students.groupby("baseline", sort=False)]
        for name, group in groups:
            accuracy = group["accuracy_pct"]
            rows.append(
                {
                    "dataset": dataset,
                    "baseline": name,
                    "runs": len(group),
                    "mean_pct": float(accuracy.mean()),
                    "sd_pct": float(accuracy.std(ddof=1)) if len(group) > 1 else float("nan"),
                    "retention_pct": 100 * divide(accuracy.mean(), reference),
                    "train_seconds": float(group["train_seconds"].mean()),
                    "total_seconds": total(group["train_seconds"]) + _shared_seconds(group, frame),
                }
            )
    return pd.DataFrame(rows, columns=_SUMMARY).astype({"runs": "int64", **dict.fromkeys(_SUMMARY[3:], "float64")})


def total(numbers: pd.Series) -> float:
    """The sum; NaN where one of them is missing: a sum of the others would be taken for the whole."""
    return float(numbers.sum(skipna=False))


def shared_names(group: pd.DataFrame) -> set[str]:
    """Stems of everything that the models of `group` depend on, themselves aside."""
    return {name for text in group["ancestors"] for name in text.split()}


def _shared_seconds(group: pd.DataFrame, frame: pd.DataFrame) -> float:
    stems = frame["file"].str.rsplit(".", n=1).str[0]
    return total(frame.loc[stems.isin(shared_names(group)), "train_seconds"])


def tables(frame: pd.DataFrame, order: list[str]) -> list[TextTable]:
    """The summary as one table per data set, baselines in the order of the config."""
    from hpmkd.text_table import TextTable

    made: list[TextTable] = []
    headings = ("baseline", "runs", "accuracy %", "sd", "retention %", "train s", "total s")
    digits = {"mean_pct": 2, "sd_pct": 2, "retention_pct": 1, "train_seconds": 1, "total_seconds": 1}
    place = {name: number for number, name in enumerate(["teacher", *order])}
    for dataset, part in summary(frame).groupby("dataset", sort=False):
        rows = sorted(part.to_dict("records"), key=lambda row: place.get(row["baseline"], len(place)))
        cells = [
            [str(row["baseline"]), whole(row["runs"]), *(fixed(row[name], count) for name, count in digits.items())]
            for row in rows
        ]
        made.append(TextTable(str(dataset), headings, cells))
    return made
