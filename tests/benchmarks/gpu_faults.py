"""What a GPU and its process do when something fails: each fault on purpose, in processes of its own.

    PYTHONPATH=.:tests python tests/benchmarks/gpu_faults.py cuda 180     # all of them, in so many seconds

One row for each, see `gpu_one_fault.py`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from gpu_workers import Say, allot, relay

# Each with the fewest seconds in which it can end on a GPU, where a process needs 7 to 10 s until it trains: those that
# start others need them several times. The first ones matter most.
FAULTS = {"capture_fails": 18.0, "out_of_memory": 18.0, "killed_and_resumed": 40.0, "neighbour_killed": 28.0}
FAULTS |= {"neighbour_killed_under_mps": 32.0, "diverges": 18.0, "bad_label": 18.0}
_LEAST, _MOST = 5.0, 90.0  # seconds, of each: without a GPU, and where there are more than it can need


def run(device: str, seconds: float, say: Say) -> None:
    """All faults for which there is time."""
    until = time.monotonic() + seconds
    fewest = [least if device == "cuda" else _LEAST for least in FAULTS.values()]
    for number, fault in enumerate(FAULTS):
        about, left = {"part": "faults", "fault": fault}, until - time.monotonic()
        own = allot([(one, one) for one in fewest[number:]], left)
        if own is None:
            say({**about, "skipped": f"{left:.0f} s left for it, of {fewest[number]:.0f}"})
        else:
            script = Path(__file__).with_name("gpu_one_fault.py")
            relay([sys.executable, str(script), fault, device], about, min(_MOST, own), say)


def main(words: list[str]) -> int:
    """All of them."""
    run(words[0], float(words[1]), lambda row: print(json.dumps(row), flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
