"""Image files made up for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from hpmkd.data.augment import Normalise
from hpmkd.data.source.images import Images

CPU = torch.device("cpu")
SAME = Normalise(torch.zeros(1), torch.ones(1), CPU)


def picture(number: int, size: int = 8, mode: str = "RGB") -> bytes:
    """An image file of noise, the same for the same number."""
    shape = (size, size, 3) if mode == "RGB" else (size, size)
    pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, "PNG")
    return buffer.getvalue()


def table(count: int, size: int = 8, first: int = 0, **columns: Any) -> pa.Table:
    """Such images of three classes, in the layout of the Hugging Face hub."""
    numbers = range(first, first + count)
    images = [{"bytes": picture(number, size), "path": f"{number}.png"} for number in numbers]
    return pa.table({"image": images, "label": [number % 3 for number in numbers], **columns})


def numbered(count: int, size: int = 6) -> Images:
    """Images whose every pixel is different, so that crops and flips can be told apart."""
    pixels = torch.arange(size * size).reshape(1, size, size, 1) + torch.arange(count)[:, None, None, None] * size
    return Images((pixels % 255 + 1).to(torch.uint8), torch.arange(count))
