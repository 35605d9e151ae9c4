"""The setup of a sweep in its report: what was trained how, on what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from hpmkd.analysis.report.tunings import tuned
from hpmkd.audit import results
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.conditions import SUBSET, has_any
from hpmkd.config.specs import FitSpec
from hpmkd.data.source.listing import count, named
from hpmkd.numeric import fixed, whole
from hpmkd.plan.composition import NO_LABELS, OWN_ALONE, OWN_ON_KD, PLAIN_KD, is_standardised, term_of
from hpmkd.plan.compression import networks_of, times_fewer
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role

_MOST = 24  # baselines by name; the config below the tables has all
# By `teacher.per_run`.
_TEACHERS = {
    False: "all runs share them; intervals are about further students of these teachers",
    True: "each run has its own; intervals are about other teachers, too",
}
_PROTOCOLS = {
    "honest": "honest: images are held out for every choice; the test images are looked at once, after the last epoch",
    "literature": "literature: all images are trained on, none are held out; the test images are looked at after each "
    "epoch; accuracies are of the last epoch, best test epochs stand apart",
}
_LOSSES = {
    PLAIN_KD: "KD",
    OWN_ON_KD: "KD and a term of its own",
    OWN_ALONE: "the labels and a term of its own",
    NO_LABELS: "a term of its own, without labels (students end in the teacher's classifier)",
}
_OPTIMISERS = {"adam": "Adam", "sgd": "SGD"}


def facts_of(frame: pd.DataFrame, saved: Saved, order: Sequence[str]) -> list[tuple[str, str]]:
    """Label and text of each fact; nothing of what is not known.

    Args:
        frame: of `results.collect`.
        saved: config and plan.
        order: the baselines.
    """
    config = saved.config
    part = frame[frame["planned"].astype(bool)]
    made = [
        ("data sets", _kinds(part, "dataset")),
        ("conditions", _conditions(part)),
        ("pairs", _kinds(part, "pair")),
    ]
    made += [("baselines", named(order, _MOST)), ("losses", losses(saved.jobs)), *tuned(saved)]
    if config is not None:
        train = config.data.train_images
        made += [("runs per baseline", str(config.runs)), ("seed of the sweep", str(config.seed))]
        made += [("protocol", _PROTOCOLS[config.protocol])]
        made += [("teachers of the runs", _TEACHERS[config.teacher.per_run])]
        told = any(has_any(one, SUBSET) for one in part["condition"].dropna())
        but = "; where a condition says how many, so many" * told
        made += [("training images", f"{'all' if train is None else whole(train)}{but}")]
    for role, shapes in networks(part).items():
        made += [(f"{role} network", "; ".join(shapes))] if shapes else []
    made += [("compression", _compression(saved.jobs))]
    made += recipes(saved.jobs)
    names = {"device": "device", "hardware": "hardware", "hpmkd": "hpmkd", "torch": "torch", "python": "Python"}
    names["git_revision"] = "git revision"
    made += [(label, _kinds(part, column, "; " if column == "hardware" else ", ")) for column, label in names.items()]
    times = part["timestamp"].dropna()
    if len(times):
        made.append(("trained between", f"{times.min()} and {times.max()}"))
    seconds = fixed(results.total(part["train_seconds"]), 1)
    made.append(("total training time", f"{seconds} s over {count(len(part), 'model')}"))
    return [(label, text) for label, text in made if text]


def networks(part: pd.DataFrame) -> dict[str, list[str]]:
    """What the teachers and the students among some models look like, each shape once.

    Args:
        part: rows of `results.collect`.
    """
    made, known = {}, part[part["architecture"].notna()]
    for role in ("teacher", "student"):
        rows = known.loc[known["role"] == role, ["architecture", "channels", "parameters"]].drop_duplicates()
        # A network from elsewhere has no widths that are known here.
        made[role] = [
            f"{a}{'' if c == '[]' else f' {c}'}, {whole(p)} parameters"
            for a, c, p in rows.dropna().itertuples(index=False)
        ]
    return made


def _compression(jobs: Sequence[Job]) -> str:
    """Of each place, where they are not all the same."""
    found = {place: times_fewer(*networks) for place, networks in networks_of(jobs).items()}
    if len(set(found.values())) == 1:
        return f"students have {next(iter(found.values()))}"
    return "; ".join(f"{place}: {text}" for place, text in found.items())


def _conditions(part: pd.DataFrame) -> str:
    """`none, n300`; empty where there are none."""
    named = part.loc[part["dataset"].notna(), "condition"]
    known = [*map(str, dict.fromkeys(named.dropna()))]
    return ", ".join(["none"] * bool(known and named.isna().any()) + known)


def _kinds(part: pd.DataFrame, column: str, between: str = ", ") -> str:
    return between.join(map(str, dict.fromkeys(part[column].dropna())))


def losses(jobs: Iterable[Job]) -> str:
    """What each baseline's loss is made of: in tables of the literature feature methods stand alone, here on KD."""
    found: dict[str, list[str]] = {}
    for job in jobs:
        if job.role is not Role.STUDENT or not job.teachers:
            continue
        text = _LOSSES[term_of(job)] + ", logits standardised (LS)" * is_standardised(job)
        names = found.setdefault(text, [])
        names += [str(job.baseline)] * (str(job.baseline) not in names)
    return "; ".join(f"{text}: {named(names, _MOST)}" for text, names in found.items())


