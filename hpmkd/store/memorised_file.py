"""What a network makes of the training images that were given a wrong label: one small JSON file per model.

It is counted from the model's file and the training images by `hpmkd measure`, and can be counted again at any time, so
nothing is ever trained because of it. It is believed only for the weights that it was counted with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from hpmkd.files import commit_json, digest_of, parse_json
from hpmkd.numeric import divide

FORMAT = 1


@dataclass(frozen=True)
class Memorised:
    """Of the `flipped` training images that have a wrong label: how many the network takes for that class, and how many
    for the true one, without augmentation. All others it takes for a third class."""

    flipped: int
    as_given: int
    as_true: int

    @property
    def given_pct(self) -> float:
        """Percent that are taken for their wrong label: memorised (Liu et al. 2020, figure 1); NaN of no image."""
        return 100 * divide(self.as_given, self.flipped)

    @property
    def true_pct(self) -> float:
        """Percent that are taken for their true class in spite of the label."""
        return 100 * divide(self.as_true, self.flipped)


def write(path: Path, made: Memorised, key: str, weights: str) -> None:
    """Commits a file.

    Args:
        path: see `OutputDir.memorised_file`.
        made: the numbers.
        key: of the job.
        weights: identity of the model's weights.

    Raises:
        EnvironmentProblem: it cannot be written.
    """
    values = {"memorised": FORMAT, "key": key, "weights_sha256": weights, **asdict(made)}
    commit_json(path, {**values, "digest": digest_of(values)})


def read(path: Path, weights: str | None) -> Memorised | None:
    """The numbers of a model with these weights; None where there are none, or they are damaged, or another model's."""
    try:
        values = parse_json(path.read_bytes())
        digest = values.pop("digest")
        mine = values["weights_sha256"] == weights and values["memorised"] == FORMAT and digest == digest_of(values)
        return Memorised(*(int(values[name]) for name in ("flipped", "as_given", "as_true"))) if mine else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
