"""How long does a sweep think before it goes on? Plans a finished output, beside merely reading the same bytes.

    python tests/benchmarks/resume.py                      # 31 models of 50 MB, then 10,000 of 0.25 MB (4 GB in all)
    python tests/benchmarks/resume.py --models 1000 --megabytes 1

Builds outputs in a temporary folder (real model files of random weights, written without waiting for the disk), then
measures in one process, in this order: reading every file once, as a yardstick; the plan and the audit of every file,
by size and hash; and, for `--whole`, the audit without sidecars, which opens and checks every file from within.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpmkd.audit.findings import audit
from hpmkd.config.load import validate
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.store.output_dir import OutputDir

CASES = [(31, 50.0), (10_000, 0.25)]


def make_config(models: int) -> SweepConfig:
    """A plan of so many models: one teacher and its students."""
    raw = {"datasets": ["Digits"], "baselines": ["TraditionalKD"], "runs": models - 1, "kd": {"logits": "live"}}
    return validate(raw, "resume.py")


def plan(config: SweepConfig) -> tuple[Job, ...]:
    """What a start of the sweep does before it looks at files."""
    return expand(config, describe(config), baselines_of(config))


@contextmanager
def without_fsync() -> Iterator[None]:
    """The files of a benchmark need not survive a power cut."""
    real = os.fsync
    os.fsync = lambda descriptor: None
    try:
        yield
    finally:
        os.fsync = real


def build(jobs: tuple[Job, ...], output: OutputDir, megabytes: float) -> None:
    """Every model of the plan, finished."""
    import torch

    from hpmkd.store.result_file import commit

    state = {"w": torch.rand(int(megabytes * 2**20 / 4))}
    weights: dict[str, str] = {}
    with without_fsync():
        for job in jobs:
            meta = {"key": job.key, "recipe": job.recipe(), "fingerprint": job.fingerprint}
            meta["parents"] = {parent.key: weights[parent.key] for parent in job.parents}
            header = commit(output.model_file(job), state, 90.0, 1.0, meta)
            weights[job.key] = header.metadata["weights_sha256"]


def read_all(output: OutputDir) -> float:
    """Seconds to read every file once, one after the other."""
    start = time.perf_counter()
    for path in output.models.iterdir():
        path.read_bytes()
    return time.perf_counter() - start


def measure(models: int, megabytes: float, whole: bool, folder: Path) -> dict[str, float]:
    """Builds one output and times it; seconds."""
    output = OutputDir(folder / f"{models}x{megabytes:g}")
    config = make_config(models)
    build(plan(config), output, megabytes)
    result = {"models": models, "megabytes": megabytes, "read_seconds": read_all(output)}
    start = time.perf_counter()
    jobs = plan(config)
    result["plan_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    findings = audit(jobs, output)
    result["audit_seconds"] = time.perf_counter() - start
    assert [finding.state for finding in findings.values()] == ["good"] * models
    if whole:
        for path in output.models.glob("*.pt.json"):
            path.unlink()
        start = time.perf_counter()
        with without_fsync():
            findings = audit(jobs, output)
        result["whole_seconds"] = time.perf_counter() - start
        assert [finding.state for finding in findings.values()] == ["good"] * models
    shutil.rmtree(output.root)
    return result


def main(words: list[str]) -> int:
    """Prints one JSON line per case."""
    parser = argparse.ArgumentParser(prog="resume.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, help="how many (default: two cases)")
    parser.add_argument("--megabytes", type=float, default=0.25, help="size of each model")
    parser.add_argument("--whole", action="store_true", help="also time the audit without sidecars")
    values = parser.parse_args(words)
    cases = [(values.models, values.megabytes)] if values.models else CASES
    with tempfile.TemporaryDirectory(prefix="resume-") as folder:
        for models, megabytes in cases:
            result = measure(models, megabytes, values.whole, Path(folder))
            print(json.dumps({name: round(value, 2) for name, value in result.items()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
