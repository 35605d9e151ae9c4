"""The part of the live page that changes all the time: how far a sweep is, what is in training, the time left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpmkd.analysis.report.write import environment
from hpmkd.audit.forecast import seconds_left
from hpmkd.audit.owner import SWEEP
from hpmkd.audit.status import BAD, ModelStatus, Status, ago, row_name
from hpmkd.data.source.listing import count
from hpmkd.numeric import clock, divide, fixed, is_defined
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Progress, progress_file, read

_WIDTH, _HEIGHT = 100.0, 24.0  # of the small curves


def progress_html(status: Status, trouble: str = "") -> str:
    """The part as HTML; `trouble`: why the report below it could not be made anew."""
    done, total = sum(one.state == "done" for one in status.models), len(status.models)
    output = OutputDir(Path(status.root))
    running = [one for one in status.models if one.state == "running"]
    return (
        environment(autoescape=True)
        .get_template("progress.html.j2")
        .render(
            headline=_headline(status, done, total),
            state=SWEEP[status.sweep].format(owner=status.owner),
            after=[str(step) for step in status.after],
            trouble=trouble,
            done=done,
            total=total,
            running=[_row(one, read(progress_file(output, one.key))) for one in running],
            groups=_groups(status.models),
        )
    )


def _headline(status: Status, done: int, total: int) -> str:
    if not total:
        return "No plan yet: the sweep has not read its data."
    left, states = seconds_left(status), [one.state for one in status.models]
    parts = [f"{done} of {count(total, 'model')} done"]
    parts += [f"{states.count(bad)} {bad}" for bad in BAD if bad in states]
    parts += [f"about {clock(left)} left"] if left is not None else []
    return ", ".join(parts)


def _row(one: ModelStatus, record: Progress | None) -> dict[str, str]:
    epochs = record.epochs if record is not None else ()
    curve = [(row["epoch"], row["validation_accuracy_pct"]) for row in epochs]
    curve = [point for point in curve if is_defined(point[1])]
    newest: dict[str, Any] = dict(epochs[-1]) if epochs else {}
    return {
        "key": one.key,
        "epoch": f"{one.epoch or 0}/{one.of}",
        "points": _points(curve, one.of or 1) if len(curve) > 1 else "",
        "about": f"validation accuracy by epoch, {fixed(curve[0][1], 2)} to {fixed(curve[-1][1], 2)} %"
        if curve
        else "",
        "accuracy": fixed(curve[-1][1] if curve else None, 2),
        "loss": fixed(newest.get("train_loss"), 4),
        "since": ago(one.since or ""),
    }


def _points(curve: Sequence[tuple[int, float]], of: int) -> str:
    """Of a polyline: all epochs from left to right, the smallest accuracy below."""
    low, high = min(value for _, value in curve), max(value for _, value in curve)
    points = []
    for epoch, value in curve:
        height = divide(value - low, high - low)
        up = height if is_defined(height) else 0.5
        points.append(f"{_WIDTH * divide(epoch, of):.1f},{_HEIGHT - 1 - (_HEIGHT - 2) * up:.1f}")
    return " ".join(points)


def _groups(models: Sequence[ModelStatus]) -> list[list[str]]:
    """A row per data set (condition, pair) and baseline: done of all, running, failed."""
    rows = []
    for place, name in dict.fromkeys((one.place, row_name(one)) for one in models):
        states = [one.state for one in models if (one.place, row_name(one)) == (place, name)]
        counts = [states.count("running"), sum(state in BAD for state in states)]
        done = f"{states.count('done')}/{len(states)}"
        rows.append([place, name, done, *(str(count or "") for count in counts)])
    return rows
