"""What every method stands on."""

from hpmkd.methods.base.distiller import Distiller, Repeat, one_by_one
from hpmkd.methods.base.taps import averaging, feature_shapes, paired_stages, same_size
from hpmkd.methods.base.terms import kd_terms, soft_terms

__all__ = [
    "Distiller",
    "Repeat",
    "averaging",
    "feature_shapes",
    "kd_terms",
    "one_by_one",
    "paired_stages",
    "same_size",
    "soft_terms",
]
