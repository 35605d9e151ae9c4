"""`--dry-run`: the grid with a count per axis, what would happen to each model and why, and how long it would take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpmkd.audit.estimate import Estimate, estimate
from hpmkd.audit.findings import audit, describe_finding
from hpmkd.audit.recalled import recalled
from hpmkd.audit.timed_workers import need_workers
from hpmkd.config.conditions import IMBALANCE, NOISE, has_any
from hpmkd.config.specs import ModelSpec
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.source.listing import count, named
from hpmkd.errors import EXIT_OK, EnvironmentProblem
from hpmkd.numeric import is_defined
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.compression import described, networks_of, times_fewer
from hpmkd.plan.grid import grid_of
from hpmkd.plan.job import Job
from hpmkd.plan.kernels import kernel_shapes
from hpmkd.plan.planner import expand
from hpmkd.plan.roles import Role
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.benches import planned
from hpmkd.sweep.compiling import told_of
from hpmkd.sweep.known_images import notes
from hpmkd.sweep.left_out import changed_settings, warn_left_out
from hpmkd.sweep.own_networks import known_networks
from hpmkd.sweep.preparation import known_data, need_images, need_surroundings
from hpmkd.sweep.timed_run import config_of
from hpmkd.sweep.tried_methods import need_tried

_WIDTH = 110  # of a line that lists values
_FEW = 20  # times what Ray takes: of a longer sweep it is not worth a word
_AXES = {"dataset": "data sets", "condition": "conditions", "pair": "pairs", "baseline": "baselines", "run": "runs"}


def dry_run(config: SweepConfig, output: OutputDir, force: bool) -> int:
    """Prints it; trains nothing, writes nothing. Returns the exit code."""
    if config.bench.workers:
        need_workers(config)
    baselines = baselines_of(config)
    specs = known_data(config, output)
    jobs = expand(config, specs, baselines, known_networks(config, output, specs))
    findings = audit(jobs, output, repair=False)
    warn_left_out(jobs, output)
    missing = [job for job in jobs if job.key in findings and not findings[job.key].good]
    if missing:
        need_surroundings(config)
        need_tried(jobs, findings, output, note=False)
    from_memory = recalled(config, findings, output)
    width = max(len(job.file_name) for job in jobs)
    for job in (one for one in jobs if one.key in findings):
        print(f"{job.file_name:<{width}}  {describe_finding(findings[job.key], findings, from_memory)}")
    for line in (*network_lines(jobs), *grid_lines(jobs, baselines)):
        print(line)
    if missing and config.record.mirror:
        print(f"not looked at: {config.record.mirror}; what it has of these models is fetched, not trained")
    for line in about(config, output, jobs, findings=findings, force=force):
        print(line)
    done = sum(finding.good for finding in findings.values())
    if done < len(findings):
        print(time_line(estimate(config, findings, output)))
    print(f"{count(len(findings), 'model')} in {output.root}: {done} done, {len(findings) - done} to train")
    print("dry run: nothing was trained; without -n this command does it")
    return EXIT_OK


def about(
    config: SweepConfig, output: OutputDir, jobs: Sequence[Job], findings: Mapping[str, Finding], *, force: bool
) -> list[str]:
    """What is said beside the states of models: other settings, images that are gone, what is measured afterwards."""
    missing = [job for job in jobs if job.key in findings and not findings[job.key].good]
    settings = _about_settings(config, output, jobs, findings=findings, force=force)
    after = planned(config, _seconds_alone(config, findings, output) if config.bench.workers else 0.0)
    images = [*_unseen(jobs), *_about_images(config, output, missing)]
    kernels = [f"compiled kernels: {told_of(shapes)}"] if (shapes := kernel_shapes(missing)) else []
    return [*settings, *images, *kernels, *_about_representations(config, jobs), *after]


def _unseen(jobs: Sequence[Job]) -> list[str]:
    """Of conditions that depend on labels which nobody has read yet."""
    corrupting = (*IMBALANCE, *NOISE)
    labels = [job.data.label for job in jobs if job.data.realised is None and has_any(job.data.condition, corrupting)]
    if not labels:
        return []
    return [
        f"not looked at: the images of {named(dict.fromkeys(labels))} were never decoded; whether each class keeps an "
        "image, and how many labels are wrong, is seen when the training starts"
    ]


def _seconds_alone(config: SweepConfig, findings: Mapping[str, Finding], output: OutputDir) -> float:
    """Of the whole training, with one worker and without the shared memory."""
    whole = {key: replace(one, state="missing") for key, one in findings.items()}
    return estimate(config_of(config, output.timed_runs, 1, None), whole, output).seconds


def _about_settings(
    config: SweepConfig, output: OutputDir, jobs: Sequence[Job], findings: Mapping[str, Finding], *, force: bool
) -> list[str]:
    """Where models were trained with other settings, or other settings leave them out."""
    stale = sum(finding.state == "stale" for finding in findings.values())
    if stale and force:
        return [f"--force moves {count(stale, 'model')} trained with other settings to {output.archive}"]
    if stale:
        many = count(stale, "model was", "models were")
        return [f"{many} trained with other settings: without -n this is refused, unless --force is given"]
    error = None if force else changed_settings(config, jobs, output)
    return [] if error is None else [f"without -n this is refused, unless --force is given: {error.where}{error.found}"]


def _about_images(config: SweepConfig, output: OutputDir, missing: Sequence[Job]) -> list[str]:
    """Where the images of models that are missing are not there."""
    made = [*notes(config.data, missing)]
    try:
        need_images(config, output, missing)
    except EnvironmentProblem as error:
        made.append(f"without -n this is refused: {error.where}; what to do: {error.todo}")
    return made


def _about_representations(config: SweepConfig, jobs: Sequence[Job]) -> list[str]:
    """What follows the trainings, which the hours below do not hold."""
    if not config.record.representations:
        return []
    networks = sum(job.role.is_network for job in jobs)
    return [f"then what {count(networks, 'network makes', 'networks make')} of images is compared, some seconds each"]


def network_lines(jobs: Sequence[Job]) -> list[str]:
    """Teachers and students with the places that have them, and how much smaller the students are."""
    found: dict[tuple[ModelSpec, ModelSpec], list[str]] = {}
    for place, networks in networks_of(jobs).items():
        found.setdefault(networks, []).append(place)
    lines = []
    for (teacher, student), places in found.items():
        lines += [f"  {named(places)}:", f"    teacher {described(teacher)}", f"    student {described(student)}:"]
        lines[-1] += f" {times_fewer(teacher, student)}"
        for network, names in _reusing(jobs, places).items():
            lines.append(f"    student of {named(names)}: {described(network)}, {times_fewer(teacher, network)}")
    return ["the networks:", *lines] if lines else []


def _reusing(jobs: Sequence[Job], places: Sequence[str]) -> dict[ModelSpec, list[str]]:
    """Of students that end in their teacher's classifier, behind a projector that counts: network -> baselines."""
    found: dict[ModelSpec, list[str]] = {}
    for job in jobs:
        if job.role is Role.STUDENT and job.model.reuses is not None and job.place in places:
            names = found.setdefault(job.model, [])
            names += [str(job.baseline)] * (str(job.baseline) not in names)
    return found


