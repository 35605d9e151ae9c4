"""The last step of a sweep: what its models are asked besides their test images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from hpmkd.audit.data_measures import unmemorised
from hpmkd.audit.findings import headers
from hpmkd.audit.represented import unrepresented
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.conditions import NOISE, has_any
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.source.listing import count
from hpmkd.log import log, progress
from hpmkd.store.sidecar import Header

_QUIET_SECONDS = 20.0  # between two lines of progress


def measure_at_end(saved: Saved, config: SweepConfig, known: Mapping[str, Header]) -> None:
    """Makes what is missing in `memorised/` and `representations/`; cut off anywhere, the next start goes on with the
    next model.

    Args:
        saved: the sweep.
        config: its settings.
        known: verified headers of its models, by key; the others are read.

    Raises:
        EnvironmentProblem: a file cannot be written.
    """
    noisy = config.record.predictions and any(has_any(job.data.condition, NOISE) for job in saved.jobs)
    if not (noisy or config.record.representations):
        return
    found = headers(saved.output, known)
    missing = unmemorised(saved.output, found) if noisy else {}
    if missing:
        _memorise(saved, config, missing)
    if config.record.representations:
        _represent(saved, config, found)


def _memorise(saved: Saved, config: SweepConfig, missing: Mapping[str, Header]) -> None:
    """A second or less per model: it is shown only the training images that have a wrong label."""
    from hpmkd.training.memorise import memorise_missing

    progress.info(f"asking {count(len(missing), 'model')} about wrong labels")
    tell = _telling(len(missing))
    outcome = memorise_missing(saved.output, missing, config.data, sources=_sources(saved), tell=tell)
    _warn(outcome.wrong, outcome.lacking, "asked about wrong labels")


def _represent(saved: Saved, config: SweepConfig, found: Mapping[str, Header]) -> None:
    missing, damaged = unrepresented(saved.output, found)
    for key in damaged:
        log.warning(f"{saved.output.representation_file(key)}: damaged; it is made again")
    if not missing:
        return
    from hpmkd.training.represent import represent

    progress.info(f"comparing what {count(len(missing), 'model makes', 'models make')} of images")
    tell = _telling(len(missing))
    outcome = represent(saved.output, missing, found, data=config.data, sources=_sources(saved), tell=tell)
    _warn(outcome.wrong, outcome.lacking, "compared")


def _sources(saved: Saved) -> dict[str, str | None]:
    return {job.data.name: job.data.source for job in saved.jobs}


def _telling(of: int) -> Callable[[str, int], None]:
    """A line of progress now and then."""
    said = time.monotonic()

    def tell(key: str, number: int) -> None:
        nonlocal said
        if time.monotonic() - said > _QUIET_SECONDS:
            progress.info(f"{number} of {of}: {key}")
            said = time.monotonic()

    return tell


def _warn(wrong: Mapping[str, str], lacking: Mapping[str, tuple[list[str], str]], done: str) -> None:
    for key, words in wrong.items():
        log.warning(f"{key}: {words}")
    for dataset, (keys, why) in lacking.items():
        log.warning(f"{count(len(keys), 'model')} of {dataset} not {done}: {why}")