def recipes(jobs: Iterable[Job]) -> list[tuple[str, str]]:
    """A line for teachers, assistants and students: the recipe of most of them, then where others differ from it."""
    made = []
    for role in (Role.TEACHER, Role.ASSISTANT, Role.STUDENT):
        found: dict[FitSpec, list[Job]] = {}
        for job in jobs:
            if job.role is role:
                found.setdefault(job.fit, []).append(job)
        if found:
            ranked = sorted(found, key=lambda fit: -len(found[fit]))
            usual = _recipe(ranked[0])
            said = [", ".join(usual.values())]
            for fit in ranked[1:]:
                said.append(f"{_whose(found[fit], found)}: {_differences(usual, _recipe(fit))}")
            made.append((f"training of {role.noun}s", "; ".join(said)))
    return made


def _differences(usual: Mapping[str, str], own: Mapping[str, str]) -> str:
    return ", ".join(own.get(name) or f"no {name}" for name in {**usual, **own} if own.get(name) != usual.get(name))


def _recipe(fit: FitSpec) -> dict[str, str]:
    """What is said of it, in the order of a sentence; what is off is left out."""
    schedule = fit.schedule
    if schedule == "step":
        schedule = f"times {fit.gamma:g} after {', '.join(f'{100 * one:g} %' for one in fit.milestones)}"
    kind = "Nesterov " * fit.nesterov
    momentum = f" with {kind}momentum {fit.momentum:g}" if fit.optimizer == "sgd" and fit.momentum else ""
    parts = {
        "epochs": count(fit.epochs, "epoch"),
        "batches": f"batches of {whole(fit.batch_size)}",
        "optimiser": _OPTIMISERS.get(fit.optimizer, fit.optimizer) + momentum,
        "learning rate": f"learning rate {fit.lr:g} ({schedule})",
        "weight decay": f"weight decay {fit.weight_decay:g}" * bool(fit.weight_decay),
        "label smoothing": f"label smoothing {fit.label_smoothing:g}" * bool(fit.label_smoothing),
        "mixup": f"mixup {fit.mixup:g}" * bool(fit.mixup),
        "limit of views": f"{count(fit.views, 'view')} of each image" if fit.views else "",
        "precision": fit.precision + " with TF32" * fit.tf32 + ", compiled kernels" * (fit.kernels != "torch"),
    }
    return {name: text for name, text in parts.items() if text}


def _whose(mine: Sequence[Job], found: Mapping[FitSpec, Sequence[Job]]) -> str:
    """Baselines, with their places where they have another recipe elsewhere."""
    every = [job for jobs in found.values() for job in jobs]
    names = []
    for name in dict.fromkeys(job.baseline for job in mine):
        own = list(dict.fromkeys(job.place for job in mine if job.baseline == name))
        all_places = {job.place for job in every if job.baseline == name}
        names += [str(name or mine[0].role)] if len(own) == len(all_places) else [f"{name} on {place}" for place in own]
    return named(names)
