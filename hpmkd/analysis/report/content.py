"""The contents of a report, gathered from the files of a finished or unfinished sweep."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from hpmkd.analysis import stats, time_profile
from hpmkd.analysis.cautions import cautions
from hpmkd.analysis.conclusions import conclude, elsewhere
from hpmkd.analysis.costs import costs
from hpmkd.analysis.experiments.registry import sections_of
from hpmkd.analysis.report import tables
from hpmkd.analysis.report.data import DataShown, datasets_of
from hpmkd.analysis.report.drawings import curves_of, drawings_of
from hpmkd.analysis.report.measures import Measures, measures_of
from hpmkd.analysis.report.setup import facts_of
from hpmkd.analysis.report.statistics import statistics_of
from hpmkd.analysis.section import Drawing, Section, Table
from hpmkd.audit import chance, results
from hpmkd.audit import measured as measuring
from hpmkd.audit.chosen import unchosen, unchosen_text
from hpmkd.audit.findings import sorted_out
from hpmkd.audit.places import with_untaught
from hpmkd.audit.status import BAD, Status, against_bytes, read_status
from hpmkd.audit.sweep_dir import Saved, open_saved
from hpmkd.config.load import to_yaml
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.source.listing import count, some_of
from hpmkd.log import steps
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.store import profile_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header

UNPLANNED = "The sweep has not planned its models yet."


@dataclass(frozen=True)
class Report:
    """Everything, in order.

    `missing`: what is, and the line of `continues`. `conclusions`: a headline, then a sentence per finding;
    `not_shown`: the other comparisons; `statistics`: what the tests beside the main one say; `sections`: those of the
    experiments that are there. `curves` holds the numbers behind the learning curves, which are in no other table.
    `measures`: what is said beyond accuracy; its tables and drawings are among the others. `datasets`: those that the
    cache still knows.
    """

    title: str
    made: str
    output: OutputDir
    frame: pd.DataFrame
    facts: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    failures: tuple[str, ...]
    conclusions: tuple[str, ...]
    not_shown: Table | None
    cautions: tuple[str, ...]
    advice: tuple[str, ...]
    statistics: tuple[str, ...]
    tables: tuple[Table, ...]
    drawings: tuple[Drawing, ...]
    sections: tuple[Section, ...]
    curves: pd.DataFrame
    measures: Measures
    config: str
    datasets: tuple[DataShown, ...] = ()
    continues: tuple[str, ...] = ()

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """Those of the experiments included."""
        return (*self.tables, *(one for section in self.sections for one in (*section.tables, *section.folded)))

    @property
    def all_drawings(self) -> tuple[Drawing, ...]:
        """Those of the experiments included."""
        return (*self.drawings, *(one for section in self.sections for one in section.drawings))

    def table(self, name: str) -> Table | None:
        """The table of that name, if there is one."""
        return next((one for one in self.all_tables if one.name == name), None)

    def drawing(self, name: str) -> Drawing | None:
        """The figure of that name, if there is one."""
        return next((one for one in self.all_drawings if one.name == name), None)


def gather(root: Path, known: Mapping[str, Header] = MappingProxyType({})) -> Report:
    """Reads a sweep; UsageError where there is none. `known`, by key, are files that need not be read again."""
    saved = open_saved(root)
    found, broken = sorted_out(saved.output, known)
    frame, measured = results.collect_saved(saved, found)
    curves = curves_of(saved.output, {job.key: job.fingerprint for job in saved.jobs}, frame)
    steps.info(f"statistics and figures of {count(len(frame), 'model')}")
    right = measuring.correctness(saved.output, stats.students(frame)["file"])
    status = against_bytes(read_status(root), broken)
    return compose(saved, frame, status, curves, measured=measured, correctness=right)


def compose(
    saved: Saved,
    frame: pd.DataFrame,
    status: Status,
    curves: pd.DataFrame,
    measured: pd.DataFrame | None = None,
    correctness: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Report:
    """The report on what was read: `frame`, `measured` by `results.collect_measured`, `curves` by `curves_of`,
    `correctness` by `measured.correctness`."""
    order, hidden = _order(saved.config, frame), unchosen(frame, saved.config)
    shown, beyond_choice = frame.drop(hidden), _unchosen(frame.loc[hidden, "baseline"])
    visible, side_by_side = _visible(order, shown), with_untaught(shown)
    beyond = measures_of(shown, pd.DataFrame() if measured is None else measured, visible, _measure(saved.output))
    compared = tables.ordered(stats.comparisons(side_by_side), order)
    found, classes = conclude(compared), chance.classes_of(saved.jobs)
    beside = statistics_of(side_by_side, compared, order=visible, correctness=correctness, classes=classes)
    made, sections = _tables(frame, side_by_side, compared, order, saved=saved), sections_of(frame, order, saved)
    return Report(
        title=f"{saved.output.root.name}: knowledge-distillation sweep",
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        output=saved.output,
        frame=frame,
        facts=tuple(facts_of(frame, saved, order)),
        missing=tuple(_missing(status)),
        failures=tuple(f"{one.key}: {one.state}, {one.reason}" for one in status.models if one.state in BAD),
        conclusions=(found.headline + elsewhere(sections), *found.findings),
        not_shown=tables.not_shown_table(found.not_shown) if len(found.not_shown) else None,
        cautions=(*chance.remarks(shown, classes), *cautions(shown, compared), *beyond_choice),
        advice=beside.advice,
        statistics=beside.sentences,
        tables=(*made, *beside.tables, *beyond.tables, *_profile(saved.output, saved.jobs)),
        drawings=(*drawings_of(shown, compared, curves, visible), *beside.drawings, *beyond.drawings),
        sections=sections,
        curves=curves,
        measures=beyond,
        config=to_yaml(saved.config) if saved.config else "",
        datasets=tuple(datasets_of((job.data for job in saved.jobs), saved.config.data if saved.config else None)),
        continues=tuple(_to_continue(status)),
    )


def _unchosen(baselines: pd.Series) -> list[str]:
    return unchosen_text(baselines, ", under “Sensitivity to settings”")


def _visible(order: Sequence[str], shown: pd.DataFrame) -> list[str]:
    """The baselines of figures. Colours go by place: of all cells of a grid, two that are shown might have the same."""
    return [name for name in order if name in set(shown["baseline"])]


def _measure(output: OutputDir) -> str:
    """The command that measures what is not measured yet."""
    return f"hpmkd measure {shlex.quote(str(output.root))}"


def _order(config: SweepConfig | None, frame: pd.DataFrame) -> list[str]:
    """Baselines as the config has them; without one as they come."""
    if config is not None:
        return [one.label for one in baselines_of(config)]
    return list(dict.fromkeys(stats.students(frame)["baseline"].dropna()))


def _missing(status: Status) -> list[str]:
    left = [one for one in status.models if one.state not in ("done", "unchecked")]
    if not status.models:
        return [UNPLANNED]
    if not left:
        return _not_measured(status)
    words = {"running": "in training", "ready": "not started", "lost": "finished before (the file is gone)"}
    states = [one.state for one in left]
    counts = [f"{states.count(state)} {words.get(state, state)}" for state in dict.fromkeys(states)]
    of = some_of(len(left), len(status.models), "model")
    line = f"{of} missing: {', '.join(counts)}. This report covers the others."
    return [line, *_to_continue(status)]


def _not_measured(status: Status) -> list[str]:
    """What is owed of a sweep whose models are all there."""
    owed = [f"After the training, not all is measured: {step}." for step in status.after if step.is_open]
    return [*owed, *_to_continue(status)] if owed else []


def _to_continue(status: Status) -> list[str]:
    goes_on = status.sweep in ("running", "elsewhere")
    return [to_continue(status.command)] if status.command and not goes_on else []


def to_continue(command: str) -> str:
    """What to do where something is missing."""
    return f"To continue: {command}"


def _tables(
    frame: pd.DataFrame,
    shown: pd.DataFrame,
    compared: pd.DataFrame,
    order: Sequence[str],
    *,
    saved: Saved,
) -> list[Table]:
    """`shown`: the rows of `frame` whose test accuracy is shown, in each place all that are compared there. Of other
    models the accuracy is left out."""
    if not frame["planned"].any():
        return []
    made = [tables.accuracy_table(tables.ordered(stats.summary(shown), order))]
    if len(compared):
        made.append(tables.difference_table(compared, saved.config.teacher.per_run if saved.config else None))
    made.append(tables.cost_table(tables.ordered(costs(frame), order)))
    looked_at = frame["accuracy_pct"].where(frame["file"].isin(shown["file"]))
    return [*made, tables.model_table(frame.assign(accuracy_pct=looked_at))]


def _profile(output: OutputDir, jobs: Sequence[Job]) -> list[Table]:
    """Of a sweep that was started with `--profile`."""
    profile = profile_file.read_profile(output)
    if not profile.models:
        return []
    parts = time_profile.by_part(profile, {job.key: job.role for job in jobs})
    kinds = {job.key: (job.role, job.baseline or "") for job in jobs}
    operators = time_profile.by_operator(profile, kinds)
    made = [tables.profile_table(parts, time_profile.sentences(profile))]
    return [*made, tables.operator_table(operators)] if len(operators) else made
