"""Whole commands: the published experiment as a user starts it, and the tests for GPUs."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from gpu_workers import Row, Say

ROOT = Path(__file__).resolve().parents[2]
_GRACE = 10.0  # seconds from SIGTERM to SIGKILL
_LOOK = 0.1  # seconds between two looks at what a command has printed
_LINES, _LETTERS = 200, 200  # of a sweep that are kept
_MODEL = re.compile(r": .*, saved \S+$|from the shared memory: trained before")
# The first line of a sweep that says it.
_SAID = {"data_ready": re.compile(r"^training \d+ of \d+ models? in ")}
_SAID["share_measured"] = re.compile(r" one \w.* uses .* GiB and |^GPU not measured ")


class Printed:
    """The lines of a file that grows, with the seconds at which each was there, and when a sign was first seen.

    Args:
        output: the file.
        sign: looked for at each look.
    """

    def __init__(self, output: IO[bytes], sign: Callable[[], bool]) -> None:
        self.output, self.sign, self.start = output, sign, time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self.signed: float | None = None
        self._place, self._rest = 0, b""

    def look(self, last: bool = False) -> None:
        """Notes what has come since the last look; at the last one, a line without an end, too."""
        now = round(time.monotonic() - self.start, 1)
        if self.signed is None and self.sign():
            self.signed = now
        # Not `seek`: the command writes at the place of the file that both have in common.
        data = os.pread(self.output.fileno(), 2**24, self._place)
        self._place += len(data)
        *whole, self._rest = (self._rest + data + (b"\n" if last else b"")).split(b"\n")
        self.lines += [(now, line.decode(errors="replace").rstrip()) for line in whole if line.strip()]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(line for _, line in self.lines)


def whole(
    command: Sequence[str], seconds: float, env: dict[str, str], sign: Callable[[], bool] = lambda: False
) -> tuple[Row, Printed]:
    """Runs a command to its end, or stops it and all it has started; its seconds and exit code, and what it printed."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        printed = Printed(output, sign)
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env={**os.environ, **env}
        )
        row: Row = {}
        try:
            _watch(process, start + max(1.0, seconds - _GRACE), printed)
        except TimeoutError:
            row["error"] = f"stopped after {seconds - _GRACE:.0f} s"
        finally:
            _stop(process)
        printed.look(last=True)
    return {**row, "seconds": round(time.monotonic() - start, 1), "exit_code": process.returncode}, printed


def _watch(process: subprocess.Popen[bytes], until: float, printed: Printed) -> None:
    """To its end. Raises TimeoutError at `until`, of `time.monotonic()`."""
    while True:
        printed.look()
        try:
            process.wait(_LOOK)
        except subprocess.TimeoutExpired:
            if time.monotonic() > until:
                raise TimeoutError from None
        else:
            return


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
    from hpmkd.files import parse_json
    from hpmkd.store.output_dir import OutputDir

    with tempfile.TemporaryDirectory(prefix="gpu-sweep-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, str(ROOT / "run_sweep.py"), *words, "-o", f"{folder}/out"]
        note = OutputDir(Path(folder, "out")).ray_file

        def ray_runs() -> bool:
            """Ray's processes are noted as soon as it has started."""
            with contextlib.suppress(OSError, ValueError, KeyError):
                return bool(parse_json(note.read_text())["processes"])
            return False

        env = {"XDG_CACHE_HOME": f"{folder}/cache", "PYTHONUNBUFFERED": "1"}
        row, printed = whole(command, seconds, env, ray_runs)
        models = len(list(Path(folder).glob("out/models/*.pt")))
    if row["exit_code"] != 0:
        row.setdefault("error", "the sweep failed")
        print(printed.text[-3000:], file=sys.stderr)
    row["seconds_until"] = moments(printed, float(row["seconds"]))
    lines = [(at, line[:_LETTERS]) for at, line in printed.lines[:_LINES]]
    published = {} if options.sweep else {"published_seconds": 19_068}
    say({"part": "sweep", "words": words, **row, "models": models, **published, "lines": lines})


def moments(printed: Printed, end: float) -> dict[str, float]:
    """Seconds from the start of a sweep's command to the points of its way that can be seen in what it printed."""
    said = {name: next((at for at, line in printed.lines if words.search(line)), None) for name, words in _SAID.items()}
    models = [at for at, line in printed.lines if _MODEL.search(line)]
    found = {"data_ready": said["data_ready"], "ray_started": printed.signed, "share_measured": said["share_measured"]}
    found |= {"first_model": min(models, default=None), "last_model": max(models, default=None), "end": end}
    return {name: at for name, at in found.items() if at is not None}


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
    row, printed = whole([*command, "-p", "no:cacheprovider"], seconds, env)
    found = _outcomes(report)
    for name, message in found.pop("failures", []):
        say({"part": "tests", "test": name, "error": message})
    if row["exit_code"] != 0:
        row.setdefault("error", "a test failed" if found else "pytest failed")
        print(printed.text[-6000:], file=sys.stderr)
    last = printed.lines[-1][1].strip() if printed.lines else ""
    say({"part": "tests", **found, **row, "last_line": last})


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
