"""From a `ModelSpec` to a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from hpmkd.config.architectures import family_of
from hpmkd.config.own import is_own
from hpmkd.config.specs import ModelSpec
from hpmkd.models.big_resnet import BigResNet
from hpmkd.models.lenet import LeNet5
from hpmkd.models.mobilenet_v2 import MobileNetV2
from hpmkd.models.own import build_own
from hpmkd.models.resnet import CifarResNet
from hpmkd.models.reused import Reused
from hpmkd.models.shufflenet_v1 import ShuffleNetV1
from hpmkd.models.shufflenet_v2 import ShuffleNetV2
from hpmkd.models.vgg import Vgg
from hpmkd.models.wide_resnet import WideResNet

# By family, see `config.architectures`.
MODELS: dict[str, Callable[[ModelSpec], nn.Module]] = {
    "lenet5": LeNet5,
    "resnet": CifarResNet,
    "wrn": WideResNet,
    "vgg": Vgg,
    "bigresnet": BigResNet,
    "mobilenetv2": MobileNetV2,
    "shufflenetv1": ShuffleNetV1,
    "shufflenetv2": ShuffleNetV2,
}


def build(spec: ModelSpec, seed: int) -> nn.Module:
    """A network in channels_last with initial weights that depend on (spec, seed) alone.

    The global generators are left as they were: a worker trains many models and must not leak state.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_own(spec) if is_own(spec.arch) else _of_family(spec)
    return model.to(memory_format=torch.channels_last)


def _of_family(spec: ModelSpec) -> nn.Module:
    return MODELS[family_of(spec.arch)](spec) if spec.reuses is None else Reused(spec, _of_family)
