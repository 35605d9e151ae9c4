"""`cleanVal` and `cleanTeacher`: who is spared the imbalance and the wrong labels."""

from __future__ import annotations

from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Part, Switch


class CleanValidation(Switch):
    """Validation images keep their true labels, as if somebody had looked at them again."""

    example, kind, needs = "cleanVal", "cleanVal", ("noise",)
    meaning = "validation images keep their true labels"

    def applied(self, train: Part, validation: Part, spec: DataSpec, number: float) -> tuple[Part, Part]:
        """See `Condition`."""
        return train, validation.labelled(validation.true)


class CleanTeacher(Switch):
    """Teachers and assistants are those of the data set without imbalance and noise, the very same files; an oracle,
    as nobody has such a teacher where there are no such data. The plan asks for them; images are as without it."""

    example, kind, needs = "cleanTeacher", "cleanTeacher", ("imbalance", "noise")
    meaning = "teachers and assistants are those of the data set without imbalance and label noise"
