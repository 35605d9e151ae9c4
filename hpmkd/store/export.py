"""Exports a model file to other formats; each export is compared with the original before it gets its name."""

from __future__ import annotations

import importlib.util
import io
import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpmkd.config.specs import ModelSpec
from hpmkd.errors import EnvironmentProblem, HpmkdError
from hpmkd.files import commit_bytes, remove_old_leftovers
from hpmkd.log import log, steps
from hpmkd.models import build
from hpmkd.store.network_file import Logits, load_network

# Sums in another order differ in the last digits of fp32; a wrong export differs in the first.
TOLERANCE = 1e-4
# The version from which on the exporter that traces with `torch.export` is torch's default. With older ones it needs an
# onnxscript of the same age (torch 2.6 with onnxscript 0.7 converts no BatchNorm), the other exporter needs none.
ONNX_TORCH = "2.9"
# Of formats that go, why, and what comes in their place.
DEPRECATED = {"torchscript": "deprecated by torch, and gone from hpmkd 0.3 on; export to pt2 (torch.export) instead"}
# The member of a .pt2 or .torchscript file that says what the network is.
_ABOUT = "hpmkd.json"
Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Exported:
    """What was written: where, its size in bytes, and how far its logits were from the original's at most."""

    path: Path
    kind: str
    size: int
    max_difference: float
    input_shape: tuple[int, ...]


def export(path: Path, kind: str, target: Path | None = None) -> Exported:
    """Writes the model in `path` as `kind`, a key of `KINDS`.

    Args:
        path: a model file; it is verified.
        kind: the format.
        target: where to; default: `exports/` beside `models/`, under the model's name.

    Raises:
        UsageError: no such file, or not a network of ours. DamagedModel: it is not whole.
        EnvironmentProblem: a library is missing, or the disk does not take it.
        HpmkdError: the exported model gives other logits; nothing was written.
    """
    ending, modules, encode, decode = KINDS[kind]
    _need(kind, modules)
    if kind in DEPRECATED:
        log.warning(f"export to {kind}: {DEPRECATED[kind]}")
    model, about, spec = load_network(path)
    target = target or _beside(path) / f"{path.stem}{ending}"
    images = [_images(spec, count) for count in (8, 3)]
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        steps.info("converting the network")
        data = encode(model, images[0], about)
        steps.info("comparing its logits with those of the model")
        other = decode(data, spec)
        largest = max(float((model(batch) - other(batch)).abs().max()) for batch in images)
        scale = max(1.0, float(model(images[0]).abs().max()))
    if not largest <= TOLERANCE * scale:
        raise HpmkdError(
            f"{target}: not written, the exported model gives other logits",
            expected=f"a difference of at most {TOLERANCE * scale:.1g}",
            found=f"{largest:.3g}",
            todo="another version of the exporting library may help",
        )
    commit_bytes(target, data)
    remove_old_leftovers(target)
    shape = (spec.in_channels, spec.image_size, spec.image_size)
    return Exported(target, kind, size=len(data), max_difference=largest, input_shape=shape)


def _need(kind: str, modules: tuple[str, ...]) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise EnvironmentProblem(
            f"export to {kind}: a library is missing",
            expected=", ".join(modules),
            found=f"no {', '.join(missing)} in this environment",
            todo=f"pip install {' '.join(missing)}",
        )


def _beside(path: Path) -> Path:
    """Not among the models: a sweep would take an export there for one of its own."""
    folder = path.absolute().parent
    return folder.parent / "exports" if folder.name == "models" else folder


def _images(spec: ModelSpec, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, spec.in_channels, spec.image_size, spec.image_size, generator=generator)


def _to_safetensors(model: Logits, images: Tensor, about: Mapping[str, str]) -> bytes:
    from safetensors.torch import save

    state = {name: tensor.contiguous() for name, tensor in model.model.state_dict().items()}
    return bytes(save(state, {"format": "pt", **about}))


def _from_safetensors(data: bytes, spec: ModelSpec) -> Forward:
    from safetensors.torch import load

    model = build(spec, seed=1)
    model.load_state_dict(load(data))
    return Logits(model.to(memory_format=torch.contiguous_format)).eval()


def _to_pt2(model: Logits, images: Tensor, about: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    program = torch.export.export(model, (images,), dynamic_shapes=_any_batch())
    torch.export.save(program, buffer, extra_files={_ABOUT: json.dumps(dict(about))})
    return buffer.getvalue()


def _from_pt2(data: bytes, spec: ModelSpec) -> Forward:
    loaded: Forward = torch.export.load(io.BytesIO(data)).module()
    return loaded


def _any_batch() -> dict[str, dict[int, Any]]:
    """The first axis of the argument `images` may have any size; torch 2.6 wants to know the largest."""
    return {"images": {0: torch.export.Dim("batch", min=1, max=2**31 - 1)}}


def _to_torchscript(model: Logits, images: Tensor, about: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    traced: Any = torch.jit.trace(model, (images,))  # type: ignore[no-untyped-call]
    torch.jit.save(traced, buffer, _extra_files={_ABOUT: json.dumps(dict(about))})
    return buffer.getvalue()


def _from_torchscript(data: bytes, spec: ModelSpec) -> Forward:
    loaded: Forward = torch.jit.load(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return loaded


def _to_onnx(model: Logits, images: Tensor, about: Mapping[str, str]) -> bytes:
    proto = _proto(model, images)
    for name, value in about.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = name, value
    return bytes(proto.SerializeToString())


def _proto(model: Logits, images: Tensor) -> Any:
    """The network as ONNX has it, for any batch size."""
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["logits"]}
    if torch.__version__ >= ONNX_TORCH:
        program = torch.onnx.export(model, (images,), dynamo=True, dynamic_shapes=_any_batch(), verbose=False, **names)
        assert program is not None
        return program.model_proto
    import onnx

    buffer, batch = io.BytesIO(), {"images": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(model, (images,), buffer, dynamic_axes=batch, **names)  # type: ignore[arg-type]
    return onnx.load_from_string(buffer.getvalue())


def _from_onnx(data: bytes, spec: ModelSpec) -> Forward:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


# Format -> ending, libraries that must be there, to bytes, and back to something that can be called.
_Kind = tuple[
    str, tuple[str, ...], Callable[[Logits, Tensor, Mapping[str, str]], bytes], Callable[[bytes, ModelSpec], Forward]
]
KINDS: dict[str, _Kind] = {
    "safetensors": (".safetensors", ("safetensors",), _to_safetensors, _from_safetensors),
    "pt2": (".pt2", (), _to_pt2, _from_pt2),
    "torchscript": (".torchscript", (), _to_torchscript, _from_torchscript),
    "onnx": (".onnx", ("onnx", "onnxscript", "onnxruntime"), _to_onnx, _from_onnx),
}
