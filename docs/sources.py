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
SWEEP_CONFIG = "hpmkd.config.sweep:SweepConfig"
CONFIG_LOADER = "hpmkd.config.load"
TYPE_NAME = f"{CONFIG_LOADER}:type_name"
DEFAULT_OF = f"{CONFIG_LOADER}:default_of"
COMMANDS = "hpmkd.cli.main:COMMANDS"
ERRORS = "hpmkd.errors"
SIGNALS = "hpmkd.cluster.stop_signals:SIGNALS"
OUTPUT_DIR = "hpmkd.store.output_dir:OutputDir"
RESULTS = "hpmkd.audit.results:collect"
SAVE_MODEL = "hpmkd.store.checkpoints:save_model_checkpoint"

# What the pages of the Python API and of files show, by heading; mkdocstrings reads the source, nothing is imported.
API: dict[str, list[str]] = {
    "Run a sweep, read its results": ["hpmkd.sweep.api.run_sweep", "hpmkd.audit.results.load_results"],
    "Model files": [
        "hpmkd.store.checkpoints.get_model_checkpoint_path",
        "hpmkd.store.checkpoints.model_checkpoint_exists",
        "hpmkd.store.checkpoints.load_model_checkpoint",
        "hpmkd.store.checkpoints.save_model_checkpoint",
        "hpmkd.store.export.export",
    ],
    "Statistics": [
        "hpmkd.analysis.stats.summary",
        "hpmkd.analysis.stats.comparisons",
        "hpmkd.analysis.stats.paired",
        "hpmkd.analysis.stats.ranks",
        "hpmkd.analysis.stats.friedman",
    ],
    "For new methods, networks and data sets": [
        "hpmkd.methods.base.Distiller",
        "hpmkd.methods.base.kd_terms",
        "hpmkd.models.output.ModelOutput",
        "hpmkd.models.build.build",
        "hpmkd.config.specs.ModelSpec",
        "hpmkd.config.specs.DataSpec",
        "hpmkd.data.catalog.Dataset",
        "hpmkd.data.images.RawData",
        "hpmkd.data.images.Images",
    ],
    "Errors": ["hpmkd.errors"],
}
FORMATS: dict[str, list[str]] = {
    "Sidecar": ["hpmkd.store.sidecar"],
    "Logits cache": ["hpmkd.store.logits_file"],
    "Result of a search": ["hpmkd.store.search_file"],
    "Epoch checkpoint": ["hpmkd.store.epoch_checkpoint.save_epoch"],
    "Learning curves and progress": ["hpmkd.store.progress_log.Progress"],
}
# Whose source is the description: the metadata of each model file.
PROVENANCE = "hpmkd.training.provenance.provenance"


def resolve(place: str) -> Any:
    """The object at `module:name`, or the module where there is no colon."""
    return resolve_name(place)
