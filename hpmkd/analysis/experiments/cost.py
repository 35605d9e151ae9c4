"""What arms cost: multiply-adds by the plan, seconds by the files, and the least time on the clock."""

from __future__ import annotations

import math

import pandas as pd

from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import is_defined
from hpmkd.plan.roles import is_cache
from hpmkd.plan.work import training_multiply_adds

_UNITS = ("", "k", "M", "G", "T", "P", "E")


def scaled(value: float) -> str:
    """With a sign and the prefix of a unit: `+3.62 T`, `-120 G`, `0`."""
    if not is_defined(value) or value == 0:
        return "0" if value == 0 else "-"
    power = min(max(0, int(math.log10(abs(value)) // 3)), len(_UNITS) - 1)
    return f"{value / 1000**power:+.3g} {_UNITS[power]}".rstrip()


class Costs:
    """Of the models of a sweep.

    Args:
        frame: of `results.collect`.
        saved: the sweep, whose plan knows multiply-adds; without one they are not known.
    """

    def __init__(self, frame: pd.DataFrame, saved: Saved) -> None:
        stems = frame["file"].str.rsplit(".", n=1).str[0]
        self.frame = frame.assign(stem=stems).drop_duplicates("stem").set_index("stem")
        self.work = {job.key: training_multiply_adds(job) or math.nan for job in saved.jobs}
        self._paths: dict[str, float] = {}

    def parents(self, students: pd.DataFrame) -> set[str]:
        """Stems of everything that these students depend on."""
        return {name for text in students["ancestors"] for name in text.split()}

    def recalled(self, stems: set[str]) -> set[str]:
        """Those that the shared memory gave."""
        return {stem for stem in stems if stem in self.frame.index and bool(self.frame.at[stem, "recalled"])}

    def seconds(self, stems: set[str]) -> float:
        """Training seconds of all of them; NaN where one is not known. Logits caches may be gone."""
        rows = self.frame["train_seconds"].reindex(sorted(stems))
        return float(rows[[not is_cache(stem) or stem in self.frame.index for stem in rows.index]].sum(skipna=False))

    def multiply_adds(self, stems: set[str]) -> float:
        """Of all of them, by the plan."""
        return sum((self.work.get(stem, math.nan) for stem in stems), 0.0)

    def of(self, students: pd.DataFrame) -> tuple[float, float]:
        """Multiply-adds and seconds of these students and of everything that they depend on, each counted once."""
        stems = _stems(students) | self.parents(students)
        return self.multiply_adds(stems), self.seconds(stems)

    def least_elapsed(self, students: pd.DataFrame, serial: bool) -> float:
        """Seconds from the first start to the last end with as many workers as there are models.

        The longest way from a teacher to a student; where students are trained one after another, the longest way to
        their parents, and all of them.
        """
        if not serial:
            return _most([self._path(stem, frozenset()) for stem in _stems(students)])
        above = _most([self._path(stem, frozenset()) for stem in self.parents(students)])
        return above + self.seconds(_stems(students))

    def _path(self, stem: str, above: frozenset[str]) -> float:
        if stem in self._paths:
            return self._paths[stem]
        if stem in above or stem not in self.frame.index:
            return 0.0 if is_cache(stem) else math.nan
        longest = _most([self._path(one, above | {stem}) for one in str(self.frame.at[stem, "parents"]).split()])
        self._paths[stem] = longest + float(str(self.frame.at[stem, "train_seconds"]))
        return self._paths[stem]


def _most(seconds: list[float]) -> float:
    """The largest; NaN where one is not known, 0 where there is none."""
    return math.nan if any(math.isnan(one) for one in seconds) else max(seconds, default=0.0)


def _stems(students: pd.DataFrame) -> set[str]:
    return {str(file).rpartition(".")[0] for file in students["file"]}
