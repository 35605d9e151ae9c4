"""Tunings: which settings of a baseline are chosen on validation images, from which ranges, and what is tried.

A tuning is a job whose file is that of a search: what was chosen, and the evidence. It is a parent of the students.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpmkd.config.overrides import value_of, with_values
from hpmkd.config.tuning import MOST_TRIALS
from hpmkd.config.words import keys_of
from hpmkd.errors import UsageError
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.job import TRIALS, Hparams
from hpmkd.plan.trials import SPACE

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig

TUNED, LR = "tune.every", "fit.lr"
# Settings that are weights of a loss, or temperatures; of all methods.
_WEIGHTS = ("temperature", "confidence_temperature", "alpha", "beta", "gamma", "weight", "labels", "distance", "angle")
# Where the usual range, a factor of 8 both ways, does not fit.
_RANGES = {
    "kd.alpha": (0.1, 1.0), "wttm.gamma": (0.05, 1.0), "crd.temperature": (0.02, 0.3),
}  # fmt: skip
_NOT_WEIGHTS = ("cc.gamma",)
_OPTIONS = ("kd.until",)  # a loss is given these only where they are not off
_TEMPERATURES, _FACTOR, _LR_FACTORS = (1.0, 16.0), 8.0, (0.25, 8.0)


def with_tuning(made: Baseline, config: SweepConfig, where: str, asked: bool = False) -> Baseline:
    """The baseline with what its config says of tuning. `asked`: by a word in its name; where all are tuned, one with a
    search of its own keeps that.

    Raises:
        UsageError: there is nothing to tune, or nothing to tune it on.
    """
    if made.budget_of is not None:
        return made
    if not config.tune.every or (made.search and not asked):
        return replace(made, reads=made.reads | {TUNED})
    if made.search:
        raise UsageError(
            f"{where}: tuned beside a search of its settings (adaptive)",
            expected="one of them",
            found="both",
            todo="leave one of them out; the search of HPM-KD: HPM-KD-noAdaptive-tuned",
        )
    if not config.data.validation_fraction:
        raise UsageError(
            f"{where}: tuned without validation images",
            expected="data.validation_fraction above 0",
            found="protocol: literature, which holds none out",
            todo="leave tuned out, or take protocol: honest",
        )
    space = space_of(made, config)
    if not space:
        raise UsageError(
            f"{where}: nothing to tune", expected="weights of its own, or tune.lr", found="neither", todo="leave it out"
        )
    tuned = {key for key, *_ in space}
    return replace(made, reads=(made.reads - tuned) | keys_of("tune"), tuned=space)


def space_of(made: Baseline, config: SweepConfig) -> tuple[tuple[str, float, float], ...]:
    """The key, the lowest and the highest value of each setting that is tuned: of those that the loss is given."""
    values, found = dict(made.hparams), dict[str, tuple[float, float]]()
    for key in sorted(values):
        section, _, name = key.partition(".")
        own = section in _own_sections(config) and _is_float(config, key)
        if (name in _WEIGHTS and key not in _NOT_WEIGHTS) or own:
            ends = _RANGES.get(key) or _usual(key, values[key])
            # Of generations the loss has KD's settings, under other keys of the config.
            if ends is not None and (key in made.reads or made.born_again):
                found[key] = _allowed(config, key, values[key], ends)
    if config.tune.lr and config.fit.lr:
        found[LR] = (config.fit.lr * _LR_FACTORS[0], config.fit.lr * _LR_FACTORS[1])
    free = {key for key in (*values, *_OPTIONS) if key in made.reads and _is_float(config, key)} | {LR}
    found |= {
        key: _possible(config, key, ends) for key, ends in config.tune.space.items() if key in free | found.keys()
    }
    return tuple((key, low, high) for key, (low, high) in sorted(found.items()))


def _own_sections(config: SweepConfig) -> set[str]:
    return {method.section for method in config.own_methods.values()}


def _is_float(config: SweepConfig, key: str) -> bool:
    section, _, name = key.partition(".")
    return type(getattr(config, section)).model_fields[name].annotation is float


def _usual(key: str, value: Any) -> tuple[float, float] | None:
    """None where the setting is 0: its term is switched off."""
    if key.endswith("temperature"):
        return _TEMPERATURES
    return (value / _FACTOR, value * _FACTOR) if isinstance(value, int | float) and value > 0 else None


def _allowed(config: SweepConfig, key: str, value: float, ends: tuple[float, float]) -> tuple[float, float]:
    """Ends that the setting cannot have are its own value."""
    made = []
    for end in ends:
        try:
            with_values(config, {key: end}, "")
            made.append(end)
        except UsageError:
            made.append(float(value))
    return made[0], made[1]


def _possible(config: SweepConfig, key: str, ends: Sequence[float]) -> tuple[float, float]:
    """UsageError where the setting cannot have an end of the range that was asked for."""
    if key == LR and ends[0] <= 0:
        raise UsageError(
            "tune.space: fit.lr", expected="learning rates above 0", found=str(list(ends)), todo="correct the range"
        )
    if key != LR:
        for end in ends:
            with_values(config, {key: end}, f"tune.space: {list(ends)}")
    return ends[0], ends[1]


def need_used(baselines: Sequence[Baseline], config: SweepConfig) -> None:
    """UsageError where a range is given of a setting that no tuned baseline has."""
    known = {key for one in baselines for key, *_ in one.tuned}
    for key in config.tune.space:
        if key not in known:
            raise UsageError(
                f"tune.space: {key} is tuned of no baseline of this sweep",
                expected=f"any of {', '.join(sorted(known))}" if known else "a baseline with the word tuned",
                found=key,
                todo="leave it out",
            )


def tuning_hparams(baseline: Baseline, cost: float) -> Hparams:
    """Of its tuning: the loss as it is by default, and how others are tried.

    Args:
        baseline: with `tuned`.
        cost: multiply-adds of one student's training; 0: not known.
    """
    assert baseline.config is not None, "of a baseline that the catalog has made"
    section = baseline.config.tune
    trials = section.trials
    if section.multiply_adds is not None and cost:
        trials = min(MOST_TRIALS, int(section.multiply_adds / cost))
        if trials < 2:
            raise UsageError(
                f"tune.multiply_adds: too few for {baseline.label}",
                expected=f"at least {2 * cost:.2g}, for two settings", found=f"{section.multiply_adds:g}",
                todo="raise it, or say tune.trials instead",
            )  # fmt: skip
    values = dict(baseline.hparams)
    defaults = tuple(
        (key, float(values[key] if key in values else value_of(baseline.config, key))) for key, *_ in baseline.tuned
    )
    how = section.model_dump(exclude={"every", "trials", "multiply_adds", "lr", "space"})
    return tuple(
        sorted(
            [
                *baseline.hparams,
                *((f"tune.{name}", value) for name, value in how.items()),
                (TRIALS, trials),
                (SPACE, baseline.tuned),
                ("tune.defaults", defaults),
            ]
        )
    )
