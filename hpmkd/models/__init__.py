"""The networks: `build` creates each of them, and each returns a `ModelOutput` with logits and features."""

from hpmkd.models.build import build
from hpmkd.models.output import ModelOutput

__all__ = ["ModelOutput", "build"]
