"""Whole commands: the published experiment as a user starts it, and the tests for GPUs."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from gpu_workers import Row, Say

ROOT = Path(__file__).resolve().parents[2]
_GRACE = 10.0  # seconds from SIGTERM to SIGKILL


def whole(command: Sequence[str], seconds: float, env: dict[str, str]) -> tuple[Row, str]:
    """Runs a command to its end, or stops it and all it has started; its seconds and exit code, and what it printed."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env={**os.environ, **env}
        )
        row: Row = {}
        try:
            process.wait(max(1.0, seconds - _GRACE))
        except subprocess.TimeoutExpired:
            row["error"] = f"stopped after {seconds - _GRACE:.0f} s"
        finally:
            _stop(process)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return {**row, "seconds": round(time.monotonic() - start, 1), "exit_code": process.returncode}, text


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            if process.poll() is None or number == signal.SIGKILL:
                os.killpg(process.pid, number)
            process.wait(_GRACE)


def why_not(name: str, options: argparse.Namespace) -> str:
    """Why a part cannot be had here; empty where it can."""
    if name == "sweep" and importlib.util.find_spec("ray") is None:
        return "ray is not installed"
    return (
        "needs --data" if not options.data and (name == "accuracy" or (name == "sweep" and not options.sweep)) else ""
    )


def fewest(options: argparse.Namespace) -> float:
    """Fewest seconds for the sweep on a GPU: the published experiment took 188 s on an H100, of which 50 s to start."""
    return 60.0 if options.sweep else 200.0


def sweep(options: argparse.Namespace, seconds: float, say: Say) -> None:
    """The published CIFAR-10 experiment, or what `--sweep` says."""
    words = options.sweep.split() if options.sweep else _published(options)
    words += ["--resources.device", options.device, *options.more.split()]
    with tempfile.TemporaryDirectory(prefix="gpu-sweep-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, str(ROOT / "run_sweep.py"), *words, "-o", f"{folder}/out"]
        row, text = whole(command, seconds, {"XDG_CACHE_HOME": f"{folder}/cache"})
        models = len(list(Path(folder).glob("out/models/*.pt")))
    if row["exit_code"] != 0:
        row.setdefault("error", "the sweep failed")
        print(text[-3000:], file=sys.stderr)
    last = [line.strip() for line in text.splitlines() if line.strip()][-3:]
    published = {} if options.sweep else {"published_seconds": 19_068}
    say({"part": "sweep", "words": words, **row, "models": models, **published, "last_lines": last})


def _published(options: argparse.Namespace) -> list[str]:
    parquet = (Path(options.data) / "train.parquet").exists()
    # The name of a known data set is not for a folder; what is made of the images is the same.
    words = ["--mode", "full", "--datasets", f"CIFAR10-parquet={options.data}" if parquet else "CIFAR10"]
    return [*words, "--data-dir", options.data, "--fit.precision", options.precision]


def tests(options: argparse.Namespace, seconds: float, say: Say) -> None:
    """`tests/training/test_gpu.py`: one row for each failure, and one for all."""
    report = Path(options.folder) / "report.xml"
    command = [sys.executable, "-m", "pytest", str(ROOT / "tests/training/test_gpu.py"), "-q", f"--junitxml={report}"]
    if options.compute_mode not in (None, "Default"):
        command += ["-n", "0"]  # a GPU that takes one process at a time
    env = {"HPMKD_GPU_TESTS": "cpu" if options.device == "cpu" else ""}
    row, text = whole([*command, "-p", "no:cacheprovider"], seconds, env)
    found = _outcomes(report)
    for name, message in found.pop("failures", []):
        say({"part": "tests", "test": name, "error": message})
    if row["exit_code"] != 0:
        row.setdefault("error", "a test failed" if found else "pytest failed")
        print(text[-6000:], file=sys.stderr)
    last = [line.strip() for line in text.splitlines() if line.strip()][-1:]
    say({"part": "tests", **found, **row, "last_line": "".join(last)})


def _outcomes(report: Path) -> Row:
    """Counts, the slowest tests, and the failures with the first lines of what they say."""
    if not report.is_file():
        return {}
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    broken = [(case, part) for case in cases for part in case if part.tag in ("failure", "error")]
    skipped = sum(part.tag == "skipped" for case in cases for part in case)
    slowest = sorted(cases, key=lambda case: -float(case.get("time", 0)))[:3]
    return {
        "passed": len(cases) - skipped - len({id(case) for case, _ in broken}),
        "failed": len(broken),
        "skipped": skipped,
        "slowest": {case.get("name"): float(case.get("time", 0)) for case in slowest},
        "failures": [(case.get("name"), str(part.get("message"))[:400]) for case, part in broken],
    }
