"""Where students learn from a cache of logits instead of the network itself, and the recipe of such a cache."""

from __future__ import annotations

from hpmkd.config.kernels import kernels_of
from hpmkd.config.specs import DataSpec, FitSpec, no_training, view_count
from hpmkd.config.sweep import SweepConfig


def caches_logits(config: SweepConfig, data: DataSpec, mixup: float, epochs: int) -> bool:
    """Whether there are logits caches; mixup makes images that are in none.

    Args:
        config: of the sweep, or a baseline's own.
        data: that students are trained on.
        mixup: of models that are trained by distillation.
        epochs: of a student; with fewer than there are views, a cache takes longer than it saves.
    """
    kd = config.kd
    if kd.logits != "auto":
        return kd.logits == "cached" and not mixup
    views = view_count(data.augment, config.fit.views)
    images = data.train_images or data.images
    fits = 4 * views * images * data.classes <= kd.cache_gib * 2**30
    return not mixup and fits and views <= epochs


def cache_fit(config: SweepConfig, data: DataSpec, arch: str) -> FitSpec:
    """The recipe of a cache of a network with that architecture. What does not matter to it is the same in all of
    them, so that recipes share it."""
    own = config.fit
    views, kernels = view_count(data.augment, own.views), kernels_of(own.kernels, arch)
    return no_training(views, own.precision, own.threads, own.views, kernels=kernels)
