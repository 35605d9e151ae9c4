"""Outputs of many models for `scale.py`: their plan, and files as a finished sweep leaves them, made in no time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from plan_cost import DATASETS, PAIRS
from resume import without_fsync

from hpmkd.config.load import validate
from hpmkd.config.sweep import SweepConfig
from hpmkd.files import digest_of
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir, trial_folder
from hpmkd.store.progress_log import progress_file
from hpmkd.store.sidecar import Header, sidecar_path

BASELINES = [
    "Direct", "TraditionalKD", "DKD", "DIST", "MLKD", "NKD", "CTKD", "WTTM", "RLD", "FitNets", "AT", "SP", "RKD", "CC",
    "VID", "PKT", "NST", "OFD", "CRD", "ReviewKD", "DML", "BAN", "TAKD",
]  # fmt: skip


def make_config(models: int) -> SweepConfig:
    """At least so many students, as a large comparison has them: 23 baselines, six data sets and conditions, four pairs
    of networks, and as many runs as it takes, each with teachers of its own."""
    runs = -(-models // (len(DATASETS) * len(PAIRS) * len(BASELINES)))
    raw = {"datasets": DATASETS, "pairs": PAIRS, "runs": runs, "baselines": BASELINES, "kd": {"logits": "live"}}
    return validate(raw | {"teacher": {"per_run": True}}, "scale.py")


def finish(jobs: Iterable[Job], output: OutputDir) -> None:
    """A model file for each job, all of the same bytes (links to one file), with a sidecar of its own."""
    import torch

    from hpmkd.store.result_file import commit

    with without_fsync():
        first = output.root / "first.pt"
        header = commit(first, {"w": torch.rand(64)}, 90.0, 1.0, {"key": "first"})
        sidecar_path(first).unlink()
        output.models.mkdir(exist_ok=True)
    for job in jobs:
        path = output.model_file(job)
        os.link(first, path)
        _describe(job, path, header)


def _describe(job: Job, path: Path, header: Header) -> None:
    about = {
        "key": job.key, "recipe": job.recipe(), "fingerprint": job.fingerprint, "role": job.role.value, **job.axes,
        "run": job.run, "baseline": job.baseline, "parents": {parent.key: header.weights for parent in job.parents},
    }  # fmt: skip
    values = asdict(replace(header, metadata={**header.metadata, **about}))
    sidecar_path(path).write_text(json.dumps({**values, "digest": digest_of(values)}))


def leave_rest(jobs: Iterable[Job], output: OutputDir) -> None:
    """What else a sweep leaves of each model: records, answers to test images, curves, Tune's copy; empty files."""
    for job in jobs:
        answers = output.predictions_file(job.key)
        places = [
            progress_file(output, job.key),
            *(answers, sidecar_path(answers)),
            output.tensorboard / job.key / "events.out.tfevents.0",
            output.tune / "round000" / trial_folder(job) / "checkpoint_000000" / "model.pt",
        ]
        for path in places:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
