"""Weights that a user brings for a teacher: read before anything is planned, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpmkd.config.networks import PRETRAINED, GivenConfig
from hpmkd.config.specs import DataSpec, ModelSpec, model_to_json
from hpmkd.errors import UsageError
from hpmkd.log import log
from hpmkd.numeric import digits
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.child import answers_of


@dataclass(frozen=True)
class Given:
    """Weights for a network: how they are given, where that stands, and for which network and data set."""

    config: GivenConfig
    where: str
    network: ModelSpec
    data: DataSpec


def given_teachers(
    asked: Sequence[Given], scratch: Path, *, output: OutputDir, sources: Mapping[Path, Path]
) -> tuple[list[ModelSpec], dict[Path, Path]]:
    """The networks with what was found out about their weights, and where each copy belongs.

    Args:
        asked: what to look at.
        scratch: a folder for the copies.
        output: of the sweep.
        sources: of networks that were looked at now, by where each will lie in the output.

    Raises:
        UsageError: weights that are not those of the network, or no file with weights.
    """
    if not asked:
        return [], {}
    for one in asked:
        _need_sound(one)
    content = [_question(one, scratch / f"weights{number}", sources) for number, one in enumerate(asked)]
    found, copies = [], {}
    answers = answers_of("hpmkd.training.given_weights", content, scratch, asked[0].where)
    for number, (one, answer) in enumerate(zip(asked, answers, strict=True)):
        if "fault" in answer:
            fault = answer["fault"]
            raise UsageError(
                f"{one.where}.weights: {one.config.weights}",
                expected=fault["expected"],
                found=fault["found"],
                todo=fault["todo"],
            )
        target = output.given_weights(answer["weights"])
        copies[target] = scratch / f"weights{number}"
        moments = _moments(one, answer["normalisation"])
        found.append(replace(one.network, weights=answer["weights"], normalisation=moments, weights_file=str(target)))
    return found, copies


def _question(one: Given, copy: Path, sources: Mapping[Path, Path]) -> dict[str, Any]:
    """What the process that reads the file is asked, see `training.given_weights`."""
    origin = one.network.origin and str(sources.get(Path(one.network.origin), one.network.origin))
    network = {"network": model_to_json(one.network), "origin": origin}
    return {**network, "file": one.config.weights, "copy": str(copy)}


def _need_sound(one: Given) -> None:
    weights = one.config.weights
    if weights != PRETRAINED and not Path(str(weights)).is_file():
        raise UsageError(
            f"{one.where}.weights: no such file",
            expected="a file with the teacher's weights",
            found=str(weights),
            todo="correct the path, or leave it out to have the teacher trained",
        )
    own = one.config.normalisation
    if own is not None and {len(own.mean), len(own.std)} != {one.data.channels}:
        raise UsageError(
            f"{one.where}.normalisation: not of the images' channels",
            expected=f"{one.data.channels} numbers in mean and std ({one.data.name})",
            found=f"{len(own.mean)} and {len(own.std)}",
            todo="correct them",
        )
    if own is not None and max(own.mean) > 1:
        raise UsageError(
            f"{one.where}.normalisation: not of pixels from 0 to 1",
            expected="means from 0 to 1: pixels are divided by 255 first",
            found=f"a mean of {max(own.mean):g}",
            todo="divide mean and std by 255",
        )


def _moments(
    one: Given, of_file: Sequence[Sequence[float]] | None
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """How images are normalised for the teacher, and a line that says it."""
    own, name = one.config.normalisation, one.data.name
    found: tuple[Sequence[float], Sequence[float]]
    if own is not None:
        found, source = (own.mean, own.std), f"as {one.where}.normalisation says"
    elif of_file is not None and len(of_file[0]) == one.data.channels:
        found, source = (of_file[0], of_file[1]), "as its file says"
    else:
        log.info(
            f"{one.where}.weights: images of {name} are normalised for it as for its students, since nothing says "
            f"otherwise; if it was trained with another mean and deviation: --{one.where}.normalisation"
        )
        return None
    said = ", ".join("/".join(map(digits, values)) for values in found)
    log.info(f"{one.where}.weights: images of {name} are normalised for it with {said}, {source}")
    return tuple(found[0]), tuple(found[1])
