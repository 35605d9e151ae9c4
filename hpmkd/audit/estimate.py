"""How long a sweep would take on this machine, before it is started; rough where nothing was measured."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import math
import platform
import statistics
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpmkd.audit.recalled import device_of, kept, recalled
from hpmkd.config.kernels import TORCH
from hpmkd.config.specs import model_from_json
from hpmkd.config.sweep import SweepConfig, memory_folder
from hpmkd.data.catalog import DATASETS
from hpmkd.data.source.listing import count as number_of
from hpmkd.hardware import cores, machine
from hpmkd.monitor.eta import Times
from hpmkd.plan.effort import RAY_END, RAY_START, effort, effort_around, fitting_part, trained
from hpmkd.plan.job import Job
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.plan.schedule import Places
from hpmkd.plan.schedule import seconds_left as scheduled
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Progress, read_all
from hpmkd.store.sidecar import Header, read_sidecar

_OTHERS = 50  # of other sweeps' teachers so many are looked at
_FEW = 5  # models, from whose records it is read what takes time besides epochs


@dataclass(frozen=True)
class Estimate:
    """How long what is missing takes.

    Args:
        seconds: of the clock, with `side_by_side` models at a time; NaN where nothing is known.
        side_by_side: how many models are trained at a time.
        recalled: how many of them come from the shared memory.
        basis: what the seconds are known from, for people.
        ray: how many of the seconds are Ray's start and end.
    """

    seconds: float
    side_by_side: int
    recalled: int
    basis: str
    ray: float = 0.0


def estimate(
    config: SweepConfig, findings: Mapping[str, Finding], output: OutputDir, before: Collection[str] = ()
) -> Estimate:
    """The time of all that `findings` has no good file for, as the sweep would train it: parents first.

    Args:
        config: of the sweep.
        findings: by key, parents before children.
        output: its records say how fast unfinished trainings were.
        before: fingerprints of models that other sweeps make before it, and leave in the shared memory.
    """
    missing = [one.job for one in findings.values() if one.job is not None and not one.good]
    device, records = device_of(config), read_all(output)
    known, from_memory = kept(config, findings), recalled(config, findings, output)
    times, count = Times(), 0
    for finding in findings.values():
        job = finding.job
        if job is None:
            continue
        header = finding.header if finding.good else known.get(job.key)
        seconds = _measured(job, header, records.get(job.key), device)
        if seconds is not None:
            times.earlier(job, seconds)
            count += 1
    pace, basis = times.pace(), f"from {count} measured model{'s' * (count != 1)}"
    if not count:
        rate, basis = _rate(memory_folder(config.data), device, config.fit.threads)
        pace = 1 / rate
    free = from_memory.keys() | _made_once(missing, before)
    around = _around(records.values(), findings)
    each = {job.key: _seconds(job, times, pace, around) if job.key not in free else 0.0 for job in missing}
    together = config.resources.max_concurrent or _side_by_side(config)
    unknown = any(math.isnan(one) for one in each.values())
    seconds = math.nan if unknown else scheduled(missing, {}, each, Places.alike(together))
    ray = 0.0 if config.resources.address else RAY_START + RAY_END
    return Estimate(seconds + ray, together, len(from_memory), basis=basis, ray=ray)


def _made_once(missing: Iterable[Job], before: Collection[str]) -> set[str]:
    """Keys of those that another one gives: the same model under another name comes from the shared memory."""
    made, found = set(before), set[str]()
    for job in missing:
        if job.shared:
            (found if job.fingerprint in made else made).add(job.key if job.fingerprint in made else job.fingerprint)
    return found


def _seconds(job: Job, times: Times, pace: float, around: float | None) -> float:
    """Of a whole job; `pace` (seconds per unit of effort) stands in for what was not measured."""
    training = times.training(job)
    beside = effort_around(job) * pace if around is None else around
    return beside + (effort(job) * pace if training is None else training)


def _around(records: Iterable[Progress], findings: Mapping[str, Finding]) -> float | None:
    """What a finished model took besides its epochs, by the clock: the median; None where too few were made here.

    Records have whole seconds, of which the median over several is right on average. The first models of a start load
    torch, too, and a model that was continued has epochs of an earlier attempt: both are far from the median.
    """
    spans = []
    for one in records:
        finding = findings.get(one.key)
        if finding is None or not finding.good or one.state != "ended" or one.host != platform.node() or not one.epochs:
            continue
        with contextlib.suppress(ValueError, TypeError):  # somebody has written a record by hand
            since, ended = (datetime.datetime.fromisoformat(text) for text in (one.since, one.updated))
            spans.append((ended - since).total_seconds() - float(one.epochs[-1]["train_seconds"]))
    return max(0.0, statistics.median(spans)) if len(spans) >= _FEW else None


def _side_by_side(config: SweepConfig) -> int:
    return max(1, int(cores() // (config.resources.cpus_per_trial or config.fit.threads)))


def _measured(job: Job, header: Header | None, record: Progress | None, device: str) -> float | None:
    """Seconds of the whole job by its file, or by the epochs of an unfinished training; None: not of this machine."""
    if header is not None:
        return header.train_time if _is_here(header.metadata, device) else None
    if record is None or record.fingerprint != job.fingerprint or record.host != platform.node() or not record.epochs:
        return None
    first, last = record.epochs[0], record.epochs[-1]
    between = int(last["epoch"]) - int(first["epoch"])
    if last["epoch"] == record.of:
        return float(last["train_seconds"])
    if not between:
        return None  # the first epoch is unlike the others: before it the attention is trained
    each = (float(last["train_seconds"]) - float(first["train_seconds"])) / between
    return float(first["train_seconds"]) + each * (record.of - int(first["epoch"]))


def _is_here(meta: Mapping[str, Any], device: str) -> bool:
    """Whether a file was made on this machine, on the same kind of device."""
    same = (meta.get("device") == "cpu") == (device == "cpu")
    return same and str(meta.get("hardware", "")).endswith(machine())


def _rate(memory: Path, device: str, threads: int) -> tuple[float, str]:
    """Effort per second of one training (see `plan.effort`) where none of this sweep was measured: by teachers of
    other sweeps, else by what the processor does in a moment."""
    paths = itertools.islice(sorted(memory.glob(f"*-{device}{NETWORK_SUFFIX}")), _OTHERS)
    rates = [rate for path in paths for rate in _rate_of(read_sidecar(path), device)]
    if rates:
        mean = len(rates) / sum(1 / rate for rate in rates)
        return (
            mean,
            f"from multiply-adds, at the pace of {number_of(len(rates), 'teacher')} of other sweeps; "
            "a factor of 2 either way",
        )
    if device != "cpu":
        return math.nan, "nothing was measured on this GPU yet"
    words = "from multiply-adds and a test of the processor; a factor of 2 either way, more beside other work"
    return threads * _product_rate(), words


def _rate_of(header: Header | None, device: str) -> Iterable[float]:
    """Of a teacher of this machine, whose file says how much work it was."""
    meta = header.metadata if header is not None else {}
    recipe, shape = meta.get("recipe") or {}, meta.get("architecture") or {}
    try:
        whole = known.images if (known := DATASETS.get(recipe["data.name"])) else 0
        kept = round(whole * recipe["data.validation_fraction"])
        images = recipe["data.train_images"] or whole - kept
        model = model_from_json(shape)
        part = fitting_part(recipe.get("fit.kernels", TORCH), recipe["fit.precision"])
        cost = part * trained(model, recipe["fit.epochs"], recipe["fit.batch_size"], images=max(1, images), kept=kept)
    except (KeyError, TypeError, ValueError):
        return []
    fits = header is not None and header.train_time > 0 and meta.get("role") == "teacher" and _is_here(meta, device)
    return [cost / header.train_time] if fits and images and header is not None else []


def _product_rate() -> float:
    """Multiply-adds per second of a matrix product on one core: the median of five, for other work comes and goes."""
    import numpy as np
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # scikit-learn has it

    side, rates = 512, []
    matrix = np.ones((side, side), dtype=np.float32)
    with threadpool_limits(limits=1):
        matrix @ matrix
        for _ in range(5):
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < 0.1:
                matrix @ matrix
                count += 1
            rates.append(count * side**3 / (time.perf_counter() - start))
    return statistics.median(rates)
