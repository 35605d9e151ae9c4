"""What the networks of a place make of images, from the files in `representations/`, beside their references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hpmkd.audit.chosen import unchosen
from hpmkd.audit.measure_tables import by_place
from hpmkd.audit.measured import COLUMNS as MEASURES
from hpmkd.audit.places import stems
from hpmkd.audit.represented import COLUMNS, between
from hpmkd.audit.sweep_dir import Saved
from hpmkd.store import representation_file
from hpmkd.store.representation_file import Representation

TEACHER, DIRECT = "teacher", "Direct"
# What is compared beside a student and its teacher.
TWO_TEACHERS, TWO_SEEDS = "two teachers", "two seeds of Direct"
LAYERS = {"cka_embedding": "embedding", "cka_logits": "logits"}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Alike:
    """Two networks, layer by layer: `kind` is a baseline with its teacher, or one of the two references."""

    kind: str
    run: float  # NaN of teachers whom all runs share
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cka: Floats
    embedding: float
    logits: float


@dataclass(frozen=True)
class Place:
    """One data set, condition and pair.

    Args:
        name: of the place.
        models: teachers (as baseline `teacher`) and students, by stem, all that are there: `baseline`, `run`,
            `accuracy_pct`, `COLUMNS`, `agreement_pct`.
        known: what is known, by stem.
        alike: the comparisons of these.
        order: the baselines that are there, as the config has them.
    """

    name: str
    models: pd.DataFrame
    known: dict[str, Representation]
    alike: tuple[Alike, ...]
    order: tuple[str, ...]

    @property
    def methods(self) -> list[str]:
        """The baselines but Direct."""
        return [name for name in self.order if name != DIRECT]

    def by_run(self, column: str, baseline: str) -> pd.Series:
        """A number of the students of a baseline, by run, where it is known."""
        mine = self.models[self.models["baseline"] == baseline].drop_duplicates("run")
        return mine.set_index("run")[column].astype("float64").dropna()

    def reference(self, kind: str, column: str) -> pd.Series:
        """CKA of `LAYERS[column]` of one of the two references, by run; that of a teacher whom all runs share is its
        number."""
        found = [one for one in self.alike if one.kind == kind]
        runs = [number if one.run != one.run else one.run for number, one in enumerate(found)]
        values = [getattr(one, LAYERS[column]) for one in found]
        return pd.Series(values, index=runs, dtype="float64").dropna().groupby(level=0).mean()

    @property
    def has_own_teachers(self) -> bool:
        """Whether each run has teachers of its own."""
        return bool(self.models.loc[self.models["baseline"] == TEACHER, "run"].notna().any())


def places_seen(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> list[Place]:
    """Of places with at least one network of which something is known; cells of grids that validation images have not
    chosen are left out, for test images say of them what nobody may choose by."""
    models = by_place(frame.drop(unchosen(frame, saved.config)))
    models = models.reindex(columns=[*dict.fromkeys((*models.columns, *COLUMNS, *MEASURES))])
    made = []
    for name, part in models.assign(stem=stems(models)).groupby("place", sort=False):
        mine = part.set_index("stem")
        read = {str(stem): representation_file.read(saved.output.representation_file(str(stem)), weights)
                for stem, weights in _weights(mine).items()}  # fmt: skip
        known = {stem: one for stem, one in read.items() if one is not None}
        if known:
            here = tuple(one for one in order if one in set(mine["baseline"]))
            made.append(Place(str(name), models=mine, known=known, alike=tuple(_alike(mine, known)), order=here))
    return made


def _weights(models: pd.DataFrame) -> dict[str, str]:
    if "weights_sha256" not in models:
        return {}
    return {str(stem): str(one) for stem, one in models["weights_sha256"].dropna().items()}


def _alike(models: pd.DataFrame, known: dict[str, Representation]) -> list[Alike]:
    """The comparisons of networks that have these weights still."""
    weights, made = _weights(models), []
    baseline, run = models["baseline"].to_dict(), models["run"].astype("float64").to_dict()
    for stem, one in known.items():
        for other, comparison in one.others.items():
            if weights.get(other) != comparison.weights or not comparison.cka.size:
                continue
            two = baseline[stem], baseline[other]
            kind = two[0]
            if two[0] == two[1]:
                kind = TWO_TEACHERS if two[0] == TEACHER else TWO_SEEDS if two[0] == DIRECT else ""
            two_layers = [between(one, comparison, layer) for layer in LAYERS.values()]
            made.append(
                Alike(
                    str(kind),
                    run[stem],
                    rows=one.layers,
                    columns=comparison.layers,
                    cka=comparison.cka,
                    embedding=two_layers[0],
                    logits=two_layers[1],
                )
            )
    return [one for one in made if one.kind]
