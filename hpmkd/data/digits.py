"""Digits: 1,797 real handwritten digits that come with scikit-learn; nothing to download."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.images import RawData
from hpmkd.data.source.images import Images

_SIZE = 28


def read(config: DataConfig, dataset: Dataset) -> RawData:
    """The 8x8 images of 17 grey levels, enlarged to 28x28 (bilinear); every fifth of each class is for the test."""
    bundle = load_digits()
    labels = torch.from_numpy(np.ascontiguousarray(bundle.target)).long()
    small = torch.from_numpy(np.ascontiguousarray(bundle.images)).double().unsqueeze(1) * (255 / 16)
    large = F.interpolate(small, size=(_SIZE, _SIZE), mode="bilinear", align_corners=False)
    pixels = large.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(10):
        test[torch.nonzero(labels == label).squeeze(1)[4::5]] = True
    images = Images(pixels, labels)
    return RawData(images.take(torch.nonzero(~test).squeeze(1)), images.take(torch.nonzero(test).squeeze(1)), 10)