def grid_lines(jobs: Sequence[Job], baselines: Sequence[Baseline]) -> list[str]:
    """Axes with their values, settings that vary, and how many students and other models that makes."""
    grid = {**grid_of(jobs), "baseline": [one.label for one in baselines]}
    shown = {_AXES[axis]: values for axis, values in grid.items() if values != [None]}
    shown |= {key: values for key, values in _settings(baselines).items() if len(values) > 1}
    width = max(map(len, shown))
    lines = [f"  {name:<{width}}  {len(values):>5}  {_listed(values)}" for name, values in shown.items()]
    counts = Counter(job.role for job in jobs)
    others = [_count(role, counts[role]) for role in reversed(Role) if counts[role]]
    return ["the grid:", *lines, f"  makes {', '.join(others)}"]


def _count(role: Role, count: int) -> str:
    plural = "es" if role is Role.SEARCH else "s"
    return f"{count:,} {role.noun}{plural * (count != 1)}"


def _settings(baselines: Sequence[Baseline]) -> dict[str, list[Any]]:
    """Config key -> its values, of those that words in names vary."""
    keys = sorted({key for one in baselines for key in one.varied})
    found: Mapping[str, list[Any]] = {
        key: [one.settings[key] for one in baselines if key in one.settings] for key in keys
    }
    return {key: _sorted(list(dict.fromkeys(values))) for key, values in found.items()}


def _sorted(values: list[Any]) -> list[Any]:
    numbers = [value for value in values if isinstance(value, int | float)]
    return sorted(numbers) if len(numbers) == len(values) else values


def _listed(values: Sequence[Any]) -> str:
    """As many of them as a line holds."""
    if (
        len(values) > 1
        and all(isinstance(value, int) for value in values)
        and values == list(range(1, len(values) + 1))
    ):
        return f"1 to {len(values)}"
    words = list(map(_word, values))
    held = next((n for n in range(len(words), 1, -1) if len(", ".join(words[:n])) <= _WIDTH), 1)
    rest = len(words) - held
    return ", ".join(words[:held]) + (f" and {rest:,} more" if rest else "")


def _word(value: Any) -> str:
    """As in a YAML file."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def time_line(found: Estimate) -> str:
    """How long it takes, for people."""
    at_a_time = f"{found.side_by_side} model{'s' * (found.side_by_side > 1)} at a time"
    memory = f"; the shared memory has {found.recalled}" if found.recalled else ""
    if not is_defined(found.seconds):
        return f"how long it takes is not known: {found.basis}{memory}"
    ray = f", of which about {hours(found.ray)} are Ray's start and end" if found.seconds < _FEW * found.ray else ""
    return f"about {hours(found.seconds)} on this machine{ray}, {at_a_time} ({found.basis}{memory})"


def hours(seconds: float) -> str:
    """`12 s`, `4 min`, `3.2 h`, `140 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h" if seconds < 100 * 3600 else f"{seconds / 3600:,.0f} h"
