"""A sweep as driver and trials see it: read from the output folder alone, so it can be moved."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from hpmkd.config import SweepConfig
from hpmkd.data.cache import spec_from_json
from hpmkd.job import Job
from hpmkd.methods import lineages
from hpmkd.output import Output
from hpmkd.plan import expand
from hpmkd.settings import parse_yaml, validate


@dataclass(frozen=True)
class Sweep:
    """Config, output and jobs (parents first)."""

    config: SweepConfig
    output: Output
    jobs: tuple[Job, ...]

    @functools.cached_property
    def by_key(self) -> dict[str, Job]:
        """Jobs by their key."""
        return {job.key: job for job in self.jobs}


def open_sweep(root: Path) -> Sweep:
    """The sweep whose `sweep.yaml` and `datasets.json` lie in `root`, expanded once per content."""
    output = Output(root)
    return _open(str(root), output.config_file.read_text(), output.datasets_file.read_text())


@functools.lru_cache(maxsize=4)
def _open(root: str, config_text: str, datasets_text: str) -> Sweep:
    output = Output(Path(root))
    config = validate(parse_yaml(config_text, str(output.config_file)), str(output.config_file))
    specs = [spec_from_json(values) for values in json.loads(datasets_text)]
    return Sweep(config, output, expand(config, specs, lineages(config)))
