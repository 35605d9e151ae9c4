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
CONFIG_KEYS = "hpmkd.config.keys"
TYPE_NAME = f"{CONFIG_KEYS}:type_name"
DEFAULT_OF = f"{CONFIG_KEYS}:default_of"
COMMANDS = "hpmkd.cli.main:COMMANDS"
ERRORS = "hpmkd.errors"
SIGNALS = "hpmkd.cluster.stop_signals:SIGNALS"
OUTPUT_DIR = "hpmkd.store.output_dir:OutputDir"
RESULTS = "hpmkd.audit.results:collect"
SAVE_MODEL = "hpmkd.store.checkpoints:save_model_checkpoint"

# What the pages of the Python API and of files show, by heading; mkdocstrings reads the source, nothing is imported.
API: dict[str, list[str]] = {
    "Run a sweep, read its results": ["hpmkd.programme.api.run_sweep", "hpmkd.audit.results.load_results"],
    "Model files": [
        "hpmkd.store.checkpoints.get_model_checkpoint_path",
        "hpmkd.store.checkpoints.model_checkpoint_exists",
        "hpmkd.store.checkpoints.load_model_checkpoint",
        "hpmkd.store.checkpoints.save_model_checkpoint",
        "hpmkd.store.export.export",
    ],
    "Statistics": [
        "hpmkd.analysis.stats.pairs.summary",
        "hpmkd.analysis.stats.pairs.comparisons",
        "hpmkd.analysis.stats.pairs.paired",
        "hpmkd.analysis.stats.tost.equivalence",
        "hpmkd.analysis.stats.bayes.signed_rank",
        "hpmkd.analysis.stats.power.needed",
        "hpmkd.analysis.stats.power.runs_needed",
        "hpmkd.analysis.stats.mcnemar.mcnemar_test",
        "hpmkd.analysis.stats.mcnemar.mcnemar_over_runs",
        "hpmkd.analysis.stats.aggregate.scores",
        "hpmkd.analysis.stats.aggregate.interquartile_means",
        "hpmkd.analysis.stats.aggregate.performance_profiles",
        "hpmkd.analysis.stats.ranking.ranks",
        "hpmkd.analysis.stats.ranking.friedman",
        "hpmkd.analysis.stats.ranking.critical_difference",
        "hpmkd.analysis.stats.ranking.rank_tests",
    ],
    "For new methods, networks and data sets": [
        "hpmkd.methods.base.distiller.Distiller",
        "hpmkd.methods.base.on_kd.FeatureDistiller",
        "hpmkd.methods.base.on_kd.OnKD",
        "hpmkd.methods.base.logit_distiller.LogitDistiller",
        "hpmkd.methods.base.terms.kd_terms",
        "hpmkd.methods.base.taps.feature_shapes",
        "hpmkd.methods.base.taps.embedding_size",
        "hpmkd.methods.base.taps.paired_stages",
        "hpmkd.methods.base.taps.same_size",
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
    "Latencies and speed-ups": ["hpmkd.store.latency_file", "hpmkd.store.speedup_file"],
}
# Whose source is the description: the metadata of each model file.
PROVENANCE = "hpmkd.training.provenance.provenance"


def resolve(place: str) -> Any:
    """The object at `module:name`, or the module where there is no colon."""
    return resolve_name(place)
