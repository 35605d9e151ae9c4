"""How many trials a GPU takes, by what was measured on each kind, and what people are told."""

from __future__ import annotations

import pytest
from support.builders import config

from hpmkd.cluster import resources
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.plan.gpu_share import GpuKind, GpuUsage
from hpmkd.plan.roles import Role
from hpmkd.sweep.gpu_probe import Found, Unmeasured
from hpmkd.sweep.gpu_side_by_side import lines, per_gpu

GIB = 2**30
KIND, OTHER = GpuKind("X", 80 * GIB), GpuKind("Y", 16 * GIB)
UNSEEN = GpuUsage("X", 80 * GIB, GIB, None)


def gpu(count: int) -> TrialResources:
    return TrialResources(1, 1 / count, "cuda", count)


def test_what_is_known_of_a_role_decides_its_share() -> None:
    found = {
        Role.TEACHER: GpuUsage("X", 80 * GIB, 30 * GIB, 0.01),
        Role.ASSISTANT: Unmeasured("RuntimeError: mine"),
        Role.SEARCH: Unmeasured("OutOfMemoryError: mine", needs_all=True),
        Role.STUDENT: UNSEEN,
    }
    assert per_gpu({KIND: found}) == {Role.TEACHER: 2, Role.SEARCH: 1, Role.STUDENT: 8}


def test_people_are_told_what_was_measured_and_what_was_not() -> None:
    part = Shares(gpu(8), {Role.TEACHER: gpu(4), Role.SEARCH: gpu(16), Role.STUDENT: gpu(16)})
    found = {Role.TEACHER: GpuUsage("X", 80 * GIB, 3 * GIB, 0.4), Role.SEARCH: UNSEEN, Role.STUDENT: UNSEEN}
    assert lines({KIND: found}, part) == [
        "X, 80 GiB: one teacher uses 3.0 GiB and keeps it 40 % busy, "
        "one search uses 1.0 GiB and how busy it keeps it was not seen, "
        "one student uses 1.0 GiB and how busy it keeps it was not seen; "
        "0.25 GPU per teacher, 0.062 GPU per search or student, 4 to 16 side by side"
    ]
    part = Shares(gpu(8), {Role.TEACHER: gpu(1), Role.LOGITS: gpu(8), Role.STUDENT: gpu(8)})
    memory = Unmeasured("OutOfMemoryError: mine", needs_all=True)
    why = Unmeasured("RuntimeError: no driver")
    assert lines({KIND: {Role.TEACHER: memory, Role.LOGITS: why, Role.STUDENT: why}}, part) == [
        "GPU not measured (teacher): OutOfMemoryError: mine; alone on a GPU: 1 GPU per trial, 1 side by side",
        "GPU not measured (logits cache, student): RuntimeError: no driver; "
        "by the number of cores: 0.12 GPU per trial, 8 side by side",
    ]


def on(kind: GpuKind, gib: float, busy: float | None = 0.01) -> GpuUsage:
    return GpuUsage(kind.name, kind.total_bytes, int(gib * GIB), busy)


MEMORY, BROKEN = Unmeasured("OutOfMemoryError: mine", needs_all=True), Unmeasured("RuntimeError: mine")


@pytest.mark.parametrize(
    ("large", "small", "expected"),
    [
        (on(KIND, 2), on(OTHER, 2), 7),  # seven fit into 16 GiB, sixteen into 80
        (on(KIND, 30), on(OTHER, 1), 2),  # whichever it is
        (on(KIND, 2, 1.0), on(OTHER, 2), 4),  # four keep the first busy
        (on(KIND, 2), MEMORY, 1),  # it has to run there all the same, if at all
        (on(KIND, 2), BROKEN, 8),  # sixteen would be a guess
        (on(KIND, 30), BROKEN, 2),
        (BROKEN, on(OTHER, 2), 7),
        (MEMORY, BROKEN, 1),
        (BROKEN, BROKEN, None),
    ],
)
def test_a_share_fits_on_every_kind(
    large: GpuUsage | Unmeasured, small: GpuUsage | Unmeasured, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray puts a trial on any of them; the cores allow sixteen on each of two."""
    found: dict[GpuKind, Found] = {KIND: {Role.STUDENT: large}, OTHER: {Role.STUDENT: small}}
    assert per_gpu(found).get(Role.STUDENT) == expected
    monkeypatch.setattr(resources.ray, "cluster_resources", lambda: {"CPU": 32.0, "GPU": 2.0})
    part = resources.shares(config(), [Role.STUDENT], per_gpu(found))
    assert (part.of(Role.STUDENT).gpus, part.most) == (1 / (expected or 8), 2 * (expected or 8))


def test_people_are_told_of_each_kind_and_of_the_rule() -> None:
    part = Shares(gpu(8), {Role.TEACHER: gpu(2), Role.STUDENT: gpu(7)})
    found: dict[GpuKind, Found] = {
        KIND: {Role.STUDENT: on(KIND, 2, 0.1), Role.TEACHER: on(KIND, 7.5, 0.5)},
        OTHER: {Role.STUDENT: on(OTHER, 2, 0.2), Role.TEACHER: MEMORY},
    }
    assert lines(found, part) == [
        "X, 80 GiB: one teacher uses 7.5 GiB and keeps it 50 % busy, one student uses 2.0 GiB and keeps it 10 % busy",
        "Y, 16 GiB: one student uses 2.0 GiB and keeps it 20 % busy",
        "Y, 16 GiB: not measured (teacher): OutOfMemoryError: mine; alone on a GPU",
        "2 kinds of GPUs: a trial may run on any, so each gets as many as the one that takes fewest; 0.5 GPU per "
        "teacher, 0.14 GPU per student, 2 to 7 side by side",
    ]
    broken = lines({KIND: {Role.STUDENT: on(KIND, 2, 0.1)}, OTHER: {Role.STUDENT: BROKEN}}, Shares(gpu(8)))
    assert broken[1] == "Y, 16 GiB: not measured (student): RuntimeError: mine; counts as at most 8 on a GPU"


def test_a_kind_that_cuda_did_not_tell_beforehand() -> None:
    (line,) = lines({GpuKind("GPU"): {Role.STUDENT: on(OTHER, 2, 0.2)}}, Shares(gpu(5)))
    assert line.startswith("Y, 16 GiB: one student uses 2.0 GiB")
    assert lines({}, Shares(gpu(5))) == []
