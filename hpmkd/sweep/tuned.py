"""What a tuning has tried, what is chosen, and what is said of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpmkd.data.source.listing import count
from hpmkd.errors import Diverged, HpmkdError
from hpmkd.plan.job import TRIALS, Job, label
from hpmkd.plan.trials import WORST, milestones
from hpmkd.sweep.candidates import EPOCH, LOSS, NUMBER, SETTINGS


def trying(job: Job, runs: int) -> str:
    """What is said at its start."""
    how = dict(job.hparams)
    keys = ", ".join(key for key, *_ in how["tune.space"])
    return f"{label(job, runs)}: trying {count(how['tune.trials'], 'setting')} of {keys}"


def summary(found: Mapping[str, Any]) -> str:
    """What is said at its end."""
    text = ", ".join(f"{name} {value:g}" for name, value in found["chosen"].items())
    failed = sum(row.get("failed", False) for row in found["evidence"])
    also = f"; the trials of {count(failed, 'setting')} FAILED: see tune/" if failed else ""
    return f"{text} ({found['accuracy_pct']:.2f}% on validation){also}"


def rows(file: Path) -> list[dict[str, Any]]:
    """What was noted; a line that is torn, or that a trial that started again has said twice, counts once."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                found[int(row[NUMBER]), int(row[EPOCH])] = row
    return [found[key] for key in sorted(found)]


def conclusion(job: Job, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is chosen of those that were trained to the end; the first where nothing is better by a standard error.

    Raises:
        HpmkdError: none was.
    """
    how, last = dict(job.hparams), milestones(job)[-1]
    whole = [row for row in rows if row[EPOCH] == last and row[LOSS] < WORST]  # nor a loss that is no number
    if not whole:
        raise _none(how[TRIALS], rows)
    best = min(whole, key=lambda row: (row[LOSS], row[NUMBER]))
    first = next((row for row in whole if row[NUMBER] == 0), None)
    if how["tune.one_standard_error"] and first is not None and first[LOSS] <= best[LOSS] + best["standard_error"]:
        best = first
    seconds = {row[NUMBER]: row["seconds"] for row in rows}  # the last of each
    evidence = [
        {
            "candidate": row[NUMBER], "epochs": row[EPOCH], "validation_loss": row[LOSS],
            "standard_error": row["standard_error"], "validation_accuracy_pct": row["accuracy_pct"],
            "train_seconds": row["seconds"], **row[SETTINGS],
        }
        for row in rows
    ]  # fmt: skip
    # Without a comparison: its trial failed.
    lost = sorted(set(range(how[TRIALS])) - {row[NUMBER] for row in rows})
    evidence += [{"candidate": number, "failed": True} for number in lost]
    return {
        "chosen": dict(best[SETTINGS]), "evidence": evidence, "accuracy_pct": best["accuracy_pct"],
        "train_seconds": sum(seconds.values()),
    }  # fmt: skip


def _none(trials: int, rows: Sequence[dict[str, Any]]) -> HpmkdError:
    """Why nothing can be chosen: a tuning that would end in the same way again has `Diverged`."""
    compared = {row[NUMBER] for row in rows}
    diverged = {row[NUMBER] for row in rows if not row[LOSS] < WORST}
    kind = Diverged if diverged and len(compared) == trials else HpmkdError
    return kind(
        "no settings were trained to the end", expected="at least one",
        found=f"of {count(trials, 'setting')} {len(diverged)} with which the training diverges, "
        f"{len(compared - diverged)} that were compared and left before the end, {trials - len(compared)} whose trials "
        "failed before a comparison",
        todo="try a smaller fit.lr" if kind is Diverged else "look at the trials that failed, in tune/",
    )  # fmt: skip
