"""Reads weights that a user brings, in a process of its own, and holds them against the network that they are for.

See `child_process.run`, and `main`.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpmkd.config.architectures import family_of
from hpmkd.config.networks import PRETRAINED
from hpmkd.config.own import is_own
from hpmkd.config.specs import ModelSpec, model_from_json
from hpmkd.errors import DamagedModel
from hpmkd.models import build
from hpmkd.models.peer_names import as_ours
from hpmkd.own_code.fault import Fault
from hpmkd.store.payload import parse, weights_hash
from hpmkd.training.library_weights import pretrained

_INSIDE = ("model_state_dict", "state_dict", "model", "net", "network", "teacher", "weights")
_MARKS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
_SHOWN = 6  # names in a message
Moments = list[list[float]]


def main(folder: Path) -> None:
    """Answers each question of a list with the hash of the weights, or with what is wrong with them.

    Args:
        folder: `request.json` there is a list. Of each: `network`, a `ModelSpec`, and `origin`, where its source lies;
            `file`, with the weights; `copy`, a file that does not exist, into which they are written under the
            network's own names.
            `answer.json` will be the list of answers: `weights` (their hash) and `normalisation` (mean and standard
            deviation of each channel, or null where the file does not say), or `fault` (`expected`, `found`, `todo`).
    """
    torch.set_num_threads(1)
    answers = [_answer(**one) for one in json.loads((folder / "request.json").read_text())]
    (folder / "answer.json").write_text(json.dumps(answers))


def _answer(network: Mapping[str, Any], origin: str | None, file: str, copy: str) -> dict[str, Any]:
    spec = model_from_json(network, origin)
    try:
        state, normalisation = pretrained(spec) if file == PRETRAINED else _read(Path(file), spec)
        fitted = _fitted(state, spec)
        torch.save(fitted, copy)
        return {"weights": weights_hash(fitted), "normalisation": normalisation}
    except Fault as fault:
        return {"fault": fault.words}
    except Exception as error:  # tensors of kinds that nothing can be done with: quantised, sparse, without data
        said = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:200]}"
        todo = "save a state_dict of ordinary tensors on the CPU: {name: value.cpu() for name, value in ...}"
        return {"fault": Fault("ordinary (dense) tensors with values", said, todo).words}


def _read(path: Path, spec: ModelSpec) -> tuple[dict[str, Tensor], Moments | None]:
    """The tensors of a file by name, and how its images were normalised, if it says so."""
    if path.suffix == ".safetensors":
        return _safetensors(path), None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch raises on bytes that are none of its files
        raise Fault(
            "a file that torch.load reads with weights_only=True: a state_dict, or a dict with one",
            _unread(path, error),
            "save the weights alone: torch.save(network.state_dict(), FILE)",
        ) from error
    moments = _of_ours(path, found, spec) if isinstance(found, dict) and "metadata" in found else None
    return _tensors(found), moments


def _unread(path: Path, error: Exception) -> str:
    """What a file is that torch does not read, in our words: torch's own go on to advise to let its code run."""
    refused = re.search(r"(?:GLOBAL|global|class|type) `?([\w.]+)", str(error)) if "nsupported" in str(error) else None
    if refused:
        return f"a pickle with more than tensors in it, {refused[1]}, which is not loaded: it could run code"
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"PK":  # a ZIP archive, which torch could not read to its end
        return f"a damaged file of torch.save, cut off or changed ({type(error).__name__}): copy it again"
    if start != b"\x80\x02":
        return "no file of torch.save"
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '').partition('. ')[0][:200]}"


def _safetensors(path: Path) -> dict[str, Tensor]:
    if importlib.util.find_spec("safetensors") is None:
        raise Fault("the package safetensors", "none", "pip install -e '.[export]', or bring a state_dict of torch")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise Fault("a whole .safetensors file", str(error), "copy it again") from error
    return found


def _of_ours(path: Path, found: Mapping[str, Any], spec: ModelSpec) -> Moments | None:
    """What a model file of this package says of its images; Fault where it is damaged, or was for another size."""
    try:
        header, _ = parse(path.read_bytes(), str(path))
    except DamagedModel as error:
        if isinstance(found.get("metadata"), dict) and "weights_sha256" in found["metadata"]:
            raise Fault(str(error.expected), str(error.found), "bring an intact copy of the file") from error
        return None
    about = header.metadata
    size = (about.get("architecture") or {}).get("image_size")
    if size not in (None, spec.image_size):
        raise Fault(
            f"a network for images of {spec.image_size}x{spec.image_size} pixels",
            f"one for {size}x{size}",
            f"have the images resized: --data.image_size {size}, or bring another",
        )
    known = about.get("normalisation")
    return [known["mean"], known["std"]] if known else None


