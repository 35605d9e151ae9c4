"""The last step of a sweep that wants it: what its models' layers make of images."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hpmkd.audit.findings import headers
from hpmkd.audit.represented import unrepresented
from hpmkd.audit.sweep_dir import Saved
from hpmkd.data.source.listing import count
from hpmkd.log import log, progress
from hpmkd.store.sidecar import Header

_QUIET_SECONDS = 20.0  # between two lines of progress


def represent_at_end(saved: Saved, known: Mapping[str, Header]) -> None:
    """Makes what is missing in `representations/`; cut off anywhere, the next start goes on with the next model.

    Args:
        saved: the sweep.
        known: verified headers of its models, by key; the others are read.

    Raises:
        EnvironmentProblem: a file cannot be written.
    """
    found = headers(saved.output, known)
    missing, damaged = unrepresented(saved.output, found)
    for key in damaged:
        log.warning(f"{saved.output.representation_file(key)}: damaged; it is made again")
    if not missing or saved.config is None:
        return
    from hpmkd.training.represent import represent

    progress.info(f"comparing what {count(len(missing), 'model makes', 'models make')} of images")
    said = time.monotonic()

    def tell(key: str, number: int) -> None:
        nonlocal said
        if time.monotonic() - said > _QUIET_SECONDS:
            progress.info(f"{number} of {len(missing)}: {key}")
            said = time.monotonic()

    sources = {job.data.name: job.data.source for job in saved.jobs}
    outcome = represent(saved.output, missing, found, data=saved.config.data, sources=sources, tell=tell)
    for key, words in outcome.wrong.items():
        log.warning(f"{key}: {words}")
    for dataset, (keys, why) in outcome.lacking.items():
        log.warning(f"{count(len(keys), 'model')} of {dataset} not compared: {why}")
