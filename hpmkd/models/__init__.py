"""Networks. `build` is the only way to one, and `Output` the only place where features are tapped."""

from hpmkd.models.build import build
from hpmkd.models.output import Output

__all__ = ["Output", "build"]