def _tensors(found: Any) -> dict[str, Tensor]:
    """A state_dict, or the one that a dict holds."""
    for _ in range(4):  # a checkpoint may hold a dict that holds it
        if isinstance(found, Mapping) and found and all(isinstance(value, Tensor) for value in found.values()):
            return {str(name): value for name, value in found.items()}
        inside = [name for name in _INSIDE if isinstance(found, Mapping) and isinstance(found.get(name), Mapping)]
        if not inside:
            break
        _need_one(found, inside)
        found = found[inside[0]]
    kind = str(type(found))
    if isinstance(found, Mapping):
        others = [name for name, value in found.items() if not isinstance(value, Tensor)]
        kind = f"a dict with {', '.join(map(str, list(found)[:_SHOWN]))}"
        if found and len(others) < len(found):
            kind = f"beside tensors {', '.join(f'{name} ({type(found[name]).__name__})' for name in others[:_SHOWN])}"
    raise Fault(
        f"tensors by name, or a dict that has them as one of {', '.join(_INSIDE)}",
        kind,
        "save the weights alone: torch.save(network.state_dict(), FILE)",
    )


def _need_one(found: Mapping[str, Any], names: list[str]) -> None:
    """Of several that are there, each with tensors: nobody knows which is meant."""
    full = [name for name in names if any(isinstance(value, Tensor) for value in found[name].values())]
    if len(full) > 1:
        raise Fault(
            "one set of weights", f"several: {', '.join(full)}", f"save the wanted one alone: found[{full[0]!r}]"
        )


def _fitted(state: Mapping[str, Tensor], spec: ModelSpec) -> dict[str, Tensor]:
    """The weights under the network's own names; Fault where they are not those of this network."""
    own = build(spec.untrained, seed=0).state_dict()
    plain = _unmarked(state)
    tried = [plain] if is_own(spec.arch) else [plain, as_ours(plain, family_of(spec.arch))]
    best = min(tried, key=lambda names: len(_differences(own, names)))
    differences = _differences(own, best)
    if differences:
        raise _unlike(own, best, differences, spec)
    _need_numbers(own, best)
    fitted = {name: best.get(name, value).to(value.dtype).contiguous() for name, value in own.items()}
    if not all(torch.isfinite(value).all() for value in fitted.values()):
        raise Fault("finite weights", "NaN or infinite ones", "bring a file of a training that has not diverged")
    below = [name for name, value in fitted.items() if name.endswith("running_var") and bool((value < 0).any())]
    if below:
        raise Fault("variances of at least 0", f"negative ones in {below[0]}", "bring an intact file")
    return fitted


def _need_numbers(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """Weights of an integer type are quantised, whatever their scale was; of complex ones half would be dropped."""
    for name, value in own.items():
        given = other.get(name, value)
        if value.is_floating_point() and not given.is_floating_point():
            todo = "bring weights in fp32, fp16 or bf16"
            raise Fault("weights of a floating-point type", f"{name} is of {given.dtype}", todo)


def _unmarked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the marks that DataParallel and torch.compile leave, at any part of a name or in front of all."""
    named = {".".join(part for part in name.split(".") if part != "_orig_mod"): one for name, one in state.items()}
    while named and all(name.startswith(_MARKS[0]) for name in named):
        named = {name.removeprefix(_MARKS[0]): one for name, one in named.items()}
    return named


def _differences(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names that only one of them has, or with other shapes; counters of BatchNorm, which nothing reads, aside."""
    counters = {name for name in {*own, *other} if name.endswith("num_batches_tracked")}
    missing = [f"{name} is missing" for name in own if name not in other and name not in counters]
    spare = [f"{name} is not of this network" for name in other if name not in own and name not in counters]
    shapes = [
        f"{name} is {tuple(other[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in other and other[name].shape != value.shape
    ]
    return [*shapes, *missing, *spare]


def _unlike(own: Mapping[str, Tensor], other: Mapping[str, Tensor], differences: list[str], spec: ModelSpec) -> Fault:
    more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    found = "; ".join(differences[:_SHOWN]) + more
    last = [name for name in own if own[name].dim() == 2][-1:]
    todo = (
        "name the architecture that the weights are of (teacher.arch, teacher.channels); or, where they are of images "
    )
    todo += "of another size, have these resized (data.image_size)"
    if last and last[0] in other and len(other[last[0]]) != spec.classes and len(differences) <= 2:
        theirs = len(other[last[0]])
        todo = f"the file is of a network for {theirs} classes, the data set has {spec.classes}: bring another"
    side, count = spec.image_size, spec.in_channels
    expected = (
        f"the weights of {spec.arch} for {count} channel{'s' * (count > 1)}, {spec.classes} classes and images of "
    )
    return Fault(f"{expected}{side}x{side} pixels", found, todo)
