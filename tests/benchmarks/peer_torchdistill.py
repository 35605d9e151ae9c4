"""torchdistill's side of `peers.py`: its boxes and its loader, around our networks."""

from __future__ import annotations

import multiprocessing
import time
from itertools import islice
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

import torch
from gpu_trainings import load
from peer_losses import METHODS, Method, Pair, criterion
from speed import Pictures
from step_cost import PAIRS, settings
from torch import Tensor, nn

from hpmkd.data.images import Splits
from hpmkd.methods.build import DISTILLERS, build_distiller
from hpmkd.methods.features.fitnets import FitNets
from hpmkd.models import build

# As torch calls them, what they are told, and the size of a batch.
RECIPES = {
    "lenet5": ("Adam", {"lr": 1e-3}, 256),
    "resnet20:resnet8": ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}, 64),
}
_WARM = 5  # steps before an epoch is timed


class Work(NamedTuple):
    """What a process measures.

    Args:
        pair, method: which networks learn how.
        batch: images per step.
        images: a file of `gpu_trainings.save`.
        threads: of torch.
        workers: of torchdistill's loader.
        channels_last: torchdistill's networks are in the layout in which ours always are; it leaves NCHW as it is.
    """

    pair: str
    method: str
    batch: int
    images: str
    threads: int = 1
    workers: int = 0
    channels_last: bool = False

    @property
    def optimizer(self) -> tuple[str, float]:
        """As our recipes say it."""
        name, told, _ = RECIPES[self.pair]
        return name.lower(), told["lr"]


class Tapped(nn.Module):
    """One of our networks, which gives logits alone; what else a method looks at goes through modules for hooks."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self.wanted = network, dict.fromkeys(DISTILLERS[method].needs, True)
        self.features, self.before = (nn.ModuleList(nn.Identity() for _ in range(3)) for _ in range(2))
        self.embedding, self.last = nn.Identity(), nn.Identity()
        self.regressor: nn.Module | None = None
        self.guided = 0  # which stage it is given

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, H, W)` -> logits `(N, K)`."""
        found = self.network(images, **self.wanted)
        for taps, maps in ((self.features, found.features), (self.before, found.pre_activations)):
            for tap, value in zip(taps, maps, strict=False):
                tap(value)
        if found.embedding is not None:
            self.embedding(found.embedding)
            self.last(found.embedding[:, :, None, None])
        if self.regressor is not None:
            self.regressor(found.features[self.guided])
        return found.logits


def _networks(work: Work) -> tuple[Tapped, Tapped]:
    """Student and teacher, with the weights that ours begin with."""
    teacher, student = PAIRS[work.pair]
    ours, theirs = (Tapped(build(spec, seed), work.method) for spec, seed in ((student, 1), (teacher, 2)))
    if work.method == "FitNets":
        helper = build_distiller("FitNets", settings(), student, (teacher,), 1)
        assert isinstance(helper, FitNets)
        ours.regressor, ours.guided = helper.regressor, helper.guided
    layout = torch.channels_last if work.channels_last else torch.contiguous_format
    return ours.to(memory_format=layout), theirs.to(memory_format=layout).eval()


def _side(method: Method, side: str, trained: bool) -> dict[str, Any]:
    """A network's part of the config."""
    hooks = method.student if side == "student" else method.teacher
    told: dict[str, Any] = {"forward_proc": "forward_batch_only", "forward_hook": {"output": list(hooks)}}
    told["requires_grad"] = trained
    if side in method.wrappers:
        told["auxiliary_model_wrapper"] = method.wrappers[side]
        if side == "teacher":  # its helper module is trained, itself not
            told |= {"requires_grad": True, "frozen_modules": ["model"]}
    return told


def make_box(work: Work, splits: Splits) -> Any:
    """Its box for the method, which has loader, networks, loss and optimiser."""
    import torchvision  # noqa: F401 torchdistill looks for its modules among those that are loaded

    # isort: split
    from torchdistill.core.distillation import get_distillation_box
    from torchdistill.core.training import get_training_box

    (teacher, student), told = PAIRS[work.pair], settings()
    method = None if work.method == "Direct" else METHODS[work.method](Pair(student, teacher, told))
    name, arguments, _ = RECIPES[work.pair]
    loader = {"batch_size": work.batch, "num_workers": work.workers, "drop_last": False}
    config: dict[str, Any] = {
        "num_epochs": 1,
        "train_data_loader": {
            "dataset_id": "train", "sampler": {"class_or_func": torch.utils.data.RandomSampler}, "kwargs": loader,
        },
        "optimizer": {"key": name, "kwargs": dict(arguments)},
        "criterion": criterion(method, told),
    }  # fmt: skip
    ours, theirs = _networks(work)
    more = ({"train": Pictures(splits)}, config, torch.device("cpu"), None, False, 1)
    if method is None:
        config["model"] = {"forward_proc": "forward_batch_only"}
        return get_training_box(ours, *more)
    config |= {side: _side(method, side, side == "student") for side in ("student", "teacher")}
    return get_distillation_box(theirs, ours, *more)


def train(box: Any, steps: int | None = None) -> None:
    """The loop of its example scripts over an epoch, or so many steps of one, without their log."""
    box.pre_epoch_process(epoch=0)
    for images, labels, more in islice(box.train_data_loader, steps):
        loss = box.forward_process(images, labels, more)
        box.post_forward_process(loss=loss)


def process(work: Work, ready: Barrier, queue: Any) -> None:
    """Puts images per second of an epoch on the queue; the start of the loader's workers is part of it."""
    # A process that was spawned would spawn the loader's workers, too, which import everything anew; where its scripts
    # are started on Linux they are forked.
    multiprocessing.set_start_method("fork", force=True)
    torch.set_num_threads(work.threads)
    splits = load(work.images)
    box = make_box(work, splits)
    train(box, _WARM)
    ready.wait()
    start = time.perf_counter()
    train(box)
    queue.put(len(splits.train) / (time.perf_counter() - start))
