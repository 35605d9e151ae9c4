"""The places of a sweep: data set, condition and pair. Within one, models are compared. Pure: DataFrame in and out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hpmkd.plan.job import place_name

if TYPE_CHECKING:
    import pandas as pd

AXES = ("dataset", "condition", "pair")


def placed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `place`, such as `CIFAR10@n2500+r56-r20`, and the axes that it lacks."""
    made = frame.copy()
    for axis in AXES:
        made[axis] = made[axis].astype(object).where(made[axis].notna(), None) if axis in made else None
    made["place"] = [place_name(str(name), condition, pair) for name, condition, pair in made[list(AXES)].to_numpy()]
    return made


def groups(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The planned rows of each place, as they come, with its names: `dataset`, `condition`, `pair`, `place`.

    A teacher, or the cache of its logits, may belong to several pairs: it is among the rows of each that needs it.
    """
    rows = placed(frame[frame["planned"].astype(bool) & frame["dataset"].notna()])
    for (dataset, condition), part in rows.groupby(["dataset", "condition"], sort=False, dropna=False):
        names: dict[str, Any] = {"dataset": dataset, "condition": None if condition != condition else condition}
        pairs: list[Any] = list(dict.fromkeys(part["pair"].dropna())) or [None]
        for pair in pairs:
            mine = part if pair is None else _of_pair(part, pair)
            yield {**names, "pair": pair, "place": place_name(str(dataset), names["condition"], pair)}, mine


def _of_pair(part: pd.DataFrame, pair: str) -> pd.DataFrame:
    own = part["pair"] == pair
    needed = {name for text in part.loc[own, "ancestors"].dropna() for name in str(text).split()}
    needed |= set(part.loc[own, "teacher"].dropna()) if "teacher" in part else set()
    return part[own | (part["pair"].isna() & stems(part).isin(needed))]


def stems(frame: pd.DataFrame) -> pd.Series:
    """Names of files without their endings."""
    return frame["file"].str.rsplit(".", n=1).str[0]


def distinct(part: pd.DataFrame) -> pd.DataFrame:
    """Each network once: of rows with the same weights, as a second training of the same recipe gives, the first."""
    if "weights_sha256" not in part:
        return part
    weights = part["weights_sha256"]
    return part[weights.isna() | ~weights.duplicated()]


def teacher_pct(part: pd.DataFrame, place: str) -> float:
    """Test accuracy of the teacher that the students of a place are measured against; NaN where there is none.

    It is the first teacher, whatever further ones a baseline has. Of files of which no plan is known, where none has
    its name, it is the mean of all.
    """
    teachers = part[part["role"] == "teacher"]
    wanted = set(part["teacher"].dropna()) if "teacher" in part else set()
    own = teachers[stems(teachers).isin(wanted or {f"teacher_{place}"})]
    return float((own if len(own) else teachers if not wanted else own)["accuracy_pct"].mean())
