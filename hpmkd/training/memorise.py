"""Shows finished models the training images that were given a wrong label, and counts what they take them for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from hpmkd.config.sweep import DataConfig
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.store import memorised_file
from hpmkd.store.memorised_file import Memorised
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header
from hpmkd.training.evaluate import answer
from hpmkd.training.missing_predictions import Outcome, ask_each
from hpmkd.training.remeasure import job_of, open_model


def memorised(header: Header, path: Path, data: DataConfig, sources: Mapping[str, str | None]) -> Memorised:
    """Of one model file.

    Args:
        header: of the model.
        path: its file.
        data, sources: where images lie, see `job_of`.

    Raises:
        DamagedModel: the file is damaged. HpmkdError: the images are not there.
    """
    job = job_of(header, sources)
    device = torch.device("cpu")
    model, splits, normalise = open_model(job, path, data, device)
    assert splits.chosen is not None, "a split says what it has chosen"
    train = splits.chosen[0]
    wrong = torch.from_numpy(train.true != train.given).nonzero().flatten()
    true = torch.from_numpy(train.true)[wrong]
    if not len(wrong):
        return Memorised(0, 0, 0)
    found = answer(model, splits.train.take(wrong), normalise, job.fit.precision)
    as_given = int((found.predicted == found.labels).sum())
    return Memorised(len(wrong), as_given, int((found.predicted == true).sum()))


def memorise_missing(
    output: OutputDir,
    models: Mapping[str, Header],
    data: DataConfig,
    sources: Mapping[str, str | None],
    tell: Callable[[str, int], None],
) -> Outcome:
    """Counts and commits for models, by key, one condition after the other; see `missing_predictions.predict_missing`.

    Raises:
        EnvironmentProblem: the numbers cannot be written.
    """

    def ask(key: str, header: Header) -> Memorised:
        return memorised(header, output.models / f"{key}{NETWORK_SUFFIX}", data, sources)

    def keep(key: str, header: Header, made: Memorised) -> None:
        memorised_file.write(output.memorised_file(key), made, key, str(header.weights))

    ordered = sorted(models.items(), key=lambda one: [str(one[1].metadata.get(name)) for name in _AXES])
    return ask_each(ordered, ask, keep, tell)


_AXES = ("dataset", "condition")
