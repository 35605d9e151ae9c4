"""The files that the runtimes load, made of model files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hpmkd.bench.networks import Network
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.export import export

# Runtime -> the format that it loads; None: the model file itself.
FORMATS: dict[str, str | None] = {"eager": None, "export": "pt2", "onnx": "onnx"}


@dataclass(frozen=True)
class Prepared:
    """A network's file for a runtime, and its size in bytes."""

    network: Network
    runtime: str
    path: Path
    size: int


def prepare(
    networks: Iterable[Network], runtimes: Iterable[str], folder: Path, tell: Callable[[str], None] = lambda text: None
) -> tuple[list[Prepared], list[str]]:
    """What can be measured, exported into `folder`, and why the rest cannot."""
    made: list[Prepared] = []
    left_out: list[str] = []
    for runtime in runtimes:
        kind = FORMATS[runtime]
        for number, network in enumerate(networks):
            tell(f"{network.name} for {runtime}")
            if kind is None:
                made.append(Prepared(network, runtime, network.path, network.path.stat().st_size))
                continue
            try:
                done = export(network.path, kind, folder / f"{number}.{kind}")
            except EnvironmentProblem as error:
                left_out.append(f"{runtime}: {error.where}, {error.found}")
                break
            made.append(Prepared(network, runtime, done.path, done.size))
    return made, left_out
