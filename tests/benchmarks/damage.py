"""What a soak counts: models lost, trained twice, torn or different, and processes left over."""

from __future__ import annotations

import dataclasses

from hpmkd.cluster.ray_processes import RayProcesses, lives
from hpmkd.errors import DamagedModel
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.payload import weights_hash
from hpmkd.store.result_file import load_weights, verify
from hpmkd.store.sidecar import Header


@dataclasses.dataclass
class Damage:
    """What the kills did."""

    starts: int = 0
    sweeps_finished: int = 0
    models: int = 0
    models_lost: int = 0
    trained_twice: int = 0
    invalid_files: int = 0
    weights_different: int = 0
    leftover_processes: int = 0  # of a dead sweep, 10 s after the next start
    seconds: float = 0.0

    @property
    def damage(self) -> int:
        """What must be zero."""
        return (
            self.models_lost
            + self.trained_twice
            + self.invalid_files
            + self.weights_different
            + self.leftover_processes
        )


@dataclasses.dataclass
class Counts(Damage):
    """Of a sweep on one machine: whom the kills hit."""

    worker: int = 0
    driver: int = 0
    raylet: int = 0
    gcs_server: int = 0

    @property
    def kills(self) -> int:
        """All of them."""
        return self.worker + self.driver + self.raylet + self.gcs_server


@dataclasses.dataclass
class HostCounts(Damage):
    """Of a sweep on a cluster: a host whose power was cut (that of the driver, or another), a raylet, the driver."""

    driver_host: int = 0
    other_host: int = 0
    raylet: int = 0
    driver: int = 0
    starts_elsewhere: int = 0  # of the command, on another host than before

    @property
    def kills(self) -> int:
        """All of them."""
        return self.driver_host + self.other_host + self.raylet + self.driver


class Watch:
    """The files of one sweep under final names: each, once it verified, must stay what it is."""

    def __init__(self, output: OutputDir, counts: Damage) -> None:
        self.output, self.counts = output, counts
        self.known: dict[str, Header] = {}

    def look(self) -> None:
        """Verifies every file there is, and compares it with what it was."""
        found: dict[str, Header] = {}
        for path in self.output.model_files():
            try:
                found[path.name] = verify(path)
            except DamagedModel as error:
                self.counts.invalid_files += 1
                print(f"INVALID {error}", flush=True)
            except FileNotFoundError:
                continue
        for name, header in self.known.items():
            if name not in found:
                self.counts.models_lost += 1
                print(f"LOST {name}", flush=True)
            elif (found[name].timestamp, found[name].sha256) != (header.timestamp, header.sha256):
                self.counts.trained_twice += 1
                print(f"TRAINED TWICE {name}", flush=True)
        self.known = found


def hashes(output: OutputDir) -> dict[str, str]:
    """File -> identity of its weights, from the tensors themselves."""
    return {path.name: weights_hash(load_weights(path)[1]) for path in sorted(output.models.glob("*.pt"))}


def count_leftovers(marks: list[str], counts: Damage, output: OutputDir) -> None:
    """Processes that dead Rays of this sweep have left."""
    for mark in marks:
        left = [process for process in RayProcesses(output.ray_file, mark).find() if lives(process)]
        counts.leftover_processes += len(left)
        if left:
            print(f"LEFT OVER {left}", flush=True)
