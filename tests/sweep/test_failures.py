"""What is tried again, with what share, and when it is given up."""

from __future__ import annotations

import errno

import pytest
import ray
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.plans import plan

from hpmkd.cluster.resources import TrialResources
from hpmkd.errors import EnvironmentProblem
from hpmkd.sweep.failures import TRIES, Attempts, Round, failure_of, kind_of, reason_of
from hpmkd.sweep.gpu_errors import NEIGHBOUR

JOBS = plan(1, ["Direct", "TAKD"], 2)
KEYS = [job.key for job in JOBS]
TEACHER, ASSISTANT = "teacher_D0", "assistant_D0_TAKD"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "killed"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "killed"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "killed"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "killed"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "killed"),
        (ray.exceptions.ActorDiedError(), "killed"),
        (ray.exceptions.WorkerCrashedError(), "killed"),
        (ray.exceptions.OutOfMemoryError("the node was low on memory"), "killed"),
        (ValueError("mine"), "error"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "error"),
        (EnvironmentProblem("the disk is full"), "machine"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "machine"),
        (ImportError("no such package"), "error"),
        (OSError(errno.ENOSPC, "No space left on device"), "machine"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "error"),
    ],
)
def test_kinds(error: BaseException, kind: str) -> None:
    assert kind_of(error) == kind


def test_a_trial_that_a_neighbour_may_have_ended_says_so() -> None:
    class Trial:
        error_file, path = None, "folder"

        def __init__(self, error: BaseException) -> None:
            self.get_pickled_error = lambda: error

    fault = failure_of(Trial(RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")))
    assert fault.kind == "killed"
    assert fault.reason == f"RuntimeError: CUDA error: unspecified launch failure ({NEIGHBOUR})"
    assert reason_of(Trial(RuntimeError("CUDA error: out of memory"))) == "RuntimeError: CUDA error: out of memory"


@pytest.mark.parametrize(("most", "side"), [(8, [8, 4, 1, 1]), (3, [3, 1, 1, 1]), (1, [1, 1, 1, 1])])
def test_fewer_side_by_side_each_time(most: int, side: list[int]) -> None:
    assert [Round(frozenset(), attempt).concurrent(most) for attempt in range(4)] == side


def test_fewer_trials_get_larger_shares_of_a_gpu() -> None:
    assert TrialResources(1, 0.125, "cuda", 8).fewer(4) == TrialResources(1, 0.25, "cuda", 4)
    assert TrialResources(1, 0.125, "cuda", 8).fewer(1) == TrialResources(1, 1.0, "cuda", 1)
    assert TrialResources(1, 0.2, "cuda", 15).fewer(1) == TrialResources(1, 1.0, "cuda", 1), (
        "three GPUs: a share lies on one"
    )
    assert TrialResources(1, 1.0, "cuda", 4).fewer(2) == TrialResources(1, 1.0, "cuda", 2)
    assert TrialResources(1, 0, "cpu", 4).fewer(2) == TrialResources(1, 0, "cpu", 2)
    assert TrialResources(1, 0, "cpu", 4).fewer(4) == TrialResources(1, 0, "cpu", 4)


def test_what_never_failed_goes_first_then_what_did_alone() -> None:
    attempts, first = Attempts(), KEYS[1]
    assert attempts.next_round(JOBS, set()) == Round(frozenset(KEYS), 0)
    attempts.failed(first, "killed")
    assert attempts.next_round(JOBS, {TEACHER}) == Round(frozenset(KEYS) - {first, TEACHER} - below(first), 0)
    assert attempts.next_round(JOBS, set(KEYS) - {first}) == Round(frozenset({first}), 1)
    attempts.failed(first, "killed")
    assert attempts.next_round(JOBS, set(KEYS) - {first}) == Round(frozenset({first}), 2)
    attempts.failed(first, "killed")
    assert attempts.next_round(JOBS, set(KEYS) - {first}) is None


def below(key: str) -> set[str]:
    return {job.key for job in JOBS if key in {one.key for one in job.ancestors()}}


def test_descendants_wait_for_a_retry_and_then_have_their_full_share() -> None:
    attempts = Attempts()
    attempts.failed(ASSISTANT, "killed")
    done = {key for key in KEYS if key != ASSISTANT} - below(ASSISTANT)
    assert attempts.next_round(JOBS, done) == Round(frozenset({ASSISTANT}), 1)
    assert attempts.next_round(JOBS, done | {ASSISTANT}) == Round(frozenset(below(ASSISTANT)), 0)


@pytest.mark.parametrize(("kind", "tries"), [("killed", 3), ("error", 2), ("machine", 2), ("diverged", 1)])
def test_given_up_with_all_descendants(kind, tries: int) -> None:
    attempts = Attempts()
    for _ in range(tries):
        assert not attempts.given_up(ASSISTANT)
        attempts.failed(ASSISTANT, kind)
    assert attempts.given_up(ASSISTANT)
    rest = attempts.next_round(JOBS, {TEACHER})
    assert rest is not None
    assert rest.keys == set(KEYS) - {TEACHER, ASSISTANT} - below(ASSISTANT)


@given(st.data())
def test_it_ends_whatever_fails_and_tries_everything_often_enough(data: st.DataObject) -> None:
    attempts, done = Attempts(), set[str]()
    tried: dict[str, int] = {}
    for _ in range(100):
        now = attempts.next_round(JOBS, done)
        if now is None:
            break
        progress = False
        for job in JOBS:
            if job.key in now.keys and all(parent.key in done for parent in job.parents):
                progress = True
                tried[job.key] = tried.get(job.key, 0) + 1
                kind = data.draw(st.sampled_from([None, *TRIES]))
                done.add(job.key) if kind is None else attempts.failed(job.key, kind)
        assert progress, "a round that nothing in it can use"
    else:
        pytest.fail("it does not end")
    for job in JOBS:
        if job.key not in done and all(parent.key in done for parent in job.parents):
            assert attempts.given_up(job.key)
    assert all(count <= max(TRIES.values()) for count in tried.values())
