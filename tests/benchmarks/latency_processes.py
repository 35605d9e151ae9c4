"""Should runtimes that are compared share a process? The same networks in both ways, in the same rounds.

`apart`: a process per runtime, as `hpmkd bench latency` does it; `together`: one process for all. A ratio above 1 is
what sharing costs a runtime: libraries keep threads of their own, and those of one are in the way of the next. Two
copies are apart, so that a ratio of one way to itself says what noise does.

    python tests/benchmarks/latency_processes.py --threads 1 2
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from hpmkd.bench import statistics
from hpmkd.bench.latency import Settings, Turn, take_turns
from hpmkd.bench.networks import of_files
from hpmkd.bench.prepared import Prepared, prepare
from hpmkd.bench.processes import Process
from hpmkd.config.specs import ModelSpec
from hpmkd.hardware import machine
from hpmkd.models import build
from hpmkd.numeric import Estimate
from hpmkd.store.result_file import commit

SPEC = ModelSpec("resnet8", (16, 32, 64), in_channels=3, image_size=32, classes=10)
RUNTIMES = ("eager", "export", "onnx")
Ratios = dict[tuple[str, int], tuple[Estimate, Estimate]]


def made(folder: Path) -> list[Prepared]:
    """One network for every runtime."""
    path = folder / "net.pt"
    commit(path, build(SPEC, seed=0).state_dict(), 50.0, 1.0, {"architecture": asdict(SPEC), "role": "student"})
    prepared, left_out = prepare(of_files([path]), RUNTIMES, folder)
    for text in left_out:
        print(f"left out: {text}")
    return prepared


def compare(prepared: list[Prepared], threads: int, settings: Settings) -> Ratios:
    """By runtime and batch size: together to apart, and apart to itself."""
    with contextlib.ExitStack() as stack:
        shared = stack.enter_context(Process("cpu", threads))
        timers = {}
        for one in prepared:
            own = stack.enter_context(Process("cpu", threads))
            timers |= {f"{one.runtime}/apart": own, f"{one.runtime}/together": shared}
            about = {"runtime": one.runtime, "path": str(one.path), "shape": one.network.shape}
            for worker, names in ((own, ("a", "b")), (shared, (one.runtime,))):
                for name in names:
                    worker.ask("load", name=name, **about)
        turns = [
            Turn(name, f"{one.runtime}/{way}", batch)
            for one in prepared
            for batch in settings.batch_sizes
            for way, name in (("apart", "a"), ("apart", "b"), ("together", one.runtime))
        ]
        rounds = take_turns(timers, turns, settings)
    found = {}
    for turn in turns:
        if turn.name == "a":
            runtime = turn.runtime.partition("/")[0]
            together = rounds[Turn(runtime, f"{runtime}/together", turn.batch)]
            again = rounds[replace(turn, name="b")]
            mine = rounds[turn]
            found[runtime, turn.batch] = statistics.ratio(together, mine), statistics.ratio(again, mine)
    return found


def main() -> None:
    """Prints a row per runtime, batch size and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--measurements", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    settings = Settings(batch_sizes=tuple(given.batch_sizes), measurements=given.measurements, seconds=given.seconds)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        prepared = made(Path(folder))
        for threads in given.threads:
            for (runtime, batch), ratios in compare(prepared, threads, settings).items():
                together, again = (f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in ratios)
                print(f"threads {threads}, {runtime}, batch {batch}: together / apart {together}, control {again}")


if __name__ == "__main__":
    main()
