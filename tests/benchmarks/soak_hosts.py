"""Cuts the power of hosts under a sweep on a cluster, again and again: `python tests/benchmarks/soak_hosts.py`.

Two hosts in namespaces share a folder and train sweeps over Digits, one after the other, while hosts, raylets and the
driver are killed at random instants. What is gone is started again as its owner would: the host, Ray on it, and the
same command on a host that is chosen at random. After every kill every file under a final name is verified; at the end
of each sweep every `model_state_dict` is compared with that of a sweep on one machine that nobody disturbed. Counts are
kept in `--output`: the same command goes on. Exit code 0 if nothing was lost, 1 if something was, 2 without namespaces.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # a script sees its own folder alone
from cluster_of_two import Cluster
from damage import HostCounts, Watch, hashes
from support.hosts import SHARED, Host, hosts, refused

from hpmkd.files import commit_json
from hpmkd.store.output_dir import OutputDir

ROOT = Path(__file__).resolve().parents[2]
# How often each is the victim.
VICTIMS = {"driver_host": 2, "other_host": 3, "raylet": 3, "driver": 3}
# The first kill of a start, at a random instant within so many seconds: some before anything is trained.
FIRST_SECONDS = 25
SWEEP = ["--train-images", "300", "--teacher-epochs", "60", "--student-epochs", "60", "--resources.device", "cpu"]
SWEEP += ["--record.checkpoint_overhead", "1", "--record.tensorboard", "false"]
SWEEP += ["--baselines", "Direct", "TraditionalKD", "FitNets", "AT", "HPM-KD"]
GIVE_UP_SECONDS = 600


def command(output: str | Path, runs: int, *more: str) -> list[str]:
    """The sweep's command line."""
    words = [sys.executable, str(ROOT / "run_sweep.py"), "-o", str(output), "--runs", str(runs)]
    return [*words, *SWEEP, *more]


class Soak:
    """Sweeps and kills until there were enough, or the time is over."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.root = Path(options.output).absolute()
        self.options, self.state = options, self.root / "state.json"
        self.counts = HostCounts(**json.loads(self.state.read_text())) if self.state.exists() else HostCounts()
        self.chance = random.Random(options.seed * 1_000_003 + self.counts.kills)
        self.end = time.monotonic() + options.minutes * 60
        self.last, self.before = time.monotonic(), ""

    def save(self) -> None:
        """Counts so far."""
        self.counts.seconds += time.monotonic() - self.last
        self.last = time.monotonic()
        commit_json(self.state, dataclasses.asdict(self.counts))

    def over(self) -> bool:
        """Whether no more kills are wanted."""
        return self.counts.kills >= self.options.kills or time.monotonic() > self.end

    def run(self) -> None:
        """Sweep after sweep; each is let to its end after the last kill."""
        expected = self.reference()
        self.last = time.monotonic()
        while not self.over():
            with tempfile.TemporaryDirectory(prefix="soak-") as folder, hosts(Path(folder) / "world") as world:
                output = OutputDir(world.shared / "out")
                self.one_sweep(Cluster(world), output)
                found = hashes(output)
            wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            self.counts.weights_different += len(wrong)
            self.counts.models += len(found)
            self.counts.sweeps_finished += 1
            print(
                f"sweep {self.counts.sweeps_finished}: {self.counts.kills} kills, {len(found)} models, "
                f"{len(wrong)} different {wrong}", flush=True,
            )  # fmt: skip
            self.save()

    def reference(self) -> dict[str, str]:
        """Weights of the sweep that nobody disturbs, on this machine alone; trained once."""
        output = OutputDir(self.root / "undisturbed")
        cache = ["--data.cache_dir", str(self.root / "cache")]
        subprocess.run([*command(output.root, self.options.runs, *cache), "-q"], check=True)
        return hashes(output)

    def one_sweep(self, cluster: Cluster, output: OutputDir) -> None:
        """Starts until exit code 0."""
        watch, log, codes = Watch(output, self.counts), self.root / "log.txt", list[int]()
        while not codes or codes[-1] != 0:
            cluster.mend()
            codes.append(self.one_start(cluster, output, watch, log))
            print(f"  a start ended with {codes[-1]}, {self.counts.kills} kills so far", flush=True)
            watch.look()
            self.save()
            if len(codes) > 10 and not any(code in (0, None) or code < 0 or code == 137 for code in codes[-5:]):
                raise SystemExit(f"starts fail: {codes[-5:]}; see {log}")
        time.sleep(5)  # workers of a driver that is gone have time to notice
        self.counts.leftover_processes += len(left := cluster.workers())
        if left:
            print(f"LEFT OVER {left}", flush=True)

    def one_start(self, cluster: Cluster, output: OutputDir, watch: Watch, log: Path) -> int:
        """One start with its kills; returns its exit code."""
        host = self.chance.choice(cluster.all)
        self.counts.starts += 1
        self.counts.starts_elsewhere += bool(self.before) and host.name != self.before
        self.before = host.name
        driver = host.start(self.root / "start.txt", *command(f"{SHARED}/out", self.options.runs, "--address", "auto"))
        begun = time.monotonic()
        pause = self.chance.uniform(0, FIRST_SECONDS)
        while driver.poll() is None:
            time.sleep(0.2)
            if time.monotonic() - begun > GIVE_UP_SECONDS:
                raise SystemExit(f"a start hangs; see {self.root / 'start.txt'}")
            if time.monotonic() - begun < pause or self.over():
                continue
            if self.kill(cluster, host):
                watch.look()
                self.save()
            time.sleep(self.chance.uniform(0, 3))
            cluster.mend_others(host)
            pause = time.monotonic() - begun + self.chance.uniform(0, self.options.pause)
        with log.open("a") as file:
            file.write(f"--- on {host.name}: {driver.returncode}\n{(self.root / 'start.txt').read_text()}\n")
        return driver.returncode

    def kill(self, cluster: Cluster, host: Host) -> bool:
        """One SIGKILL; False where there is no such victim now. Which kind it is, `VICTIMS` has the odds."""
        kind = self.chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        other = next(one for one in cluster.all if one is not host)
        if kind in ("driver_host", "other_host"):
            done = cluster.cut(host if kind == "driver_host" else other)
        elif kind == "raylet":
            done = cluster.kill(self.chance.choice([host, other]), "raylet")
        else:
            done = cluster.kill(host, "run_sweep.py")
        if done:
            setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        return done


def main() -> int:
    """Parses, soaks, prints a table and writes `summary.json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="in all, those of earlier calls included")
    parser.add_argument("--minutes", type=float, default=120, help="no more kills after so many")
    parser.add_argument("--runs", type=int, default=3, help="students per baseline in each sweep")
    parser.add_argument("--pause", type=float, default=12, help="between kills: random, at most so many seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="results/soak-hosts", help="folder of counts and logs")
    options = parser.parse_args()
    why = refused()
    if why:
        print(why, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # no host is left behind
    Path(options.output).mkdir(parents=True, exist_ok=True)
    soak = Soak(options)
    try:
        soak.run()
    finally:
        soak.save()
        shutil.rmtree(soak.root / "cache", ignore_errors=True)
    rows = {"kills": soak.counts.kills, **dataclasses.asdict(soak.counts)}
    commit_json(soak.root / "summary.json", rows)
    print("\n".join(f"{name.replace('_', ' '):<20}{value:>10,.0f}" for name, value in rows.items()))
    return 1 if soak.counts.damage else 0


if __name__ == "__main__":
    sys.exit(main())
