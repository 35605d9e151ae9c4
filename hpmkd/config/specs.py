"""What determines a model: its data, its architecture, its recipe. No torch, all frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hpmkd.config.conditions import CONFUSING, SUBSET, clean_of, has_any
from hpmkd.errors import UsageError

PAD = 4  # black pixels on every side before a crop
OFFSETS = 2 * PAD + 1  # places of a crop along one axis


def option(off: Any) -> Any:
    """A field of a recipe that came later: where it is `off` it is left out, so that older fingerprints stay true."""
    return field(default=off, metadata={"option": True})


@dataclass(frozen=True)
class DataSpec:
    """One data set as a model sees it.

    `content` identifies the images and labels (hash of the source files, or a name whose content is checked by
    its reader). `source` is only where they lie now, and `images` only how many training images there are (0: not
    known), so both are compared by nothing. `name` is the bare name, from which seeds and the split are drawn, so that
    they are the same under every `condition` (canonical, see `data/conditions`; None: as it is). `realised` is what the
    condition comes to, see `data.selection.realise`; None: not known, or there is no condition that needs saying.
    `confused`: pairs of a class and the one that it is easily taken for, where the condition needs them and a user has
    said them; None: those that are published.
    """

    name: str
    content: str
    channels: int
    image_size: int
    classes: int
    augment: str
    validation_fraction: float
    train_images: int | None = None
    source: str | None = field(default=None, compare=False)
    images: int = field(default=0, compare=False)
    condition: str | None = option(None)
    confused: tuple[tuple[int, int], ...] | None = option(None)
    realised: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """Its name with the condition, as in files: `CIFAR10@n2500`."""
        return self.name if self.condition is None else f"{self.name}@{self.condition}"

    @property
    def training_images(self) -> int:
        """How many images a model is trained on; 0: not known. Under imbalance it is known once images were looked
        at; until then it is how many there are to choose from."""
        if self.realised is not None:
            return int(sum(self.realised["images_per_class"]))
        if self.train_images is not None:
            return self.train_images
        return self.images and self.images - self.validation_count(self.images)

    @property
    def tests_each_epoch(self) -> bool:
        """Whether the test images are looked at after each epoch, because none are held out (protocol: literature)."""
        return not self.validation_fraction

    @property
    def clean(self) -> DataSpec:
        """What clean teachers are trained on: without imbalance and noise."""
        return replace(self.under(clean_of(self.condition)), realised=None)

    def under(self, condition: str | None) -> DataSpec:
        """The same images under another condition (canonical)."""
        return replace(self, condition=condition, confused=self.confused if has_any(condition, CONFUSING) else None)

    def kept_of(self, images: int) -> int:
        """How many of `images` training images are kept for validation, whether the others are enough or not."""
        return 0 if self.tests_each_epoch else max(1, round(images * self.validation_fraction))

    def check(self) -> None:
        """Whether there are enough images, as far as their number is known; UsageError: see `validation_count`."""
        if self.images:
            self.validation_count(self.images)

    def validation_count(self, images: int) -> int:
        """The same, where the others are enough.

        Raises:
            UsageError: `train_images` asks for more than are left, or none is left.
        """
        kept = self.kept_of(images)
        if self.train_images is not None and self.train_images > images - kept:
            own = has_any(self.condition, SUBSET)
            raise UsageError(
                f"{'datasets' if own else 'data.train_images'}: {self.label} has fewer images",
                expected=f"at most {images - kept} ({images} minus {kept} for validation)",
                found=str(self.train_images),
                todo="ask for fewer, or "
                + (f"leave the condition @{self.condition} out" if own else "--train-images null to train on all"),
            )
        if kept >= images:
            raise UsageError(
                f"data.validation_fraction: no image of {self.label} is left to train on",
                expected="at least one beside those for validation",
                found=f"{kept} for validation, of {images}",
                todo="add training images",
            )
        return kept


@dataclass(frozen=True)
class ModelSpec:
    """An architecture with its widths, and the shape of its input and output.

    Of a network from elsewhere (see `config.own`) it also has `arguments`, those of its factory as JSON, `taps` and
    `head`, the names of modules, and `source`, the hash of its source. `counts` (see `plan.layers.Layer`) follow from
    those, and `origin` is only where a copy of the source lies now, so both are compared by nothing.

    Of a student that ends in its teacher's classifier, `reuses` is that teacher's architecture, see `reused_of`.

    Of a teacher that is trained already, `weights` is the hash of its weights, a copy of which lies in `weights_file`
    now, and `normalisation` mean and standard deviation of each channel, of pixels from 0 to 1.
    """

    arch: str
    channels: tuple[int, ...]
    in_channels: int
    image_size: int
    classes: int
    arguments: str | None = option(None)
    taps: tuple[str, ...] | None = option(None)
    head: str | None = option(None)
    source: str | None = option(None)
    weights: str | None = option(None)
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = option(None)
    reuses: str | None = option(None)
    counts: tuple[int, int, int, int] | None = field(default=None, compare=False, repr=False)
    origin: str | None = field(default=None, compare=False, repr=False)
    weights_file: str | None = field(default=None, compare=False, repr=False)

    @property
    def untrained(self) -> ModelSpec:
        """The same network without the weights that were given."""
        return self if self.weights is None else replace(self, weights=None, normalisation=None, weights_file=None)


def reusing(student: ModelSpec, teacher: ModelSpec, reduction: int) -> ModelSpec:
    """The student, a projector, inside `reduction` times narrower than the teacher, and the teacher's classifier."""
    told = {"arch": teacher.arch, "channels": teacher.channels, "reduction": reduction}
    return replace(student, reuses=json.dumps(told, sort_keys=True))


