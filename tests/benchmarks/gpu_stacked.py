"""Students of one shape as one network: their weights stacked, their steps one step. Part `stacked` of `gpu.py`.

All see the same images, so the first convolution is one with the channels of all; the second is one in groups; linear
layers are products in batches. Each has its own method's loss. Adam on stacked weights is Adam on each. Teachers are
asked once.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from gpu_together import timed
from gpu_trainings import NAMED, late, memory, training
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.data.images import Splits
from hpmkd.models import ModelOutput
from hpmkd.models.lenet import LeNet5
from hpmkd.training.device import autocast, fp32, prepare_device
from hpmkd.training.train import Training

MIX = ("Direct", "KD", "FitNets", "AT", "KD")
# Students, precision, TF32; the first ones matter most.
WANTED = [(MIX, "fp32", False), (("KD",) * 5, "fp32", False), (MIX, "fp32", True), (("KD",) * 20, "fp32", False)]
WANTED += [(("KD",) * 20, "fp32", True), (MIX, "bf16", False), (("KD",), "fp32", False), (("KD",) * 20, "bf16", False)]


class Stacked(nn.Module):
    """`LeNet5` students of one shape, whose weights' values are copied."""

    def __init__(self, students: Sequence[LeNet5]) -> None:
        super().__init__()
        self.count = len(students)
        for name, _ in students[0].named_parameters():
            stack = torch.stack([one.get_parameter(name).detach() for one in students])
            self.register_parameter(name.replace(".", "_"), nn.Parameter(stack.contiguous()))

    def forward(self, images: Tensor) -> list[ModelOutput]:
        """Images `(B, C, H, W)` -> what each student says of them, feature maps included."""
        taps, x = list[Tensor](), images
        for name, groups in (("conv1", 1), ("conv2", self.count)):
            weight, bias = self.get_parameter(f"{name}_weight"), self.get_parameter(f"{name}_bias")
            x = F.relu(F.conv2d(x, weight.flatten(0, 1), bias.flatten(), groups=groups))
            taps.append(x)
            x = F.max_pool2d(x, 2)
        x = x.reshape(len(x), self.count, -1).transpose(0, 1)
        for name in ("fc1", "fc2"):
            weight, bias = self.get_parameter(f"{name}_weight"), self.get_parameter(f"{name}_bias")
            x = torch.baddbmm(bias[:, None], F.relu(x) if name == "fc2" else x, weight.transpose(1, 2))
        features = zip(*(maps.chunk(self.count, 1) for maps in taps), strict=True)
        return [ModelOutput(logits, maps) for logits, maps in zip(x, features, strict=True)]


def measure(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Images per second of all students together."""
    for number, (names, precision, tf32) in enumerate(WANTED):
        row: dict[str, Any] = {"part": "stacked", "students": " ".join(names), "count": len(names)}
        row |= {"precision": precision, "tf32": tf32}
        if number and late(options):
            yield {**row, "skipped": "no time left"}
            continue
        try:
            yield {**row, **_timed(names, row, splits, options)}
        except Exception as error:
            yield {**row, "error": f"{type(error).__name__}: {error}"}


def make_step(
    names: Sequence[str], splits: Splits, options: argparse.Namespace
) -> tuple[list[Training], Stacked, Callable[[Tensor, Tensor], None]]:
    """The students' trainings, of which batches, teachers and losses are used, all students, and a step of them."""
    made = [training(NAMED[name], splits, 1000, options, False, seed=1 + place) for place, name in enumerate(names)]
    most = max(made, key=lambda one: len(one.teachers))
    device, taps = most.device, frozenset[str]().union(*(one.distiller.needs for one in made))
    network = Stacked([one.model for one in made]).to(device)  # type: ignore[misc]
    helpers = [weights for one in made for weights in one.distiller.parameters()]
    on_gpu = device.type == "cuda"  # torch 2.3 has it fused on GPUs alone
    adam = torch.optim.Adam([*network.parameters(), *helpers], 1e-3, fused=on_gpu, capturable=on_gpu)
    progress, precision = torch.zeros((), device=device), options.precision

    def step(index: Tensor, view: Tensor) -> None:
        batch = most.batches.take(index, view)
        known = [teacher.outputs(batch, taps) for teacher in most.teachers]
        with autocast(precision, device):
            said = [fp32(one) for one in network(batch.images)]
        terms = list[Tensor]()
        for one, output in zip(made, said, strict=True):
            teachers = known[: len(one.teachers)]
            terms += one.distiller.loss(output, teachers, batch.labels, progress).values()
        adam.zero_grad()
        torch.stack(terms).sum().backward()
        adam.step()

    return made, network, step


def _timed(names: Sequence[str], row: dict[str, Any], splits: Splits, options: argparse.Namespace) -> dict[str, Any]:
    options.precision, on_gpu = row["precision"], options.device == "cuda"
    prepare_device(torch.device(options.device), tf32=row["tf32"], benchmark=True)
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
    before = memory(options)
    made, _, step = make_step(names, splits, options)
    seconds, images = timed(step, made[0], len(names), options)
    found = {} if before is None else {"mib": round((memory(options) or 0.0) / 2**20 - before / 2**20)}
    return {**found, "recorded": on_gpu, "step_us": round(1e6 * seconds), "images_s": round(images / seconds)}
