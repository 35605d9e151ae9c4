"""How many views of an image there are: arithmetic of the augmentation, without torch."""

from __future__ import annotations

PAD = 4  # black pixels on every side before a crop
OFFSETS = 2 * PAD + 1  # places of a crop along one axis


def view_count(augment: str, views: int | None) -> int:
    """Every crop and flip, or the `views` that are drawn for an image (at most as many as there are).

    Args:
        augment: `none`, `crop` or `crop_flip`.
        views: of the recipe; None: all.
    """
    every = {"none": 1, "crop": OFFSETS**2, "crop_flip": 2 * OFFSETS**2}[augment]
    return min(every, views or every)
