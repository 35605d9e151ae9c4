"""The networks by name: which family each belongs to, and its usual widths. No torch.

What is counted of a family is in `plan/families.py`, the network itself in `models/`: both go by the family's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LENET5_NAMES = ("lenet5_teacher", "lenet5_student", "lenet5")
RESNET_DEPTHS = (8, 14, 20, 32, 44, 56, 110)
_X4_DEPTHS = (8, 14, 20, 32)
_WIDE_DEPTHS = (10, 16, 22, 28, 34, 40)

# Blocks of the four stages, and whether a block is a bottleneck (He et al. 2016, table 1).
BIG_BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
BOTTLENECK = 50
EXPANSION = 4  # a bottleneck's output, in its inner widths
# Convolutions of the five blocks.
VGG_BLOCKS = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2)}
VGG_LAST_POOL = 64  # pixels from which on the fourth block is followed by a pooling, too
# Expansion, blocks and stride of the seven stages (Sandler et al. 2018, table 2, with stride 1 in the second).
MOBILE_STAGES = ((1, 1, 1), (6, 2, 1), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1))
SHUFFLE_V1_BLOCKS, SHUFFLE_V1_GROUPS = (4, 8, 4), 3
SHUFFLE_V2_BLOCKS = (4, 8, 4)  # the first of each halves the maps


@dataclass(frozen=True)
class Family:
    """What the networks of a family have alike.

    Args:
        widths: what its `channels` are.
        smallest: side of the smallest images that it takes, in pixels.
        multiples: what each width is a multiple of.
        rising: each width is larger than the one before it.
        source: the paper.
    """

    widths: str
    smallest: int = 4
    multiples: tuple[int, ...] = (1,)
    rising: bool = False
    source: str = ""

    def multiple(self, place: int) -> int:
        """Of the width in this place, from 0; the last of `multiples` holds for all after it."""
        return self.multiples[min(place, len(self.multiples) - 1)]


@dataclass(frozen=True)
class Architecture:
    """A network by name: its family and its usual widths."""

    family: str
    channels: tuple[int, ...]


FAMILIES = {
    "lenet5": Family("conv1, conv2 and fc", smallest=16, source="LeCun et al. 1998, at other widths"),
    "resnet": Family("the three stages, or the stem and the three stages", source="He et al. 2016, section 4.2"),
    "wrn": Family("the stem and the three stages", source="Zagoruyko and Komodakis 2016, Wide ResNets"),
    "vgg": Family("the five blocks", smallest=8, source="Simonyan and Zisserman 2015, with BatchNorm"),
    "bigresnet": Family("the four stages", source="He et al. 2016, table 1, with a stem for 32x32 pixels"),
    "mobilenetv2": Family(
        "the stem, the seven stages and the last convolution", source="Sandler et al. 2018, table 2, as in RepDistiller"
    ),
    "shufflenetv1": Family(
        "the stem and the three stages", multiples=(12,), rising=True, source="Zhang et al. 2018, table 1, three groups"
    ),
    "shufflenetv2": Family(
        "the stem, the three stages and the last convolution", multiples=(1, 2, 2, 2, 1),
        source="Ma et al. 2018, table 5",
    ),
}  # fmt: skip


def _wide(factor: int) -> tuple[int, ...]:
    return (16, 16 * factor, 32 * factor, 64 * factor)


ARCHITECTURES: dict[str, Architecture] = {
    "lenet5_teacher": Architecture("lenet5", (20, 50, 500)),
    "lenet5_student": Architecture("lenet5", (10, 20, 100)),
    "lenet5": Architecture("lenet5", (20, 50, 500)),
    **{f"resnet{depth}": Architecture("resnet", (16, 32, 64)) for depth in RESNET_DEPTHS},
    **{f"resnet{depth}x4": Architecture("resnet", (32, 64, 128, 256)) for depth in _X4_DEPTHS},
    **{f"wrn_{depth}_{factor}": Architecture("wrn", _wide(factor)) for factor in (1, 2) for depth in _WIDE_DEPTHS},
    **{f"vgg{depth}": Architecture("vgg", (64, 128, 256, 512, 512)) for depth in (8, 11, 13)},
    **{f"resnet{depth}": Architecture("bigresnet", (64, 128, 256, 512)) for depth in (10, 18, 34, 50)},
    "mobilenetv2": Architecture("mobilenetv2", (16, 8, 12, 16, 32, 48, 80, 160, 1280)),
    "shufflenetv1": Architecture("shufflenetv1", (24, 240, 480, 960)),
    "shufflenetv2": Architecture("shufflenetv2", (24, 116, 232, 464, 1024)),
}
# All three names of LeNet5 are one network, of other usual widths.
CANONICAL = dict.fromkeys(LENET5_NAMES, "lenet5")
# For messages: neighbours in one word.
SUMMARY = (
    ", ".join(LENET5_NAMES)
    + f", resnet{'/'.join(map(str, RESNET_DEPTHS))}, resnet{'/'.join(map(str, _X4_DEPTHS))}x4, "
    + f"wrn_{'/'.join(map(str, _WIDE_DEPTHS))}_1/2, vgg8/11/13, resnet10/18/34/50, mobilenetv2, "
    + "shufflenetv1, shufflenetv2"
)


def family_of(arch: str) -> str:
    """The family of an architecture; KeyError where there is none of that name."""
    return ARCHITECTURES[arch].family


def depth_of(arch: str) -> int:
    """The depth from a name with one: 20 of `resnet20`, 32 of `resnet32x4`, 40 of `wrn_40_2`, 13 of `vgg13`."""
    found = re.match(r"[a-z]+_?(\d+)", arch)
    assert found is not None, f"{arch} has no depth in its name"
    return int(found[1])
