"""TAKD: Mirzadeh et al. 2020, Improved Knowledge Distillation via Teacher Assistant."""

from __future__ import annotations

from typing import final

from hpmkd.methods.traditional_kd import TraditionalKD


@final
class TAKD(TraditionalKD):
    """The loss is Hinton's; what differs is the parent: an assistant, itself distilled from the teacher.

    The assistant is a job and a file of its own (`plan.Lineage.assistants`), at the geometric mean of the sizes.
    """
