"""What every method stands on."""

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base.distiller import Distiller, Repeat, Taps, one_by_one
from hpmkd.methods.base.logit_distiller import LogitDistiller, of_class, others, ramp, true_class
from hpmkd.methods.base.on_kd import FeatureDistiller, OnKD, standardised
from hpmkd.methods.base.taps import (
    embedding_size,
    embeddings,
    feature_shapes,
    paired_stages,
    same_size,
)
from hpmkd.methods.base.terms import divergence, kd_terms, soft_terms
from hpmkd.methods.base.unit import unit
from hpmkd.models import ModelOutput
from hpmkd.models.averaging import averaged, averaging

__all__ = [
    "Distiller",
    "FeatureDistiller",
    "LogitDistiller",
    "ModelOutput",
    "ModelSpec",
    "OnKD",
    "Repeat",
    "Taps",
    "averaged",
    "averaging",
    "divergence",
    "embedding_size",
    "embeddings",
    "feature_shapes",
    "kd_terms",
    "of_class",
    "one_by_one",
    "others",
    "paired_stages",
    "ramp",
    "same_size",
    "soft_terms",
    "standardised",
    "true_class",
    "unit",
]
