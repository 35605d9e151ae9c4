"""Distillers by name. A loss is a file here and a line in `DISTILLERS`; its teachers are in `plan.catalog`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from hpmkd.config.own_method import OwnMethod
from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import Distiller
from hpmkd.methods.direct import Direct
from hpmkd.methods.features.at import AT
from hpmkd.methods.features.cc import CC
from hpmkd.methods.features.crd import CRD
from hpmkd.methods.features.fitnets import FitNets
from hpmkd.methods.features.nst import NST
from hpmkd.methods.features.ofd import OFD
from hpmkd.methods.features.pkt import PKT
from hpmkd.methods.features.review_kd import ReviewKD
from hpmkd.methods.features.rkd import RKD
from hpmkd.methods.features.simkd import SimKD
from hpmkd.methods.features.sp import SP
from hpmkd.methods.features.vid import VID
from hpmkd.methods.logits.ctkd import CTKD
from hpmkd.methods.logits.dist import DIST
from hpmkd.methods.logits.dkd import DKD
from hpmkd.methods.logits.mlkd import MLKD
from hpmkd.methods.logits.nkd import NKD
from hpmkd.methods.logits.rld import RLD
from hpmkd.methods.logits.traditional_kd import TAKD, TraditionalKD
from hpmkd.methods.logits.wttm import WTTM
from hpmkd.methods.multi_teacher.hpm_kd import HPMKD
from hpmkd.methods.multi_teacher.kd_ensemble import KDEnsemble
from hpmkd.methods.online.dml import DML
from hpmkd.methods.own import load_own

DISTILLERS: dict[str, type[Distiller]] = {
    "Direct": Direct,
    "TraditionalKD": TraditionalKD,
    "DKD": DKD,
    "DIST": DIST,
    "MLKD": MLKD,
    "NKD": NKD,
    "CTKD": CTKD,
    "WTTM": WTTM,
    "RLD": RLD,
    "FitNets": FitNets,
    "AT": AT,
    "SP": SP,
    "RKD": RKD,
    "CC": CC,
    "VID": VID,
    "PKT": PKT,
    "NST": NST,
    "OFD": OFD,
    "CRD": CRD,
    "ReviewKD": ReviewKD,
    "SimKD": SimKD,
    "DML": DML,
    "TAKD": TAKD,
    "KD-Ensemble": KDEnsemble,
    "HPM-KD": HPMKD,
}


def build_distiller(
    name: str,
    hparams: Mapping[str, Any],
    student: ModelSpec,
    teachers: tuple[ModelSpec, ...],
    seed: int,
    *,
    own: OwnMethod | None = None,
) -> Distiller:
    """The loss of a method, with its helper modules initialised from `seed`.

    Args:
        name: a key of `DISTILLERS`.
        hparams: config keys and values, such as `{"kd.temperature": 4.0, "kd.alpha": 0.9}`.
        student: the student's architecture.
        teachers: the architecture of each teacher, in the order in which their outputs are given.
        seed: of the helper modules' weights; torch's global random state stays as it is.
        own: the method, where a user brings it.
    """
    kind = DISTILLERS[name] if own is None else load_own(own)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(dict(hparams), student, teachers)
