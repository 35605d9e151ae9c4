"""What the classes of a data set are called, in the order of a network's outputs. No torch."""

from __future__ import annotations

import json

from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import remembered
from hpmkd.data.conditions.confusable import CIFAR10_CLASSES

# Each model file and its sidecar have the names: not of so many classes that they would be most of it.
MOST_CLASSES, MOST_CHARACTERS = 1000, 20_000
_DIGITS = tuple("0123456789")
# As the published files have them; the labels of MNIST and Digits are the digits themselves.
_CIFAR100 = """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy
porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel
streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm"""
PUBLISHED: dict[str, tuple[str, ...]] = {
    "Digits": _DIGITS,
    "MNIST": _DIGITS,
    "FashionMNIST": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    "CIFAR10": CIFAR10_CLASSES,
    "CIFAR100": tuple(_CIFAR100.split()),
}  # fmt: skip


def class_names(spec: DataSpec, config: DataConfig) -> list[str] | None:
    """The names in the order of the labels; None where they are not known, or are too many to be noted of each model.

    Args:
        spec: the data set; a user's own has been decoded.
        config: where the cache lies.
    """
    if spec.source is None:
        return list(PUBLISHED[spec.name]) if spec.name in PUBLISHED else None
    known = remembered(spec, config)
    if known is None:
        return None
    names = [str(one["name"]) for one in known[0]["census"]["classes"]]
    few = len(names) == spec.classes <= MOST_CLASSES and len(json.dumps(names)) <= MOST_CHARACTERS
    return names if few else None
