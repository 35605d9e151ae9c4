"""Kills a sweep again and again, at random instants, and counts what is lost: `python tests/benchmarks/soak.py`.

Sweeps over Digits with every baseline run one after the other until so many SIGKILLs have hit them: the driver, a
worker in training, the raylet, the GCS. After every kill every file under a final name is verified; at the end every
`model_state_dict` is compared with that of a sweep that nobody disturbed. The state is kept in `--output`: the same
command goes on. Exit code 0 if nothing was lost, 1 if something was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from damage import Counts, Watch, count_leftovers, hashes

from hpmkd.cluster.ray_processes import MARK
from hpmkd.files import commit_json
from hpmkd.plan.catalog import BASELINES
from hpmkd.store.output_dir import OutputDir

ROOT = Path(__file__).resolve().parents[2]
# How often each is the victim. A killed driver costs a whole start, a killed worker some seconds.
VICTIMS = {"worker": 24, "driver": 3, "raylet": 1, "gcs_server": 1}
# The first kill of a start, at a random instant within so many seconds: some before a worker trains.
FIRST_SECONDS = 15
SWEEP = ["--train-images", "300", "--teacher-epochs", "3", "--student-epochs", "3", "--resources.device", "cpu"]
SWEEP += ["--record.checkpoint_overhead", "1", "--record.tensorboard", "false"]
GIVE_UP_SECONDS = 300


def command(output: Path, cache: Path, runs: int, baselines: list[str]) -> list[str]:
    """The sweep's command line."""
    words = [sys.executable, str(ROOT / "run_sweep.py"), "-o", str(output), "--data.cache_dir", str(cache)]
    return [*words, "--runs", str(runs), "--baselines", *baselines, *SWEEP]


def victim(chance: random.Random, kind: str, driver: subprocess.Popen[bytes]) -> psutil.Process | None:
    """One of this sweep's processes of that kind; None where none runs now."""
    if kind == "driver":
        return psutil.Process(driver.pid)
    for process in chance.sample(family := psutil.Process(driver.pid).children(recursive=True), len(family)):
        try:
            name = process.name()
            if name == kind or (kind == "worker" and "ImplicitFunc" in name):
                return process
        except psutil.Error:
            continue
    return None


def current_mark(output: OutputDir) -> str | None:
    """The mark of the Ray that runs or has just run."""
    try:
        return str(json.loads(output.ray_file.read_text())["mark"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Soak:
    """Sweeps and kills until there were enough, or the time is over."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.root = Path(options.output).absolute()
        self.options, self.cache, self.state = options, self.root / "cache", self.root / "state.json"
        self.counts = Counts(**json.loads(self.state.read_text())) if self.state.exists() else Counts()
        self.chance = random.Random(options.seed * 1_000_003 + self.counts.kills)
        self.kind = self.draw()
        self.end = time.monotonic() + options.minutes * 60
        self.last = time.monotonic()

    def save(self) -> None:
        """Counts so far."""
        self.counts.seconds += time.monotonic() - self.last
        self.last = time.monotonic()
        commit_json(self.state, dataclasses.asdict(self.counts))

    def command(self, output: OutputDir) -> list[str]:
        """A sweep's command line."""
        return command(output.root, self.cache, self.options.runs, self.options.baselines)

    def reference(self) -> dict[str, str]:
        """Weights of the sweep that nobody disturbs; trained once."""
        output = OutputDir(self.root / "undisturbed")
        subprocess.run([*self.command(output), "-q"], check=True)
        return hashes(output)

    def over(self) -> bool:
        """Whether no more kills are wanted."""
        return self.counts.kills >= self.options.kills or time.monotonic() > self.end

    def run(self) -> Counts:
        """Sweep after sweep; each is let to its end after the last kill."""
        expected = self.reference()
        self.last = time.monotonic()
        while not self.over():
            # A sweep's shared memory would train its teachers only the first time.
            shutil.rmtree(self.cache / "memory", ignore_errors=True)
            output = OutputDir(self.root / "disturbed")
            self.one_sweep(output)
            found = hashes(output)
            wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            self.counts.weights_different += len(wrong)
            self.counts.models += len(found)
            self.counts.sweeps_finished += 1
            print(
                f"sweep {self.counts.sweeps_finished}: {len(found)} models, {len(wrong)} different {wrong}", flush=True
            )
            self.save()
            shutil.rmtree(output.root)
        return self.counts

    def one_sweep(self, output: OutputDir) -> None:
        """Starts until exit code 0."""
        watch, dead = Watch(output, self.counts), list[str]()
        watch.look()
        while True:
            self.counts.starts += 1
            code = self.one_start(output, watch, dead)
            watch.look()
            self.save()
            if code == 0:
                count_leftovers(dead, self.counts, output)
                return

    def one_start(self, output: OutputDir, watch: Watch, dead: list[str]) -> int:
        """One start with its kills; returns its exit code."""
        log = (self.root / "log.txt").open("ab")
        driver = subprocess.Popen(self.command(output), stdout=log, stderr=log)
        begun, looked, before = time.monotonic(), not dead, list(dead)
        pause = self.chance.uniform(0, FIRST_SECONDS)
        try:
            while driver.poll() is None:
                wait = min(max(pause, 0.1), 0.5)
                time.sleep(wait)
                pause -= wait
                if not looked and time.monotonic() - begun > 10:
                    count_leftovers(before, self.counts, output)
                    looked = True
                mark = current_mark(output)
                if mark and mark not in dead:
                    dead.append(mark)
                if pause <= 0 and not self.over() and self.kill(driver, watch):
                    pause = self.chance.uniform(0, self.options.pause)
                if time.monotonic() - begun > GIVE_UP_SECONDS + self.options.pause * 100:
                    raise SystemExit(f"a start hangs; see {log.name}")
        finally:
            if driver.poll() is None:
                driver.kill()
            driver.wait()
            log.close()
        return driver.returncode

    def kill(self, driver: subprocess.Popen[bytes], watch: Watch) -> bool:
        """One SIGKILL, then a look at every file; False where the next victim is of a kind that does not run yet."""
        kind = self.kind
        try:
            chosen = victim(self.chance, kind, driver)
            if chosen is None:
                return False
            chosen.kill()
        except psutil.Error:
            return False
        self.kind = self.draw()
        setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        watch.look()
        self.save()
        return True

    def draw(self) -> str:
        """The next victim's kind, by the odds of `VICTIMS`."""
        return self.chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]


def main() -> int:
    """Parses, soaks, prints a table and writes `summary.json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="in all, those of earlier calls included")
    parser.add_argument("--minutes", type=float, default=60, help="no more kills after so many")
    parser.add_argument("--runs", type=int, default=2, help="students per baseline in each sweep")
    parser.add_argument("--baselines", nargs="+", default=list(BASELINES), help="default: all")
    parser.add_argument("--pause", type=float, default=6, help="between kills: random, at most so many seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="results/soak", help="folder of state, sweeps and log")
    options = parser.parse_args()
    os.environ.pop(MARK, None)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # no sweep is left behind
    Path(options.output).mkdir(parents=True, exist_ok=True)
    soak = Soak(options)
    try:
        counts = soak.run()
    finally:
        soak.save()
    commit_json(soak.root / "summary.json", {**dataclasses.asdict(counts), "kills": counts.kills})
    rows = {"kills": counts.kills, **dataclasses.asdict(counts)}
    print("\n".join(f"{name.replace('_', ' '):<20}{value:>10,.0f}" for name, value in rows.items()))
    return 1 if counts.damage else 0


if __name__ == "__main__":
    sys.exit(main())
