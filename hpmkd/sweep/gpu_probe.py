"""What trials take of each kind of GPU: of each role the most demanding one is tried alone for some steps."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import ray

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.cluster.gpu_kinds import Busy, Place, choose
from hpmkd.files import commit_json, parse_json
from hpmkd.plan.gpu_share import GpuKind, GpuUsage, most_demanding
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.device_setup import set_up
from hpmkd.sweep.failures import first_line, kind_of
from hpmkd.sweep.gpu_errors import neighbour_may_be_why

if TYPE_CHECKING:
    from hpmkd.mirror.branch import Exchange

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
Measure = Callable[[Sweep, Sequence[Job], Place], Found]
_Kept = dict[Role, tuple[str, GpuUsage]]  # with the fingerprint of the job


def known_usage(
    sweep: Sweep, roles: Collection[Role], measure: Measure, places: Sequence[Place]
) -> dict[GpuKind, Found]:
    """By kind of GPU, what an earlier start measured for the same trainings; what it has not is measured now, and kept.

    Where something could not be seen, nothing is kept: the next start tries again.

    Args:
        sweep: whose trainings they are.
        roles: those at work.
        measure: see the function of that name.
        places: of the kinds of GPUs that there are.
    """
    wanted = {role: job for role, job in most_demanding(sweep.jobs).items() if role in roles}
    about = sweep.config.resources.model_dump(include={"cuda_graph", "cudnn_benchmark", "deterministic"})
    kept, found = _kept(sweep, about), dict[GpuKind, Found]()
    for place in places:
        here = kept.setdefault(place.kind, {})
        found[place.kind] = {
            role: here[role][1] for role, job in wanted.items() if role in here and here[role][0] == job.fingerprint
        }
        missing = [job for role, job in wanted.items() if role not in found[place.kind]]
        if not missing:
            continue
        measured = measure(sweep, missing, place)
        found[place.kind] |= measured
        for role, one in measured.items():
            if isinstance(one, GpuUsage) and one.busy is not None:
                here[role] = (wanted[role].fingerprint, one)
        commit_json(sweep.output.gpu_file, {**about, "kinds": [_row(kind, of) for kind, of in kept.items()]})
    return found


def _row(kind: GpuKind, kept: _Kept) -> dict[str, Any]:
    rows = {role.value: {"fingerprint": hash_, "usage": asdict(one)} for role, (hash_, one) in kept.items()}
    return {**asdict(kind), "roles": rows}


def _kept(sweep: Sweep, about: Mapping[str, Any]) -> dict[GpuKind, _Kept]:
    """By kind and role the fingerprint of the job and what was measured; empty where that is of an earlier version or
    other settings, or cannot be read. Of GPUs that are not here any more it stays: an output may come back to them."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        file = parse_json(sweep.output.gpu_file.read_text())
        if all(file[name] == value for name, value in about.items()):
            return {
                GpuKind(str(row["name"]), int(row["total_bytes"])): {
                    Role(role): (str(one["fingerprint"]), GpuUsage(**one["usage"]))
                    for role, one in row["roles"].items()
                }
                for row in file["kinds"]
            }
    return {}


def measure(sweep: Sweep, jobs: Sequence[Job], place: Place, exchange: Exchange | None = None) -> Found:
    """Tries the jobs on a GPU, one after the other in one process, which ends with them.

    One that fails ends it too, because what it has left of the GPU is unknown; the others get a new one.

    Args:
        sweep: whose jobs they are.
        jobs: one of each role, the most demanding first.
        place: where there is a GPU of the kind that is to be measured.
        exchange: for nodes that do not see the output.
    """
    try:
        with place.held() as options:
            return _tried(sweep, jobs, place.kind, options, exchange=exchange)
    except Busy as why:
        return dict.fromkeys([job.role for job in jobs], Unmeasured(str(why)))


def _tried(
    sweep: Sweep, jobs: Sequence[Job], kind: GpuKind, options: Mapping[str, Any], *, exchange: Exchange | None
) -> Found:
    """By tasks with these options."""
    task = ray.remote(max_calls=1, max_retries=0, num_returns="streaming", **options)(_try)
    found: dict[Role, GpuUsage | Unmeasured] = {}
    left = list(jobs)
    while left:
        begun = time.monotonic()
        try:
            # The worker watches the time itself: `ray.cancel` of a task that is just ending aborts the whole driver
            # ("Tried to complete task that was not pending"), one time in ten.
            keys = [job.key for job in left]
            results: Any = task.remote((sweep.output, exchange), keys, TIMEOUT_SECONDS, kind)
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


def _try(
    where: tuple[OutputDir, Exchange | None], keys: Sequence[str], seconds: float, kind: GpuKind
) -> Iterator[GpuUsage | Unmeasured]:
    """In a worker: what some steps of each job take. Ends after the first that fails, and with the whole process where
    one of them takes longer than `seconds`. Of several GPUs one of that kind is taken."""
    with _limit(seconds):
        choose(kind)
        output, exchange = where
        if exchange is not None:
            from hpmkd.mirror.branch import Branch

            Branch(output, exchange).begin()
        import torch

        from hpmkd.data.cache import as_json, load
        from hpmkd.training.rehearsal import Demand, demand, usage

        sweep, device = open_sweep(output.root), torch.device("cuda")
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
