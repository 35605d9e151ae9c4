"""Makes the answers of finished models to the test images where they are missing or damaged, as in older sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hpmkd.config.sweep import DataConfig
from hpmkd.errors import DamagedModel, HpmkdError
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header
from hpmkd.training.remeasure import predict


@dataclass(frozen=True)
class Outcome:
    """What `predict_missing` has done.

    Args:
        made: keys of models whose answers are there now.
        wrong: key -> what is wrong with a model.
        lacking: data set -> keys of the models that could not be shown its images, and why.
    """

    made: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, tuple[list[str], str]] = field(default_factory=dict)


def predict_missing(
    output: OutputDir,
    models: Mapping[str, Header],
    data: DataConfig,
    sources: Mapping[str, str | None],
    tell: Callable[[str, int], None],
) -> Outcome:
    """Makes the answers of models, by key, and commits them; one data set after the other.

    Args:
        output: where the models lie.
        models: which, with their verified headers.
        data, sources: where images lie, see `job_of`.
        tell: is told key and number of each model before it is shown its images.

    Raises:
        EnvironmentProblem: the answers cannot be written.
    """
    outcome = Outcome()
    ordered = sorted(models.items(), key=lambda one: str(one[1].metadata.get("dataset")))
    for number, (key, header) in enumerate(ordered, 1):
        dataset = str(header.metadata.get("dataset"))
        if dataset in outcome.lacking:
            outcome.lacking[dataset][0].append(key)
            continue
        tell(key, number)
        try:
            made, wrong = predict(header, output.models / f"{key}{NETWORK_SUFFIX}", data, sources)
        except (DamagedModel, FileNotFoundError) as error:
            outcome.wrong[key] = str(error)
            continue
        except HpmkdError as error:  # of its images
            outcome.lacking[dataset] = ([key], str(error))
            continue
        if wrong:
            outcome.wrong[key] = wrong
        else:
            predictions.write(output.predictions_file(key), made, key, str(header.weights))
            outcome.made.append(key)
    return outcome
