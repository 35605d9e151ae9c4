"""Networks. `build` is the only way to one, and `ModelOutput` the only place where features are tapped."""

from hpmkd.models.build import build
from hpmkd.models.output import ModelOutput

__all__ = ["ModelOutput", "build"]
