"""How many trials fit on a GPU: of each role the most demanding one is tried alone for some steps, and measured."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.cluster.resources import Shares
from hpmkd.files import commit_json, parse_json
from hpmkd.plan.gpu_share import GpuUsage, most_demanding
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.sweep.device_setup import set_up
from hpmkd.sweep.failures import first_line, kind_of
from hpmkd.sweep.gpu_errors import neighbour_may_be_why

TIMEOUT_SECONDS = 300.0  # for one role


@dataclass(frozen=True)
class Unmeasured:
    """Why a role could not be measured.

    Args:
        reason: for people.
        needs_all: alone on a GPU the trial had too little memory, so there is no room beside it.
    """

    reason: str
    needs_all: bool = False


Found = dict[Role, GpuUsage | Unmeasured]
Measure = Callable[[Sweep, Sequence[Job]], Found]


def known_usage(sweep: Sweep, roles: Collection[Role], measure: Measure) -> Found:
    """What an earlier start measured for the same trainings on such GPUs; what it has not is measured now, and kept.

    Where something could not be seen, nothing is kept: the next start tries again.
    """
    wanted = {role: job for role, job in most_demanding(sweep.jobs).items() if role in roles}
    about = {
        "gpus": gpu_kinds(),
        **sweep.config.resources.model_dump(include={"cuda_graph", "cudnn_benchmark", "deterministic"}),
    }
    kept = _kept(sweep, about)
    known: Found = {
        role: kept[role][1] for role, job in wanted.items() if role in kept and kept[role][0] == job.fingerprint
    }
    missing = [job for role, job in wanted.items() if role not in known]
    if not missing:
        return known
    measured = measure(sweep, missing)
    for role, one in measured.items():
        if isinstance(one, GpuUsage) and one.busy is not None:
            kept[role] = (wanted[role].fingerprint, one)
    rows = {role.value: {"fingerprint": hash_, "usage": asdict(one)} for role, (hash_, one) in kept.items()}
    commit_json(sweep.output.gpu_file, {**about, "roles": rows})
    return known | measured


def _kept(sweep: Sweep, about: Mapping[str, Any]) -> dict[Role, tuple[str, GpuUsage]]:
    """By role the fingerprint of the job and what was measured; empty where that is of other GPUs, or of an earlier
    version, or cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        file = parse_json(sweep.output.gpu_file.read_text())
        if all(file[name] == value for name, value in about.items()):
            return {
                Role(role): (str(one["fingerprint"]), GpuUsage(**one["usage"])) for role, one in file["roles"].items()
            }
    return {}


def gpu_kinds() -> list[str]:
    """What Ray calls the GPUs here, such as `accelerator_type:H100`: an output may have been moved."""
    return sorted(name for name in ray.cluster_resources() if name.startswith("accelerator_type:"))


def measure(sweep: Sweep, jobs: Sequence[Job]) -> Found:
    """Tries the jobs on a GPU, one after the other in one process, which ends with them.

    One that fails ends it too, because what it has left of the GPU is unknown; the others get a new one.

    Args:
        sweep: whose jobs they are.
        jobs: one of each role, the most demanding first.
    """
    task = ray.remote(num_gpus=1, num_cpus=1, max_calls=1, max_retries=0, num_returns="streaming")(_try)
    found: dict[Role, GpuUsage | Unmeasured] = {}
    left = list(jobs)
    while left:
        begun = time.monotonic()
        try:
            # The worker watches the time itself: `ray.cancel` of a task that is just ending aborts the whole driver
            # ("Tried to complete task that was not pending"), one time in ten.
            results: Any = task.remote(str(sweep.output.root), [job.key for job in left], TIMEOUT_SECONDS)
            for one in results:
                found[left[0].role] = ray.get(one)
                begun = time.monotonic()
                del left[0]
        except ray.exceptions.RayTaskError as error:
            # Before the first job, so it is none of theirs: there is no GPU, or it cannot be used.
            why = Unmeasured(first_line(error.cause or error))
            return found | dict.fromkeys([job.role for job in left], why)
        except ray.exceptions.RayError as error:
            if time.monotonic() - begun >= TIMEOUT_SECONDS:
                why = Unmeasured(f"it took longer than {TIMEOUT_SECONDS:g} s")
                return found | dict.fromkeys([job.role for job in left], why)
            found[left.pop(0).role] = Unmeasured(f"its process ended, {first_line(error)}")
    return found


def _try(output: str, keys: Sequence[str], seconds: float) -> Iterator[GpuUsage | Unmeasured]:
    """In a worker: what some steps of each job take. Ends after the first that fails, and with the whole process where
    one of them takes longer than `seconds`."""
    with _limit(seconds):
        import torch

        from hpmkd.data.cache import as_json, load
        from hpmkd.training.rehearsal import Demand, demand, usage

        sweep, device = open_sweep(Path(output)), torch.device("cuda")
        torch.zeros((), device=device)  # fails here where there is no GPU, or none that this process may use
    data, resources = as_json(sweep.config.data), sweep.config.resources
    jobs, failed = [sweep.by_key[key] for key in keys], None
    demands: list[Demand] = []
    for job in jobs:
        try:
            with _limit(seconds):
                set_up(device, job, resources)
                demands.append(demand(job, load(job.data, data), device, resources.cuda_graph))
        except Exception as error:
            lacking = kind_of(error) == "killed" and not neighbour_may_be_why(error)  # there is no neighbour here
            failed = Unmeasured(first_line(error), needs_all=lacking)
            break
    # Only now, when nothing is timed any more, a profiler watches.
    for job, found in zip(jobs, demands, strict=False):
        one = found.usage
        with contextlib.suppress(Exception), _limit(seconds):
            set_up(device, job, resources)
            one = usage(found, job, load(job.data, data), device=device, graph=resources.cuda_graph)
        yield one
    if failed is not None:
        yield failed


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Ends this process if the body takes longer."""
    late = threading.Timer(seconds, os._exit, args=(1,))
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


def per_gpu(found: Found) -> dict[Role, int]:
    """How many trials of each role a GPU takes; of those that were not measured, nothing is known."""
    known = {role: one.side_by_side() for role, one in found.items() if isinstance(one, GpuUsage)}
    return known | {role: 1 for role, one in found.items() if isinstance(one, Unmeasured) and one.needs_all}


def lines(found: Found, shares: Shares) -> list[str]:
    """For people: what was measured, what was not and why, and what follows from it."""
    found = {role: found[role] for role in Role if role in found}
    usages = {role: one for role, one in found.items() if isinstance(one, GpuUsage)}
    said = []
    if usages:
        gpu = next(iter(usages.values()))
        each = ", ".join(f"one {role.noun} {one.description}" for role, one in usages.items())
        said.append(f"{gpu.gpu}, {gpu.total_bytes / 2**30:.0f} GiB: {each}; {shares.description}")
    reasons: dict[Unmeasured, list[Role]] = {}
    for role, one in found.items():
        if isinstance(one, Unmeasured):
            reasons.setdefault(one, []).append(role)
    for why, roles in reasons.items():
        names = ", ".join(role.noun for role in roles)
        rest = Shares(shares.common, {role: shares.of(role) for role in roles}).description
        by = "alone on a GPU" if why.needs_all else "by the number of cores"
        said.append(f"GPU not measured ({names}): {why.reason}; {by}: {rest}")
    return said
