"""What every method stands on."""

from hpmkd.methods.base.distiller import Distiller, Repeat, one_by_one
from hpmkd.methods.base.logits import LogitDistiller, OnKD, others, ramp, standardised, true_class
from hpmkd.methods.base.taps import averaging, feature_shapes, paired_stages, same_size
from hpmkd.methods.base.terms import divergence, kd_terms, soft_terms

__all__ = [
    "Distiller",
    "LogitDistiller",
    "OnKD",
    "Repeat",
    "averaging",
    "divergence",
    "feature_shapes",
    "kd_terms",
    "one_by_one",
    "others",
    "paired_stages",
    "ramp",
    "same_size",
    "soft_terms",
    "standardised",
    "true_class",
]
