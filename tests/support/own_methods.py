"""Methods as users have them, in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hpmkd.config.own_method import OwnMethod, method_from_json
from hpmkd.methods import describe
from support.pages import ROOT, blocks

HEAD = """
import torch
from typing import Literal
from torch import nn
from torch.nn import functional as F
from hpmkd.methods.base import *
from hpmkd.methods.settings import *
from hpmkd.methods.base import Distiller, FeatureDistiller, LogitDistiller, OnKD
"""
# What is left to the training: helper modules, a state that changes, random numbers.
MINE = (
    HEAD
    + """
from parts.weights import WEIGHT


class Settings(Section):
    beta: NonNegative = Field(WEIGHT, description="weight")
    noisy: bool = True


class Mine(FeatureDistiller):
    needs = frozenset({"features"})
    Settings = Settings

    def __init__(self, hparams, student, teachers):
        super().__init__(hparams, student, teachers)
        ours, theirs = feature_shapes(student)[-1], feature_shapes(teachers[0])[-1]
        self.regressor = nn.Conv2d(ours[0], theirs[0], 1)
        self.register_buffer("mean", torch.zeros(()))

    def own(self, student, teacher, progress):
        ours, theirs = same_size(self.regressor(student.features[-1]), teacher.features[-1])
        apart = F.mse_loss(ours, theirs)
        self.mean.lerp_(apart.detach(), 0.1)
        noise = torch.rand(()) if self.settings.noisy else 1.0
        return {"mine": self.settings.beta * noise * apart / (1 + self.mean)}
"""
)


def example() -> str:
    """The whole method of the docs' page."""
    (text,) = blocks(ROOT / "docs/pages/howto/own-method.md", "python")
    return text


def write(folder: Path, text: str = MINE) -> Path:
    """The file `mine.py`, with its helper."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    (folder / "parts/__init__.py").touch()
    (folder / "parts/weights.py").write_text("WEIGHT = 2.0\n")
    (folder / "mine.py").write_text(text)
    return folder / "mine.py"


def ask(folder: Path, copy: Path, place: str = "mine.py:Mine") -> dict[str, Any]:
    """What is found out about one method, in this process."""
    question = {"place": str(folder / place), "folder": str(folder), "copy": str(copy)}
    copy.with_name("request.json").write_text(json.dumps([question]))
    describe.main(copy.parent)
    found: dict[str, Any] = json.loads(copy.with_name("answer.json").read_text())[0]
    return found


def known(folder: Path, copy: Path, name: str = "Mine") -> OwnMethod:
    """The method, to be imported from the copy."""
    place = f"mine.py:{name}"
    return method_from_json({"name": name, "place": place, **ask(folder, copy, place)}, str(copy))
