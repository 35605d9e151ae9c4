"""Where the documents find things in the code. The one place to change when something moves."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hpmkd"
MODES = ROOT / "tune_configs"
DRAWING = Path(__file__).resolve().parent / "pages" / "images" / "imports.svg"

# What the generators call, as `module:name`.
SWEEP_CONFIG = "hpmkd.config:SweepConfig"
CONFIG_LOADER = "hpmkd.settings"
TYPE_NAME = f"{CONFIG_LOADER}:type_name"
DEFAULT_OF = f"{CONFIG_LOADER}:default_of"
COMMANDS = "hpmkd.cli.main:COMMANDS"
ERRORS = "hpmkd.errors"
SIGNALS = "hpmkd.stop:SIGNALS"
OUTPUT_DIR = "hpmkd.output:Output"
RESULTS = "hpmkd.results:collect"
SAVE_MODEL = "hpmkd.store.checkpoints:save_model_checkpoint"

# What the pages of the Python API and of files show, by heading; mkdocstrings reads the source, nothing is imported.
API: dict[str, list[str]] = {
    "Run a sweep, read its results": ["hpmkd.cli.api.run_sweep", "hpmkd.results.load_results"],
    "Model files": [
        "hpmkd.store.checkpoints.get_model_checkpoint_path",
        "hpmkd.store.checkpoints.model_checkpoint_exists",
        "hpmkd.store.checkpoints.load_model_checkpoint",
        "hpmkd.store.checkpoints.save_model_checkpoint",
        "hpmkd.export.export",
    ],
    "Statistics": [
        "hpmkd.stats.summary",
        "hpmkd.stats.comparisons",
        "hpmkd.stats.paired",
        "hpmkd.stats.ranks",
        "hpmkd.stats.friedman",
    ],
    "For new methods, networks and data sets": [
        "hpmkd.methods.base.Distiller",
        "hpmkd.methods.base.kd_terms",
        "hpmkd.models.output.Output",
        "hpmkd.models.build.build",
        "hpmkd.specs.ModelSpec",
        "hpmkd.specs.DataSpec",
        "hpmkd.data.catalog.Dataset",
        "hpmkd.data.images.RawData",
        "hpmkd.data.images.Images",
    ],
    "Errors": ["hpmkd.errors"],
}
FORMATS: dict[str, list[str]] = {
    "Sidecar": ["hpmkd.store.header"],
    "Logits cache": ["hpmkd.store.table_file"],
    "Result of a search": ["hpmkd.store.choice_file"],
    "Epoch checkpoint": ["hpmkd.epochs.save_epoch"],
    "Learning curves and progress": ["hpmkd.progress.Progress"],
}
# Whose source is the description: the metadata of each model file.
PROVENANCE = "hpmkd.provenance.provenance"


def resolve(place: str) -> Any:
    """The object at `module:name`, or the module where there is no colon."""
    return resolve_name(place)
