"""A sweep as readers see it: what lies in its folder, without Ray, torch, or the data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hpmkd.config import SweepConfig
from hpmkd.data.cache import spec_from_json
from hpmkd.errors import UsageError
from hpmkd.job import Job
from hpmkd.methods import lineages
from hpmkd.output import Output
from hpmkd.plan import expand
from hpmkd.settings import read_config_file, validate


@dataclass(frozen=True)
class Saved:
    """An output folder. `config` is None where it holds no `sweep.yaml`; then, and before the data were first looked
    at, there are no `jobs` (parents first)."""

    output: Output
    config: SweepConfig | None
    jobs: tuple[Job, ...]


def open_saved(root: Path) -> Saved:
    """Reads the folder `root` of a sweep, or a folder that only has `models/`.

    Raises:
        UsageError: it is neither, or its config cannot be read by this version.
    """
    output = Output(root.expanduser().absolute())
    if not output.config_file.is_file():
        if not output.models.is_dir():
            raise UsageError(
                f"{output.root}: no sweep here",
                expected=f"a folder with {output.config_file.name} or {output.models.name}/",
                found="neither" if output.root.is_dir() else "no such folder",
                todo="name the --output of a sweep",
            )
        return Saved(output, None, ())
    config = validate(read_config_file(output.config_file), str(output.config_file))
    try:
        specs = [spec_from_json(values) for values in json.loads(output.datasets_file.read_text())]
    except FileNotFoundError:
        return Saved(output, config, ())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{output.datasets_file}: cannot be read",
            expected="what a sweep wrote about its data sets",
            found=f"{type(error).__name__}: {error}",
            todo="start the sweep once more: it writes the file anew",
        ) from error
    return Saved(output, config, expand(config, specs, lineages(config)))
