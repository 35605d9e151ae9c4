"""Image files made up for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image


def picture(number: int, size: int = 8, mode: str = "RGB") -> bytes:
    """An image file of noise, the same for the same number."""
    shape = (size, size, 3) if mode == "RGB" else (size, size)
    pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, "PNG")
    return buffer.getvalue()


def table(count: int, size: int = 8, **columns: Any) -> pa.Table:
    """Such images of three classes, in the layout of the Hugging Face hub."""
    images = [{"bytes": picture(number, size), "path": f"{number}.png"} for number in range(count)]
    return pa.table({"image": images, "label": [number % 3 for number in range(count)], **columns})
