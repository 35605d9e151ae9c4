"""Tensors of a GPU that is not there: operators run for their shapes and devices alone, and are looked at.

They are torch's fake tensors. Two things need a real GPU all the same and have stand-ins here: moving a module, and the
engine of the backward pass, which asks the GPU for its streams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)
# What makes the CPU wait for the GPU: a value is read, or a shape depends on values.
WAITING = {
    "_local_scalar_dense", "item", "nonzero", "nonzero_static", "masked_select", "equal", "is_nonzero", "unique_dim",
    "_unique2", "unique_consecutive", "repeat_interleave", "bincount", "histc", "_linalg_check_errors", "multinomial",
    "argwhere", "allclose", "_assert_async",
}  # fmt: skip

# Whose kernels on a GPU add in an order that changes from run to run, as torch's notes on determinism list them.
UNORDERED = {
    "_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "upsample_bilinear2d_backward", "scatter_add",
    "reflection_pad2d_backward", "replication_pad2d_backward", "index_add", "index_add_", "scatter_add_", "cumsum",
    "put_", "scatter_reduce", "nll_loss2d_backward", "kthvalue", "median", "histc", "bincount",
    "grid_sampler_2d_backward",
}  # fmt: skip


class Watch(TorchDispatchMode):
    """Notes each operator, and what is wrong with it: that it waits for the GPU, or leaves the GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        self.seen[name] += 1
        if name in WAITING or (name == "index" and _by_mask(args)):
            self.wrong.append(f"{func}: waits for the GPU")
            raise AssertionError(self.wrong[-1])
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if isinstance(one, Tensor) and one.device.type != "cuda":
                self.wrong.append(f"{func}: leaves its result on {one.device}")
        for one in tree_leaves((args, kwargs)):
            # A scalar of the CPU is a number for an operator of the GPU; anything larger would have to be copied.
            if isinstance(one, Tensor) and one.device.type != "cuda" and one.ndim:
                self.wrong.append(f"{func}: reads from {one.device}")
        return result


class _Fused(TorchDispatchMode):
    """A fused optimiser changes its tensors in place, and torch knows no fake of that: there is nothing to do."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return None if func.__name__.startswith("_fused_") else func(*args, **(kwargs or {}))


def _by_mask(args: Any) -> bool:
    return any(isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in tree_leaves(args[1:]))


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Inside, what is moved to `GPU` is fake, and so is what comes of it. Modules are to be built outside."""
    real = nn.Module.to

    def to(module: nn.Module, *given: Any, **named: Any) -> nn.Module:
        if given and isinstance(given[0], torch.device) and given[0].type == "cuda":
            _replace(module)
            return module
        return real(module, *given, **named)

    with pytest.MonkeyPatch.context() as patch, FakeTensorMode(allow_non_fake_inputs=True), _Fused():
        try:
            torch.empty(1, device=GPU)
        except RuntimeError:
            pytest.skip(f"torch {torch.__version__} makes no fake tensors of a GPU that is not there")
        patch.setattr(torch.cuda, "get_device_capability", lambda *given: (9, 0))
        patch.setattr(nn.Module, "to", to)
        patch.setattr(Tensor, "backward", backward)
        yield


def _replace(module: nn.Module) -> None:
    for one in module.modules():
        for name, value in one._parameters.items():
            if value is not None:
                one._parameters[name] = nn.Parameter(_like(value), requires_grad=value.requires_grad)
        for name, value in one._buffers.items():
            if value is not None:
                one._buffers[name] = _like(value)


def _like(value: Tensor) -> Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=GPU)


def backward(loss: Tensor) -> None:
    """The backward pass node by node, as autograd's engine does it, into the `grad` of the leaves."""
    waits = _waits(loss.grad_fn)
    grads: dict[Any, dict[int, Tensor]] = {loss.grad_fn: {0: torch.ones_like(loss)}}
    ready = [loss.grad_fn]
    while ready:
        node: Any = ready.pop()
        given = grads.pop(node, {})
        if hasattr(node, "variable"):
            leaf = node.variable
            with torch.no_grad():
                for grad in given.values():
                    leaf.grad = grad.detach() if leaf.grad is None else leaf.grad + grad
            continue
        run = node if callable(node) else node.apply  # of a function whose gradient is made by hand
        found = run(*[given.get(place) for place in range(len(node._input_metadata))])
        for (after, place), grad in zip(node.next_functions, _tuple(found), strict=False):
            if after is None:
                continue
            if grad is not None:
                _add(grads.setdefault(after, {}), place, grad=grad, shape=after._input_metadata[place].shape)
            waits[after] -= 1
            if not waits[after]:
                ready.append(after)


def _tuple(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def _add(slot: dict[int, Tensor], place: int, grad: Tensor, shape: Any) -> None:
    """As the engine does: summed to the shape of what it belongs to, and added to what is there."""
    grad = grad.sum_to_size(tuple(shape))
    slot[place] = slot[place] + grad if place in slot else grad


def _waits(start: Any) -> Counter[Any]:
    """Node -> how many nodes give it a gradient."""
    waits: Counter[Any] = Counter()
    stack, seen = [start], {start}
    while stack:
        for after, _ in stack.pop().next_functions:
            if after is not None:
                waits[after] += 1
                if after not in seen:
                    seen.add(after)
                    stack.append(after)
    return waits
