"""Downloads through torchvision, and the message for a machine that cannot."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

from hpmkd.config.sweep import DataConfig
from hpmkd.errors import EnvironmentProblem


def download_or_fail(
    factory: Callable[..., Any], name: str, config: DataConfig, where: str, expected: str, found: str
) -> None:
    """Downloads a torchvision data set into `config.dir`, or says what is missing and how to fetch it.

    Raises:
        EnvironmentProblem: downloading is off, or there is no network, or the folder can't be written.
    """
    command = (
        f'on a machine with a network: python -c "from torchvision.datasets import {name}; '
        f"{name}('{config.dir}', download=True)\", or point --data-dir at a folder that has it"
    )
    if config.download:
        print(f"downloading {name} to {config.dir} ...", flush=True)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                factory(config.dir, download=True)
            return
        except (OSError, RuntimeError) as error:
            found += f"; the download failed: {type(error).__name__}: {error}"
    raise EnvironmentProblem(f"{where}: {name} is not there", expected=expected, found=found, todo=command)
