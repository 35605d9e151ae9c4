"""Makes the answers of finished models to the test images where they are missing or damaged, as in older sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hpmkd.config.sweep import DataConfig
from hpmkd.errors import DamagedModel, HpmkdError
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.predictions import Predictions
from hpmkd.store.sidecar import Header
from hpmkd.training.remeasure import predict

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What `ask_each` has done.

    Args:
        made: keys of models whose answers are there now.
        wrong: key -> what is wrong with a model.
        lacking: data set -> keys of the models that could not be shown its images, and why.
    """

    made: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, tuple[list[str], str]] = field(default_factory=dict)


def ask_each(
    models: Iterable[tuple[str, Header]],
    ask: Callable[[str, Header], T],
    keep: Callable[[str, Header, T], str | None],
    tell: Callable[[str, int], None],
) -> Outcome:
    """Asks finished models something, one after the other, and keeps each answer at once: cut off anywhere, another
    call goes on with the next. Of a data set whose images are not there no further model is asked.

    Args:
        models: key and verified header of each, in the order in which they are asked.
        ask: the answer of one. DamagedModel, FileNotFoundError: its file; another HpmkdError: its images.
        keep: writes an answer; what is wrong with it, if anything: then it is not written.
        tell: is told key and number of each model before it is asked.

    Raises:
        EnvironmentProblem: an answer cannot be written.
    """
    outcome = Outcome()
    for number, (key, header) in enumerate(models, 1):
        dataset = str(header.metadata.get("dataset"))
        if dataset in outcome.lacking:
            outcome.lacking[dataset][0].append(key)
            continue
        tell(key, number)
        try:
            answer = ask(key, header)
        except (DamagedModel, FileNotFoundError) as error:
            outcome.wrong[key] = str(error)
            continue
        except HpmkdError as error:
            outcome.lacking[dataset] = ([key], str(error))
            continue
        wrong = keep(key, header, answer)
        if wrong:
            outcome.wrong[key] = wrong
        else:
            outcome.made.append(key)
    return outcome


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

    def ask(key: str, header: Header) -> tuple[Predictions, str]:
        return predict(header, output.models / f"{key}{NETWORK_SUFFIX}", data, sources)

    def keep(key: str, header: Header, found: tuple[Predictions, str]) -> str:
        made, wrong = found
        if not wrong:
            predictions.write(output.predictions_file(key), made, key, str(header.weights))
        return wrong

    ordered = sorted(models.items(), key=lambda one: str(one[1].metadata.get("dataset")))
    return ask_each(ordered, ask, keep, tell)
