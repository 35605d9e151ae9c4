"""Model files -> one row per model (pandas, CSV, Parquet), and the table at the end of a sweep."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from hpmkd.atomic import commit_bytes
from hpmkd.audit import headers
from hpmkd.output import Output
from hpmkd.store.header import Header

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

MODEL_ROLES = ("teacher", "assistant", "student")


def _row(stem: str, header: Header, planned: bool) -> dict[str, Any]:
    meta = header.metadata
    return {
        "file": f"{stem}.pt",
        "dataset": meta.get("dataset"),
        "role": meta.get("role"),
        "baseline": meta.get("baseline"),
        "run": meta.get("run"),
        "accuracy_pct": header.accuracy,
        "validation_accuracy_pct": meta.get("val_accuracy"),
        "train_seconds": header.train_time,
        "epochs": meta.get("epochs"),
        "seed": str(meta.get("seed")),
        "architecture": (meta.get("architecture") or {}).get("arch"),
        "channels": str((meta.get("architecture") or {}).get("channels")),
        "device": meta.get("device"),
        "timestamp": header.timestamp,
        "fingerprint": meta.get("fingerprint"),
        "sha256": header.sha256,
        "planned": planned,
    }


def collect(output: Output, planned: Collection[str]) -> pd.DataFrame:
    """One row per valid model file; `planned` says whether it belongs to the present plan."""
    import pandas as pd

    found = headers(output)
    models = {stem: header for stem, header in found.items() if header.metadata.get("role") in MODEL_ROLES}
    rows = [_row(stem, header, stem in planned) for stem, header in models.items()]
    for row, stem in zip(rows, models, strict=True):
        row["ancestors"] = " ".join(sorted(_ancestors(stem, found)))
        row["ancestor_seconds"] = sum(found[name].train_time for name in _ancestors(stem, found) if name in found)
    columns = [*_row("", Header("", 0, 0.0, 0.0, "", {}), False), "ancestors", "ancestor_seconds"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.attrs["seconds"] = {stem: header.train_time for stem, header in found.items()}
    return frame.astype({"run": "Int64", "epochs": "Int64"})


def _ancestors(stem: str, found: Mapping[str, Header]) -> set[str]:
    """Everything that had to be trained or searched before this one."""
    parents = set(found[stem].metadata.get("parents", {})) if stem in found else set()
    return parents.union(*(_ancestors(parent, found) for parent in parents))


def write(frame: pd.DataFrame, output: Output) -> None:
    """Commits `results.csv` and `results.parquet`."""
    buffer = io.BytesIO()
    bare = frame.copy()
    bare.attrs = {}
    bare.to_parquet(buffer, index=False)
    commit_bytes(output.root / "results.parquet", buffer.getvalue())
    commit_bytes(output.root / "results.csv", frame.to_csv(index=False).encode())


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Per data set and baseline: n, mean and standard deviation of accuracy, retention, mean train time, total cost.

    The total cost is the train time of all its students, and of all teachers, assistants and searches that they
    depend on, each counted once.

    Retention is student / teacher accuracy in percent. The standard deviation is the sample's (n - 1), and missing
    for a single run.
    """
    import pandas as pd

    rows = []
    for dataset, part in frame[frame["planned"]].groupby("dataset", sort=False):
        teacher = part[part["role"] == "teacher"]
        reference = float(teacher["accuracy_pct"].mean()) if len(teacher) else float("nan")
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
                    "retention_pct": 100 * float(accuracy.mean()) / reference,
                    "train_seconds": float(group["train_seconds"].mean()),
                    "total_seconds": float(group["train_seconds"].sum()) + _shared_seconds(group, frame),
                }
            )
    return pd.DataFrame(rows)


def _shared_seconds(group: pd.DataFrame, frame: pd.DataFrame) -> float:
    names = {name for text in group["ancestors"] for name in text.split()}
    return float(sum(frame.attrs["seconds"].get(name, 0.0) for name in names))


def tables(frame: pd.DataFrame, order: list[str]) -> list[Table]:
    """The summary as one table per data set, baselines in the order of the config."""
    from rich.table import Table

    made: list[Table] = []
    if frame.empty:
        return made
    place = {name: number for number, name in enumerate(["teacher", *order])}
    for dataset, part in summary(frame).groupby("dataset", sort=False):
        table = Table(title=str(dataset))
        for heading in ("baseline", "runs", "accuracy %", "sd", "retention %", "train s", "total s"):
            table.add_column(heading, justify="left" if heading == "baseline" else "right")
        rows = sorted(part.to_dict("records"), key=lambda row: place.get(row["baseline"], len(place)))
        for row in rows:
            numbers = [(row["mean_pct"], 2), (row["sd_pct"], 2), (row["retention_pct"], 1), (row["train_seconds"], 1)]
            numbers.append((row["total_seconds"], 1))
            cells = ["-" if math.isnan(value) else f"{value:.{digits}f}" for value, digits in numbers]
            table.add_row(str(row["baseline"]), str(row["runs"]), *cells)
        made.append(table)
    return made
