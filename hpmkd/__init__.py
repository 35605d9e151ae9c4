"""hpmkd: compare knowledge-distillation methods honestly, and never lose a trained model."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one is told so; it can read this file
    sys.stderr.write("error: hpmkd needs Python 3.11 or newer; this is %d.%d\n" % sys.version_info[:2])  # noqa: UP031
    sys.exit(3)

from typing import TYPE_CHECKING, Any  # noqa: F401 - in the comment that is a type

from hpmkd.version import __version__

if TYPE_CHECKING:
    from hpmkd.audit.results import load_results
    from hpmkd.programme.api import run_sweep
    from hpmkd.store.checkpoints import (
        get_model_checkpoint_path,
        load_model_checkpoint,
        model_checkpoint_exists,
        save_model_checkpoint,
    )

__all__ = [
    "__version__",
    "get_model_checkpoint_path",
    "load_model_checkpoint",
    "load_results",
    "model_checkpoint_exists",
    "run_sweep",
    "save_model_checkpoint",
]


def __getattr__(name):  # type: (str) -> Any  # noqa: ANN001, ANN202 - Python 2 reads it, too
    """Imports a helper when it is first used, so that `import hpmkd` and `--help` stay fast."""
    if name == "load_results":
        from hpmkd.audit.results import load_results

        return load_results
    if name == "run_sweep":
        from hpmkd.programme.api import run_sweep

        return run_sweep
    if name in __all__:
        from hpmkd.store import checkpoints

        return getattr(checkpoints, name)
    raise AttributeError("module 'hpmkd' has no attribute {!r}".format(name))  # noqa: UP032
