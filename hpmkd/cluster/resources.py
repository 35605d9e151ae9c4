"""The resources of trials, and the environment variables of Ray and its workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import ray

from hpmkd.cluster.nodes import usable
from hpmkd.config.kernels import COMPILED
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem, UsageError
from hpmkd.hardware import ALLOCATOR, DETERMINISTIC_CUBLAS
from hpmkd.plan.gpu_share import UNSEEN
from hpmkd.plan.roles import Role
from hpmkd.plan.schedule import Places

_TUNE_ENV = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "5",
    # At the end Tune waits so long for a trial in the middle of an epoch, then ends its worker; its default is 600.
    "TUNE_FORCE_TRIAL_CLEANUP_S": "3",
    # Candidates of a tuning report more often than they are compared.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}

# Set by Ray itself, in each process that imports or starts it.
_OF_RAY = ("RAY_CLIENT_MODE", "RAY_AUTH_MODE")

_REST = 0.05  # of a GPU: less is not worth a word


@dataclass(frozen=True)
class TrialResources:
    """What a trial gets, and how many of its kind run side by side where no others do."""

    cpus: float
    gpus: float
    device: str
    concurrent: int

    @property
    def description(self) -> str:
        """What a trial gets, for people: `1 core`, `0.2 GPU`."""
        return f"{self.gpus:.2g} GPU" if self.gpus else f"{self.cpus:g} core{'s' * (self.cpus != 1)}"

    @property
    def left_over(self) -> str:
        """Said of a share that does not go into a GPU without a rest; else empty."""
        each = int(_fits_gpus(1, self.gpus)) if 0 < self.gpus < 1 else 1
        rest = 1 - each * self.gpus if 0 < self.gpus < 1 else 0.0
        if rest < _REST:
            return ""
        whole = f"1/{each} ({1 / each:.3g})" if each > 1 else "1"
        return f"{self.gpus:g} of a GPU per trial: {each} on each GPU, of which {rest:.0%} is left; {whole} leaves none"

    def fewer(self, concurrent: int) -> TrialResources:
        """The same with fewer trials side by side: each gets more memory, and of a GPU a larger share."""
        if concurrent >= self.concurrent:
            return self
        # CPU cores stay: a trial uses its torch threads and no more; what fits no node would wait for ever.
        gpus = min(1.0, self.gpus * self.concurrent / concurrent) if 0 < self.gpus < 1 else self.gpus
        return replace(self, gpus=gpus, concurrent=concurrent)


@dataclass(frozen=True)
class Shares:
    """What trials get, by the roles of their jobs: a teacher may need a quarter of a GPU, and a student a sixteenth.

    Args:
        common: of every role that has no share of its own.
        own: of the roles that have one; then no others are at work.
    """

    common: TrialResources
    own: Mapping[Role, TrialResources] = field(default_factory=dict)

    def of(self, role: Role) -> TrialResources:
        """What a trial of a job with this role gets."""
        return self.own.get(role, self.common)

    @property
    def places(self) -> Places:
        """Who fits beside whom."""
        return Places({role: self.of(role).concurrent for role in Role})

    @property
    def most(self) -> int:
        """How many run side by side at most."""
        return max(one.concurrent for one in self._at_work)

    @property
    def side_by_side(self) -> str:
        """How many run side by side, for people: `5`, `4 to 16` where that depends on the role."""
        least = min(one.concurrent for one in self._at_work)
        return f"{least} to {self.most}" if least < self.most else str(least)

    @property
    def description(self) -> str:
        """Both, for people: `0.25 GPU per teacher, 0.062 GPU per search or student, 4 to 16 side by side`."""
        roles: dict[str, list[str]] = {}
        for role, one in self.own.items():
            roles.setdefault(one.description, []).append(role.noun)
        each = [f"{what} per {' or '.join(names)}" for what, names in roles.items()]
        if len(each) < 2:
            each = [f"{self._at_work[0].description} per trial"]
        return f"{', '.join(each)}, {self.side_by_side} side by side"

    @property
    def _at_work(self) -> list[TrialResources]:
        return list(self.own.values()) or [self.common]

    def now(self, limit: int | None) -> Shares:
        """The same shares, with as many side by side as the cluster has room for now, and no more than `limit`."""
        have = usable()

        def resized(one: TrialResources) -> TrialResources:
            return replace(one, concurrent=_side_by_side(one.cpus, one.gpus, have, limit))

        return Shares(resized(self.common), {role: resized(one) for role, one in self.own.items()})

    def fewer(self, concurrent: Callable[[int], int]) -> Shares:
        """The same with fewer trials side by side: of each role as many as `concurrent` makes of all that fit."""
        own = {role: one.fewer(concurrent(one.concurrent)) for role, one in self.own.items()}
        return Shares(self.common.fewer(concurrent(self.common.concurrent)), own)


def worker_env(deterministic: bool = False) -> dict[str, str]:
    """What workers read from the environment."""
    return ALLOCATOR | (dict([DETERMINISTIC_CUBLAS]) if deterministic else {})


def prepare_environment(address: str | None = None, deterministic: bool = False) -> None:
    """Sets what Ray, Tune and (of a private Ray) the workers read from the environment, before Ray starts."""
    os.environ.update(_TUNE_ENV)
    if address is None:
        os.environ.update(worker_env(deterministic))


def given_variables() -> list[str]:
    """The variables of the environment by which the user has set Ray; to be asked before Ray is started."""
    others = {*_TUNE_ENV, *_OF_RAY}
    return sorted(name for name in os.environ if name.startswith("RAY_") and name not in others)


def wants_measuring(config: SweepConfig) -> bool:
    """Whether the share of a GPU is to be measured; needs a started Ray."""
    wanted = config.resources
    return wanted.gpus_per_trial == "auto" and wanted.device != "cpu" and ray.cluster_resources().get("GPU", 0.0) > 0


def trial_resources(config: SweepConfig, per_gpu: int | None = None) -> TrialResources:
    """The resolved share of a trial; needs a started Ray.

    Without a GPU: one core per torch thread. With GPUs: `per_gpu` trials on each, but no more than cores have work
    for; where that is not known, one per core, at most 8.

    Raises:
        EnvironmentProblem: the request can never be met (Tune would wait for ever). UsageError: compiled kernels are
            asked for, and trials would get a GPU.
    """
    have = usable()
    cpus_have, gpus_have = have.get("CPU", 0.0), have.get("GPU", 0.0)
    wanted = config.resources
    given = 0.0 if wanted.gpus_per_trial in ("auto", None) else float(wanted.gpus_per_trial)
    none = wanted.gpus_per_trial == 0
    gpu = wanted.device == "cuda" or (wanted.device == "auto" and gpus_have > 0 and not none)
    if gpu and config.fit.kernels == COMPILED:
        raise _need_cpu()
    cpus = wanted.cpus_per_trial or float(config.fit.threads)
    gpus = 0.0
    if gpu:
        by_cores = max(1, int(cpus_have / cpus / max(gpus_have, 1)))
        gpus = given or 1 / min(by_cores, per_gpu or UNSEEN)
    elif given:
        gpus = given
    if cpus > cpus_have or gpus > gpus_have:
        raise EnvironmentProblem(
            "resources: one trial asks for more than this machine or cluster has",
            expected=f"at most {cpus_have:g} CPU cores and {gpus_have:g} GPUs",
            found=f"{cpus:g} cores and {gpus:g} GPUs per trial",
            todo="lower --cpus-per-trial, --gpus-per-trial or fit.threads, or set resources.device: cpu",
        )
    return TrialResources(cpus, gpus, "cuda" if gpu else "cpu", _side_by_side(cpus, gpus, have, wanted.max_concurrent))


def _side_by_side(cpus: float, gpus: float, have: Mapping[str, float], limit: int | None) -> int:
    cpus_have, gpus_have = have.get("CPU", 0.0), have.get("GPU", 0.0)
    most = max(1, int(min(cpus_have // cpus, _fits_gpus(gpus_have, gpus)) if gpus else cpus_have // cpus))
    return min(most, limit or most)


def _need_cpu() -> UsageError:
    return UsageError(
        "resources.device: compiled kernels (fit.kernels) compute on a CPU, and there is a GPU",
        expected="resources.device: cpu beside fit.kernels: compiled",
        found="auto",
        todo="add --resources.device cpu, or take --fit.kernels torch, which is faster on the GPU",
    )


def shares(config: SweepConfig, roles: Collection[Role], per_gpu: Mapping[Role, int]) -> Shares:
    """The resolved shares; needs a started Ray. See `trial_resources`, also for what it raises.

    Args:
        config: of the sweep.
        roles: those at work, of which each gets a share of its own.
        per_gpu: how many of them fit on a GPU, where that was measured.
    """
    return Shares(trial_resources(config), {role: trial_resources(config, per_gpu.get(role)) for role in roles})


def _fits_gpus(have: float, each: float) -> float:
    """Trials that fit; a share is never spread over two GPUs. 1e-9: Ray counts 0.1 ten times in 1."""
    return have * ((1 + 1e-9) // each) if each < 1 else have // each
