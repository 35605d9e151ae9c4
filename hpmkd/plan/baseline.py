"""What the students of a baseline learn from: the part of a method that the plan must know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from hpmkd.config.overrides import value_of
from hpmkd.plan.job import Hparams

if TYPE_CHECKING:
    from hpmkd.config.own_method import OwnMethod
    from hpmkd.config.sweep import SweepConfig

# KD's own settings: a baseline on KD has both.
SEARCHED = frozenset({"kd.temperature", "kd.alpha"})
# Teachers of a method that is about several, where the config does not say how many.
SEVERAL = 2


@dataclass(frozen=True)
class Baseline:
    """One baseline of a sweep.

    Args:
        label: its name in files.
        method: the loss of its students (a key of `methods.build.DISTILLERS`), with `hparams`.
        teachers: how many independently seeded teachers there are; 0: students learn from labels alone.
        assistants: models between teacher and student, each taught by the one before it; None: as many as make
            steps of about a quarter, L - 1 with L = ln(teacher / student parameters) / ln 4.
        assistant_size: parameters of the only assistant; None: geometric sizes.
        born_again: assistants have the student's architecture, and the first of them learns from labels; the others
            have the student's loss.
        taught_by: whom a student learns from: the `last` of the chain (a teacher where there is none), or `all`.
        taps: what the loss looks at beside logits (`Distiller.needs`); then a cache of logits is not enough.
        reuses: its students end in their teacher's classifier, behind a projector that many times narrower inside;
            None: in their own.
        family: the name under which assistants are filed, so that variants of a baseline share them.
        numbered: assistants have numbers, from the largest to the smallest; else there is never more than one.
        search: learning rate, temperature and alpha are those that a search chose on validation images.
        shared: teachers, assistants and searches may come from the shared memory, and are put there; if not, they
            are this baseline's own (but for the first teacher).
        serial: at most one model of this baseline is trained at a time.
        budget_of: students are trained for as many epochs as cost what a student of that baseline costs, its further
            teachers, assistants and search included, which `budget_students` students share.
        reads: the config keys with a word that it depends on (see `config/words.py`).
        listed: config keys whose switches stand in the label wherever they are not the default; of all others those
            words that say something else than the config.
        config: the sweep's, with what the words in the name set; filled in by `catalog.baselines_of`, as is all below.
        search_as: the words that the search of this baseline needs in its own name; None: it is that of all others.
        varied: keys that the words of the name set.
        own: the method, where a user brings it.
        tuned: settings that a tuning chooses, with their ranges, see `tuning.space_of`; none: they are the config's.
    """

    label: str
    method: str
    hparams: Hparams = ()
    teachers: int = 1
    assistants: int | None = 0
    assistant_size: float | None = None
    born_again: bool = False
    taught_by: Literal["last", "all"] = "last"
    taps: frozenset[str] = frozenset()
    reuses: int | None = None
    family: str = ""
    numbered: bool = False
    search: bool = False
    shared: bool | None = None
    serial: bool = False
    budget_of: Baseline | None = None
    budget_students: int = 1
    reads: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    config: SweepConfig | None = field(default=None, compare=False, repr=False)
    search_as: str | None = None
    varied: frozenset[str] = field(default=frozenset(), compare=False)
    own: OwnMethod | None = field(default=None, compare=False, repr=False)
    tuned: tuple[tuple[str, float, float], ...] = ()

    @property
    def taught(self) -> bool:
        """Whether its students learn from another network."""
        return bool(self.teachers) or self.born_again

    @property
    def settings(self) -> dict[str, Any]:
        """What each setting of the method is that this baseline depends on, by config key."""
        assert self.config is not None, "of a baseline that the catalog has made"
        made = {key: value_of(self.config, key) for key in sorted(self.reads)}
        if made.get("hpmkd.teachers", 0) is None:
            made["hpmkd.teachers"] = (self.budget_of or self).teachers
        # No chain is one of length 0, whichever word says so.
        return made if made.get("hpmkd.chain", True) else {**made, "hpmkd.chain_length": 0}


def hparams_of(config: SweepConfig, *sections: str) -> Hparams:
    """The values of config sections that a loss looks at, as `(("kd.alpha", 0.9), ...)`."""
    pairs: list[tuple[str, Any]] = []
    for section in sections:
        values = getattr(config, section)
        for key, about in type(values).model_fields.items():
            value, marks = getattr(values, key), cast("dict[str, Any]", about.json_schema_extra or {})
            if not marks.get("plan") and not (marks.get("option") and value == about.default):
                pairs.append((f"{section}.{key}", value))
    return tuple(sorted(pairs))
