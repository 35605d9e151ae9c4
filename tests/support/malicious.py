"""Model files that would run code if they were unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

STATE = {"w": torch.arange(6.0)}


class Evil:
    """Unpickled by plain `pickle` it creates a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return (Path.touch, (self.proof,))


def write_evil(path: Path, proof: Path, how: str) -> None:
    """A bare pickle, or a whole model file whose metadata holds the evil object."""
    if how == "bare":
        path.write_bytes(pickle.dumps(Evil(proof)))
        return
    meta = {"key": "student_D_AT_run1", "evil": Evil(proof)}
    values = {"accuracy": 1.0, "train_time": 1.0, "timestamp": "", "metadata": meta}
    torch.save({"model_state_dict": STATE, **values}, path, _use_new_zipfile_serialization=how == "zip")
