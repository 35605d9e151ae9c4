"""Downloads through torchvision, and the message for a machine that cannot."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpmkd.config.sweep import DataConfig
from hpmkd.data.published import Absent


def download_or_fail(factory: Callable[..., Any], absent: Absent, config: DataConfig) -> None:
    """Downloads a torchvision data set into `config.dir`, or says what is missing and how to fetch it.

    torchvision makes the folders first: those in which nothing came to lie are removed again, or a mistyped name would
    stay on the disk for ever.

    Raises:
        EnvironmentProblem: downloading is off, or there is no network, or the folder can't be written.
    """
    if not config.download:
        raise absent.problem(config)
    print(f"downloading {absent.name} to {config.dir} ...", flush=True)
    place = Path(absent.where).absolute()
    made = [folder for folder in (place, *place.parents) if not folder.exists()]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            factory(config.dir, download=True)
    except (OSError, RuntimeError) as error:
        raise absent.problem(config, f"; the download failed: {type(error).__name__}: {error}") from error
    finally:
        with contextlib.suppress(OSError):  # the first one that is not empty, and those above it, stay
            for folder in made:
                if folder.exists():
                    folder.rmdir()
