"""Networks as users have them, in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hpmkd.models.examine import main

# A file with a helper beside it, and dropout, whose random numbers belong to the training.
NETS = """
from torch import nn
from parts.blocks import block


class Tiny(nn.Module):
    def __init__(self, num_classes, in_channels, width=4):
        super().__init__()
        self.stage1 = block(in_channels, width)
        self.stage2 = block(width, 2 * width)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(2 * width, num_classes)

    def forward(self, x):
        return self.head(self.drop(self.stage2(self.stage1(x)).mean((2, 3))))
"""
BLOCKS = """
from torch import nn


def block(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
"""


def write(folder: Path, nets: str = NETS, blocks: str = BLOCKS) -> Path:
    """The file, with its helper."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    (folder / "parts/__init__.py").touch()
    (folder / "parts/blocks.py").write_text(blocks)
    (folder / "nets.py").write_text(nets)
    return folder / "nets.py"


def ask(folder: Path | None, copy: Path, arch: str = "nets.py:Tiny", **more: Any) -> dict[str, Any]:
    """What is found out about one network, in this process: `network` or `fault`."""
    network = {"arch": arch, "channels": [], "in_channels": 3, "image_size": 16, "classes": 4, **more}
    place = None if folder is None else str(folder)
    copy.with_name("request.json").write_text(json.dumps([{"network": network, "folder": place, "copy": str(copy)}]))
    main(copy.parent)
    found: dict[str, Any] = json.loads(copy.with_name("answer.json").read_text())[0]
    return found
