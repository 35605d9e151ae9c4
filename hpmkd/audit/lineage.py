"""Who learnt from whom, by what the files of a sweep record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpmkd.plan.roles import Role
from hpmkd.store.sidecar import Header

# What a data set is seen under; a network is compared with a teacher of the same.
_GROUP = ("dataset", "condition", "pair")


def direct(meta: Mapping[str, Any]) -> list[str]:
    """What a file's metadata name as its parents, and the shared answers of teachers in which it looked them up: it
    would be the same with living ones, but its own time has not what they took."""
    answers = meta.get("answers")  # of metadata, in which somebody else may have put anything
    looked_up = [one for one in answers if isinstance(one, str)] if isinstance(answers, list) else []
    return [*(meta.get("parents") or {}), *looked_up]


def ancestors(stem: str, found: Mapping[str, Header]) -> set[str]:
    """Everything that had to be trained or searched before a file, by stem."""
    seen: set[str] = set()
    left = [stem]
    while left:
        header = found.get(left.pop())
        parents = set(direct(header.metadata)) - seen if header is not None else set()
        seen |= parents  # a circle, which only edited metadata can have, ends here
        left += parents
    return seen - {stem}


def reference_teachers(found: Mapping[str, Header]) -> dict[str, str]:
    """Network -> the teacher whose answers its own are compared with, both by stem; those that have none are left out.

    It is the first teacher that it was trained from, directly or not; of a network that learnt from none, such as a
    student of Direct or a second teacher, the first teacher of its data set, condition and pair: how alike are two that
    know nothing of each other? A pair's teacher may belong to several pairs: it is known by what the others of the pair
    have learnt from. Where each run has teachers of its own, that of the same run.
    """
    teachers = [stem for stem, header in found.items() if Role.of(header.metadata.get("role")) is Role.TEACHER]
    teachers.sort(key=lambda stem: (len(stem), stem))  # `teacher_D` before `teacher_D_2`, that before `teacher_D_10`
    rank = {stem: place for place, stem in enumerate(teachers)}
    # Of each file the teachers above it, the first one first: of thousands of teachers, a file has few.
    above = {stem: sorted(ancestors(stem, found) & rank.keys(), key=rank.__getitem__) for stem in found}
    first: dict[tuple[object, ...], str] = {}
    runs = {stem: found[stem].metadata.get("run") for stem in teachers}
    for stem in teachers:
        first.setdefault((*_group(found[stem]), runs[stem]), stem)
    taught_by = [(rank[one], stem) for stem, teaching in above.items() for one in teaching]
    for place, stem in sorted(taught_by):
        first.setdefault((*_group(found[stem]), runs[teachers[place]]), teachers[place])
    made = {}
    for stem, header in found.items():
        role = Role.of(header.metadata.get("role"))
        if role is not None and role.is_network:
            group, run = _group(header), header.metadata.get("run")
            alone = first.get((*group, run)) or first.get((*group, None))
            taught = next(iter(above[stem]), alone)
            if taught is not None and taught != stem:
                made[stem] = taught
    return made


def _group(header: Header) -> tuple[object, ...]:
    return tuple(header.metadata.get(name) for name in _GROUP)
