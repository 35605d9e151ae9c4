"""Where Ray's workers import from: this very hpmkd and what is installed, never the working folder.

Ray puts the working folder and the script's first, where a `torch.py` or `queue.py` would stand in for the real one.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ray.job_config import JobConfig

from hpmkd import version

PACKAGE = Path(version.__file__).resolve().parent


class OwnPaths(JobConfig):
    """Adds no folders to those that it is given."""

    def _runtime_env_has_working_dir(self) -> bool:
        """Ray asks before it adds its two."""
        return True


def is_installed() -> bool:
    """Whether every process of this Python finds this hpmkd by itself."""
    return PACKAGE.parent.name in ("site-packages", "dist-packages")


def cluster_paths() -> JobConfig:
    """For the nodes of a cluster, on which hpmkd is installed or lies in the same folder as here."""
    return OwnPaths(_py_driver_sys_path=[] if is_installed() else [str(PACKAGE.parent)])


@contextlib.contextmanager
def local_paths(prefix: str) -> Iterator[dict[str, JobConfig]]:
    """An argument of `ray.init` for workers on this machine: they reach a clone by a link, beside which nothing lies.

    Args:
        prefix: of the folder's name; it is removed at the end.
    """
    if is_installed():
        yield {"job_config": OwnPaths()}
        return
    folder, path = None, PACKAGE.parent
    with contextlib.suppress(OSError, NotImplementedError):
        folder = Path(tempfile.mkdtemp(prefix=f"{prefix}code-"))
        (folder / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
        path = folder
    try:
        yield {"job_config": OwnPaths(_py_driver_sys_path=[str(path)])}
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
