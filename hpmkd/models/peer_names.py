"""Names of the same weights in RepDistiller and its descendants (mdistiller among them), and here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from hpmkd.config.architectures import MOBILE_STAGES

V = TypeVar("V")
Rule = tuple[str, str | Callable[[re.Match[str]], str]]


def _stage(found: re.Match[str]) -> str:
    """Stages are counted from 1 there."""
    return f"stages.{int(found[1]) - 1}."


_LAYERS: Rule = (r"^layer(\d)\.", _stage)
_SHORTCUT: Rule = (r"\.downsample\.", ".shortcut.")
_LAST: Rule = (r"^(linear|classifier|classifier\.0)\.(?=weight|bias)", "fc.")


def _inverted(found: re.Match[str]) -> str:
    """A block of MobileNetV2: `blocks.STAGE.BLOCK.conv.LAYER`, where we have a tap after the second, third, fifth and
    seventh stage."""
    stage, block, layer = (int(found[place]) for place in (1, 2, 3))
    first = {0: 0, 1: 0, 2: 2, 3: 3, 4: 3, 5: 5, 6: 5}[stage]
    before = sum(MOBILE_STAGES[one][1] for one in range(first, stage))
    names = {0: "conv1", 1: "bn1", 3: "conv2", 4: "bn2", 6: "conv3", 7: "bn3"}
    return f"stages.{(0, 2, 3, 5).index(first)}.{before + block}.{names[layer]}."


def _down(found: re.Match[str]) -> str:
    """The right branch of ShuffleNetV2's first block of a stage: layers 3 to 5."""
    return f"{found[1]}branch.{found[2]}{int(found[3]) - 2}."


RULES: Mapping[str, Iterable[Rule]] = {
    "resnet": (_LAYERS, _SHORTCUT, _LAST),
    "bigresnet": (_LAYERS, _SHORTCUT, _LAST),
    "wrn": (
        (r"^block(\d)\.layer\.", _stage),
        (r"\.convShortcut\.", ".shortcut."),
        (r"^bn1\.", "bn."),
        _LAST,
    ),
    "vgg": ((r"^block0\.", "first.layers."), (r"^block(\d)\.", lambda found: f"{_stage(found)}layers."), _LAST),
    "mobilenetv2": (
        (r"^conv(\d)\.0\.", r"conv\1."),
        (r"^conv(\d)\.1\.", r"bn\1."),
        (r"^blocks\.(\d)\.(\d)\.conv\.(\d)\.", _inverted),
        _LAST,
    ),
    "shufflenetv1": (_LAYERS, _LAST),
    "shufflenetv2": (
        _LAYERS,
        (r"^(stages\.\d\.0\.)(conv|bn)([345])\.", _down),
        (r"^(stages\.\d\.[1-9]\.)(?=conv|bn)", r"\1branch."),
        _LAST,
    ),
}


def as_ours(state: Mapping[str, V], family: str) -> dict[str, V]:
    """The same weights under the names that they have here; what no rule knows keeps its name."""
    named = {}
    for name, value in state.items():
        for pattern, ours in RULES.get(family, ()):
            name = re.sub(pattern, ours, name)
        named[name] = value
    return named
