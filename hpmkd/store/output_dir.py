"""The output folder of a sweep: defines all file names in it. They are relative to it, so it can be moved."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hpmkd.plan.job import Job
from hpmkd.plan.roles import OLD_ROLES, Role
from hpmkd.store.scratch import scratch_places

EPOCH_FILE, EPOCH_META = "epoch.pt", "epoch.json"  # of an epoch checkpoint: the state, and its description


@dataclass(frozen=True)
class OutputDir:
    """Where a sweep keeps what."""

    root: Path

    @property
    def config_file(self) -> Path:
        """The resolved config."""
        return self.root / "sweep.yaml"

    @property
    def datasets_file(self) -> Path:
        """What the driver found out about the data sets, for the trials."""
        return self.root / "datasets.json"

    @property
    def networks_file(self) -> Path:
        """What the driver found out about networks from elsewhere; see `plan/own.py`."""
        return self.root / "networks.json"

    @property
    def networks(self) -> Path:
        """Copies of the sources of a user's own networks, each in a folder named after its hash."""
        return self.root / "networks"

    def network_source(self, source: str) -> Path:
        """Where the copy with this hash lies, or will lie."""
        return self.networks / source[:16]

    @property
    def methods_file(self) -> Path:
        """What the driver found out about methods that the user brings; see `config/own_method.py`."""
        return self.root / "methods.json"

    @property
    def tried_file(self) -> Path:
        """Which of them were tried with which networks; see `sweep/tried_methods.py`."""
        return self.methods / "tried.json"

    @property
    def methods(self) -> Path:
        """Copies of their sources, each in a folder named after its hash."""
        return self.root / "methods"

    def method_source(self, source: str) -> Path:
        """Where the copy with this hash lies, or will lie."""
        return self.methods / source[:16]

    def given_weights(self, weights: str) -> Path:
        """Where the copy of weights that a user has brought lies, or will lie; by their hash."""
        return self.networks / f"{weights[:16]}.pt"

    @property
    def lock_file(self) -> Path:
        """Held by a running sweep."""
        return self.root / ".sweep.lock"

    @property
    def owner_file(self) -> Path:
        """Which process holds it, and since when; a killed one leaves it behind."""
        return self.root / ".sweep.owner.json"

    @property
    def stop_file(self) -> Path:
        """There while the sweep is being stopped: trials save what they have done."""
        return self.root / ".sweep.stop"

    @property
    def home_file(self) -> Path:
        """Tells nodes that see the output from those that work through its mirror."""
        return self.root / ".sweep.home"

    @property
    def ray_file(self) -> Path:
        """Which processes of a private Ray are this sweep's."""
        return self.root / ".sweep.ray.json"

    @property
    def mirror_file(self) -> Path:
        """What lies in the mirror, and since when; see `mirror/known.py`."""
        return self.root / ".mirror.jsonl"

    @property
    def models(self) -> Path:
        """The model files: the truth."""
        return self.root / "models"

    @property
    def predictions(self) -> Path:
        """What each network answers to each test image; see `store/predictions.py`. Can be made again at any time."""
        return self.root / "predictions"

    @property
    def measures_file(self) -> Path:
        """What was computed of them, a row per network; see `audit/measured.py`."""
        return self.root / "measures.parquet"

    @property
    def representations(self) -> Path:
        """What each network makes of images, in numbers; see `store/representation_file.py`. Can be made again."""
        return self.root / "representations"

    @property
    def memorised(self) -> Path:
        """What networks make of training images with wrong labels; see `store/memorised_file.py`. Can be made again."""
        return self.root / "memorised"

    @property
    def quarantine(self) -> Path:
        """Damaged files, each with its reason."""
        return self.root / "quarantine"

    @property
    def archive(self) -> Path:
        """Models trained with other settings, moved here by --force."""
        return self.root / "archive"

    @property
    def tune(self) -> Path:
        """Ray Tune's own folders, one per round: a cache."""
        return self.root / "tune"

    def tuning(self, job: Job) -> Path:
        """Tune's own folder of a tuning, and what was tried so far."""
        return self.tune / f"tuning_{trial_folder(job)}"

    @property
    def progress(self) -> Path:
        """Records of how far each model is, one file per model; see `store/progress_log.py`."""
        return self.root / "progress"

    @property
    def gpu_file(self) -> Path:
        """What one trial of each role takes of each kind of GPU, measured once; see `sweep/gpu_probe.py`."""
        return self.root / "gpu.json"

    @property
    def profile_file(self) -> Path:
        """Where the time went, of the starts with `--profile`; see `store/profile_file.py`."""
        return self.root / "profile.json"

    @property
    def latency_file(self) -> Path:
        """Latencies of its networks; see `latency_file.py`. Made by `hpmkd bench latency`."""
        return self.root / "latency.json"

    @property
    def speedup_file(self) -> Path:
        """How long it takes with more workers; see `speedup_file.py`. Made by `hpmkd bench speedup`."""
        return self.root / "speedup.json"

    @property
    def timed_runs(self) -> Path:
        """The trainings that `hpmkd bench speedup` times, while they run, and their images."""
        return self.root / "speedup"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard event files, one folder per model."""
        return self.root / "tensorboard"

    @property
    def scratch_prefix(self) -> str:
        """Of folders in `scratch_places()` that a start of this sweep makes: in some its trials gather what Tune then
        copies, one is its MPS daemon's, one its Ray's where Ray's usual place does not do."""
        return f"hpmkd-{hashlib.sha256(str(self.root).encode()).hexdigest()[:12]}-"

    def remove_scratch(self) -> int:
        """Removes what killed ones left there; how many folders. Call it only while holding the sweep's lock."""
        left = [folder for place in scratch_places() for folder in place.glob(f"{self.scratch_prefix}*")]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left)

    def written_folders(self) -> list[Path]:
        """Every folder in which the sweep itself writes files."""
        folders = [self.root, self.models, self.predictions, self.quarantine, self.archive, self.tune]
        return [*folders, self.memorised, self.representations, *self.tune.glob("round*")]

    def own_folders(self) -> list[Path]:
        """Every folder that a sweep makes in its output."""
        folders = [self.models, self.predictions, self.quarantine, self.archive, self.tune, self.progress]
        return [*folders, self.memorised, self.tensorboard, self.representations, self.timed_runs]

    def own_files(self) -> list[Path]:
        """Every file that a sweep writes into its output itself."""
        tables = [self.root / "results.csv", self.root / "results.parquet", self.measures_file]
        measured = [self.latency_file, self.speedup_file]
        return [self.config_file, self.datasets_file, self.lock_file, self.ray_file, *tables, *measured]

    def model_file(self, job: Job) -> Path:
        """Canonical path of a job's model."""
        return self.models / job.file_name

    def predictions_file(self, key: str) -> Path:
        """Path of the answers of a network, by the key of its job."""
        return self.predictions / f"{key}.npy"

    def representation_file(self, key: str) -> Path:
        """Path of what a network makes of images, by the key of its job."""
        return self.representations / f"{key}.json"

    def memorised_file(self, key: str) -> Path:
        """Path of what a network makes of wrong labels, by the key of its job."""
        return self.memorised / f"{key}.json"

    def model_files(self) -> list[Path]:
        """Whatever lies under the name of a model, a search or a logits cache, in the plan or not, sorted by name."""
        names = {role.value: role for role in Role} | OLD_ROLES
        wanted = {("" if role.is_network else f"{name}_", role.suffix) for name, role in names.items()}
        try:
            found = os.listdir(self.models)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []
        ours = (name for name in found if any(name.startswith(start) and name.endswith(end) for start, end in wanted))
        return [self.models / name for name in sorted(ours)]

    def checkpoint_folders(self, job: Job) -> list[Path]:
        """All epoch checkpoints of a job, in all rounds."""
        return [path.parent for path in self.tune.glob(f"round*/{trial_folder(job)}/checkpoint_*/{EPOCH_META}")]

    def saved_folders(self, job: Job) -> set[Path]:
        """Whatever trials of this sweep have saved of the job, whole or not: epochs and the finished model."""
        return set(self.tune.glob(f"round*/{trial_folder(job)}/checkpoint_*"))


def trial_folder(job: Job) -> str:
    """Name of a trial's folder; the fingerprint separates checkpoints that belong to other settings."""
    return f"{job.key}-{hashlib.sha256(job.fingerprint.encode()).hexdigest()[:8]}"
