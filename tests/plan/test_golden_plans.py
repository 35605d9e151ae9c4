"""Names, seeds and fingerprints of the shipped modes are those that finished sweeps have: none of them may change."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpmkd.config.load import read_config_file, validate
from hpmkd.config.modes import shipped
from hpmkd.data.cache import describe
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand

VARIANTS = [
    "HPM-KD-noChain", "HPM-KD-noMetaTemp-uniform", "HPM-KD-noSharedMemory-noParallel", "HPM-KD-noAdaptive-lossTemp",
    "TraditionalKD-adaptive", "TAKD-adaptive", "KD-Budget-adaptive", "HPM-KD-noMultiTeacher",
]  # fmt: skip
# Number of jobs, and SHA-256 (its beginning) over name, seed and fingerprint of all, made before words in names,
# conditions and pairs were there.
GOLDEN = {
    "full": (113, "878fdb45bcfc8623efdd6b14256b35ec"),
    "original_cpu": (49, "6eeb550d3494b40369e9bcaa08fd7781"),
    "quick": (27, "9897a78fcd2d6e7e59d5acd33a270f42"),
    "strong": (44, "83a9b0c98f54dbe945cb6e65197fa104"),
    "strong_cpu": (47, "875f70e7cd7354b0f2e14489e95c8666"),
    "strong_mnist": (47, "dee8dff9dac42a81391d64f44e4e1a33"),
    "variants": (54, "b43f91a71a1b43f4deb74d6b885c4412"),
}
SPELT = {
    "teacher_Digits.pt": (4002593632662360710, "dabef8a96b297df2"),
    "student_Digits_Direct_run1.pt": (2297564968450199837, "319829cb26d6575a"),
    "student_Digits_HPM-KD_run3.pt": (7144099720884865602, "b0687e49bb4c1bcd"),
}


# HPM-KD as it was then, before its defaults were chosen by what each component gains.
THEN = {
    "hpmkd.teachers": 2, "hpmkd.chain_length": None, "hpmkd.t_high": 1.5, "hpmkd.t_low": 0.5,
    "adaptive.lr_factors": [1], "adaptive.temperatures": [2, 4, 8], "adaptive.alphas": [0.5, 0.9],
    "adaptive.metric": "accuracy", "adaptive.reduction_factor": 3, "adaptive.part": 0.5,
}  # fmt: skip


def test_the_docs_say_how_to_have_it_again() -> None:
    page = (Path(__file__).parents[2] / "docs/pages/evidence.md").read_text()
    (command,) = (line for line in page.splitlines() if "--hpmkd.t_high" in line)
    words = shlex.split(command.partition("FOLDER")[2])
    said = {key.removeprefix("--"): yaml.safe_load(value) for key, value in zip(words[::2], words[1::2], strict=True)}
    assert said == THEN


def plan(raw: dict[str, Any]) -> tuple[Job, ...]:
    config = validate(raw, "here", THEN)
    return expand(config, describe(config), baselines_of(config))


def raw_of(mode: str) -> dict[str, Any]:
    if mode == "variants":
        return {"datasets": ["Digits", "CIFAR10"], "baselines": VARIANTS, "runs": 2, "seed": 3}
    return read_config_file(shipped()[mode])


@pytest.mark.parametrize("mode", GOLDEN)
def test_nothing_has_changed_in_a_mode(mode: str) -> None:
    jobs = plan(raw_of(mode))
    jobs = tuple(job for job in jobs if not job.is_shown)  # answers that are shared change no other
    rows = sorted([job.file_name, job.seed, job.fingerprint] for job in jobs)
    assert (len(jobs), hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:32]) == GOLDEN[mode]


def test_nothing_has_changed_in_three_models() -> None:
    jobs = {job.file_name: job for job in plan(raw_of("quick"))}
    assert {name: (jobs[name].seed, jobs[name].fingerprint[:16]) for name in SPELT} == SPELT