def reused_of(spec: ModelSpec) -> tuple[ModelSpec, int]:
    """The teacher whose classifier a student ends in, and the projector's reduction: the reverse of `reusing`."""
    told = json.loads(spec.reuses or "")
    teacher = replace(spec, arch=told["arch"], channels=tuple(told["channels"]), reuses=None)
    return teacher, int(told["reduction"])


@dataclass(frozen=True)
class FitSpec:
    """A training recipe; the meaning of each field is that of `config.sweep.FitConfig`."""

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    milestones: tuple[float, ...]
    gamma: float
    precision: str
    threads: int
    label_smoothing: float = option(0.0)
    mixup: float = option(0.0)
    views: int | None = option(None)
    tf32: bool = option(False)
    nesterov: bool = option(True)
    kernels: str = option("torch")


def no_training(epochs: int, precision: str, threads: int, views: int | None = None, kernels: str = "torch") -> FitSpec:
    """Of a network that is only asked, `epochs` times: what does not matter then is the same in all such recipes, so
    that they share what they find."""
    return FitSpec(
        epochs=epochs, batch_size=512, optimizer="none", lr=0.0, momentum=0.0, weight_decay=0.0, schedule="constant",
        milestones=(), gamma=1.0, precision=precision, threads=threads, views=views, kernels=kernels,
    )  # fmt: skip


def view_count(augment: str, views: int | None) -> int:
    """Every crop and flip, or the `views` that are drawn for an image (at most as many as there are).

    Args:
        augment: `none`, `crop` or `crop_flip`.
        views: of the recipe; None: all.
    """
    every = {"none": 1, "crop": OFFSETS**2, "crop_flip": 2 * OFFSETS**2}[augment]
    return min(every, views or every)


def frozen(value: Any) -> Any:
    """Lists as tuples, however deep: what JSON gives, as a spec has it, which can be hashed."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def model_to_json(spec: ModelSpec) -> dict[str, Any]:
    """A network's spec for the metadata of its file: what has no value, and where its source lies, are left out."""
    places = ("origin", "weights_file")
    return {name: value for name, value in asdict(spec).items() if value is not None and name not in places}


def model_from_json(values: Mapping[str, Any], origin: str | None = None, weights_file: str | None = None) -> ModelSpec:
    """The reverse of `model_to_json`; TypeError where it is not the description of a network."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{type(values).__name__} in place of a network's description")
    return ModelSpec(
        **{**{name: frozen(value) for name, value in values.items()}, "origin": origin, "weights_file": weights_file}
    )


def spec_to_json(spec: DataSpec) -> dict[str, Any]:
    """A spec for `datasets.json`, from which a trial learns what the driver found."""
    return asdict(spec)


def spec_from_json(values: Mapping[str, Any]) -> DataSpec:
    """The reverse of `spec_to_json`."""
    return DataSpec(**{**values, "confused": frozen(values.get("confused"))})
