"""The four helper functions that users import from `hpmkd`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hpmkd.config.arguments import contains_itself, mapping_of, number_of, path_of, text_of, wrong
from hpmkd.errors import HpmkdError
from hpmkd.plan.roles import NETWORK_SUFFIX, SUFFIXES, Role
from hpmkd.store.result_file import commit, load_weights, verify

if TYPE_CHECKING:
    from torch import Tensor, nn

    Model = TypeVar("Model", bound=nn.Module)

PathLike = str | os.PathLike[str]
_PARALLEL = "module."
ROLES = tuple(role.value for role in Role if role.is_network)


def get_model_checkpoint_path(
    output_dir: PathLike,
    dataset: str,
    model_type: str,
    baseline: str | None = None,
    run: int | None = None,
    *,
    own_run: int | None = None,
) -> Path:
    """The canonical path of a model, such as `<output>/models/student_CIFAR10_HPM-KD_run3.pt`.

    Args:
        output_dir: the sweep's output folder.
        dataset: its name in files, such as `CIFAR10`; with its condition and, where there are several, its pair of
            networks: `CIFAR10@n2500+r56-r20`.
        model_type: `teacher`, `assistant` or `student`.
        baseline: such as `HPM-KD`; needed for students and assistants.
        run: from 1; needed for students. For teachers and assistants their number, where there are several:
            `teacher_CIFAR10.pt` is the first, `teacher_CIFAR10_2.pt` the second.
        own_run: of teachers and assistants where each run has its own (`teacher.per_run`): whose,
            `teacher_CIFAR10_run3.pt`.

    Raises:
        ValueError: an unknown `model_type`, or a part that is missing. UsageError: an argument of another kind.
    """
    folder = path_of(output_dir, "output_dir")
    text_of(dataset, "dataset", "the name of a data set")
    if baseline is not None:
        text_of(baseline, "baseline")
    numbers = _numbers(model_type, run, own_run)
    if model_type not in ROLES:
        raise ValueError(f"model_type: expected one of {', '.join(ROLES)}, found {model_type!r}")
    if model_type != "teacher" and baseline is None:
        raise ValueError(f"baseline: expected a name for a {model_type}, found None")
    if model_type == "student" and (run is None or run < 1):
        raise ValueError(f"run: expected 1 or more for a student, found {run}")
    parts = [model_type, dataset, baseline, *numbers]
    return folder / "models" / ("_".join(part for part in parts if part) + NETWORK_SUFFIX)


def _numbers(model_type: str, run: int | None, own_run: int | None) -> list[str]:
    """The end of a name: a number, where there are several, and the run."""
    for name, value in (("run", run), ("own_run", own_run)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise wrong(name, "a whole number", value)
    if model_type == "student":
        if own_run is not None:
            raise ValueError(f"own_run: expected None for a student, whose run is `run`; found {own_run}")
        return [f"run{run}"]
    number = None if model_type == "teacher" and run == 1 else run
    return [*([] if number is None else [str(number)]), *([] if own_run is None else [f"run{own_run}"])]


def model_checkpoint_exists(path: PathLike) -> bool:
    """Whether a whole, undamaged model file lies at `path`; UsageError where that is no path."""
    file = path_of(path, "path")
    try:
        verify(file)
    except (HpmkdError, OSError):
        return False
    return True


def save_model_checkpoint(
    model: nn.Module,
    path: PathLike,
    accuracy: float,
    train_time: float,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model file and its sidecar, atomically; whatever happens, no half-written file gets the name.

    Args:
        model: whose `state_dict` is saved; of one that DataParallel or `torch.compile` has wrapped, the network's own.
        path: see `get_model_checkpoint_path`; folders are made.
        accuracy: in percent, on the test set.
        train_time: in seconds.
        metadata: plain Python types (numpy scalars, paths and dates are converted).

    Raises:
        ValueError: the path ends as the file of a search or of a logits cache does. UsageError: an argument of another
            kind. EnvironmentProblem: the file cannot be written.
    """
    file = path_of(path, "path")
    if file.suffix in set(SUFFIXES) - {NETWORK_SUFFIX}:
        raise ValueError(f"path: expected a name that ends in {NETWORK_SUFFIX}, found {file.name!r}")
    state = _own_names(_unwrapped(_network(model)).state_dict())
    numbers = {
        "accuracy": number_of(accuracy, "accuracy", "a number, in percent"),
        "train_time": number_of(train_time, "train_time", "a number, in seconds"),
    }
    about = mapping_of({} if metadata is None else metadata, "metadata", '{"dataset": "CIFAR10"}')
    try:
        commit(file, state, metadata=about, **numbers)
    except RecursionError as error:
        raise contains_itself("metadata") from error


def load_model_checkpoint(model: Model, path: PathLike) -> tuple[Model, float, float]:
    """Loads verified weights into `model`; returns (model, accuracy in percent, train_time in seconds).

    The prefixes that DataParallel (`module.`) and `torch.compile` (`_orig_mod.`) give to names do not matter, neither
    in the file nor in the model.

    Raises:
        FileNotFoundError: nothing at `path`. DamagedModel: the file is not what was written.
        RuntimeError: the weights are those of another architecture. UsageError: an argument of another kind.
    """
    network = _unwrapped(_network(model))
    header, state = load_weights(path_of(path, "path"))
    wanted = {_own_name(name): name for name in network.state_dict()}
    plain = _own_names(state)
    if not plain.keys() & wanted.keys() and all(name.startswith(_PARALLEL) for name in plain):
        plain = {name.removeprefix(_PARALLEL): value for name, value in plain.items()}
    network.load_state_dict({wanted.get(name, name): value for name, value in plain.items()})
    return model, header.accuracy, header.train_time


def _network(model: Model) -> Model:
    from torch import nn

    if not isinstance(model, nn.Module):
        raise wrong("model", "a network (torch.nn.Module)", model)
    return model


def _unwrapped(model: nn.Module) -> nn.Module:
    """The network inside of what DataParallel or `torch.compile` returned, however often."""
    from torch import nn

    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # type: ignore[assignment]
        else:
            return model


def _own_name(name: str) -> str:
    """Without the mark of `torch.compile`, which may stand at any part of a network."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_own_name(name): value for name, value in state.items()}
