"""What Ray itself prints, and where it keeps the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray._private import worker


@contextlib.contextmanager
def without_ray_reports(verbose: bool) -> Iterator[None]:
    """While the body lasts, what Ray's parts report of themselves is printed only if `verbose`.

    `log_to_driver` is about the lines of workers alone: of a raylet that dies Ray prints twenty lines of its log.
    Whoever watches the parts says that in one.
    """
    printing = getattr(worker, "print_to_stdstream", None)
    if verbose or printing is None:  # another version of Ray, which prints in another way
        yield
        return
    worker.print_to_stdstream = _drop
    try:
        yield
    finally:
        worker.print_to_stdstream = printing


def _drop(data: Any, ignore_prefix: bool) -> None:
    """In the place of Ray's own printing."""


def logs_folder() -> Path | None:
    """Where the Ray of this process keeps its logs; None where it does not say."""
    with contextlib.suppress(Exception):  # it is no part of Ray's public face
        node: Any = worker._global_node
        return Path(node.get_logs_dir_path())
    return None
