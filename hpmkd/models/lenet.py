"""The LeNet5-style pair of the published experiment, at any width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.models.compiled.lenet_function import convolutional_part
from hpmkd.models.exporting import is_exporting
from hpmkd.models.output import ModelOutput


class LeNet5(nn.Module):
    """Two 5x5 convolutions without padding, each with ReLU and 2x2 max pooling, then two linear layers.

    Widths (20, 50, 500) are the teacher (657,080 parameters for 3x32x32 and 10 classes), (10, 20, 100) the
    student (56,890).

    `compiled`: see `kernels.use_kernels`.
    """

    compiled = False

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        first, second, hidden = spec.channels
        side = ((spec.image_size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(spec.in_channels, first, 5)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.fc1 = nn.Linear(second * side * side, hidden)
        self.fc2 = nn.Linear(hidden, spec.classes)

    @property
    def classifier(self) -> nn.Linear:
        """Embedding `(N, D)` -> logits `(N, K)`."""
        return self.fc2

    def forward(
        self,
        images: Tensor,
        features: bool = False,
        embedding: bool = False,
        pre_activations: bool = False,
        last_maps: bool = False,
    ) -> ModelOutput:
        """Images float `(N, C, H, W)` -> `ModelOutput`; taps are the two ReLU maps before pooling, the embedding is the
        output of `fc1` after its ReLU."""
        taps: list[Tensor] = []
        before: list[Tensor] = []
        x = images
        if self.compiled and not (features or pre_activations) and self._is_for_kernels(images):
            x = convolutional_part(x, *self.conv1.parameters(), *self.conv2.parameters())
            return self._classified(x, (), (), embedding=embedding, last_maps=last_maps)
        for conv in (self.conv1, self.conv2):
            x = conv(x)
            if pre_activations:
                before.append(x)
            if features:
                x = F.relu(x, inplace=not pre_activations)
                taps.append(x)
                x = max_pool(x)
            else:
                # max(relu(x)) = relu(max(x)), bit for bit, on a quarter of the values
                x = F.relu(max_pool(x), inplace=True)
        x = torch.flatten(x, 1)
        return self._classified(x, tuple(taps), tuple(before), embedding=embedding, last_maps=last_maps)

    def _classified(
        self, x: Tensor, taps: tuple[Tensor, ...], before: tuple[Tensor, ...], *, embedding: bool, last_maps: bool
    ) -> ModelOutput:
        """What the linear layers make of flat maps `(N, D)`."""
        x = F.relu(self.fc1(x), inplace=True)
        return ModelOutput(
            self.fc2(x),
            taps,
            x if embedding else None,
            before,
            last_maps=x[:, :, None, None] if last_maps else None,
        )

    def _is_for_kernels(self, images: Tensor) -> bool:
        """Whether they are what compiled kernels take: fp32 on a CPU, of which no gradient is wanted."""
        if is_exporting() or (images.requires_grad and torch.is_grad_enabled()):
            return False
        plain = images.dtype == self.conv1.weight.dtype == torch.float32 and images.device.type == "cpu"
        count, channels, height, width = images.shape
        return plain and count > 0 and channels == self.conv1.in_channels and height == width


def max_pool(maps_NCHW: Tensor) -> Tensor:
    """2x2 max pooling; without gradients on a CPU by two maxima of halves: the same bits, 2 to 7 times faster.

    With gradients torch's own is the faster one, since it has noted which value was the largest.
    """
    count, channels, height, width = maps_NCHW.shape
    wanted = maps_NCHW.device.type == "cpu" and not torch.is_grad_enabled() and not is_exporting()
    if not wanted or height % 2 or width % 2:
        return F.max_pool2d(maps_NCHW, 2)
    rows = maps_NCHW.permute(0, 2, 3, 1).reshape(count, height // 2, 2, width, channels)
    pairs = torch.maximum(rows[:, :, 0], rows[:, :, 1]).view(count, height // 2, width // 2, 2, channels)
    return torch.maximum(pairs[:, :, :, 0], pairs[:, :, :, 1]).permute(0, 3, 1, 2)
