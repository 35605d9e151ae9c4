"""Measures of a classifier's answers to N test images of K classes. numpy alone.

None of them is ever NaN for N >= 1, but where a docstring says so. Logarithms are natural.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Classes = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
BINS = 15
TOP = 5


def confusion_matrix(labels_N: Classes, predicted_N: Classes, classes: int) -> npt.NDArray[np.int64]:
    """Images by true class (row) and predicted class (column), `(K, K)`."""
    cells = labels_N.astype(np.int64) * classes + predicted_N
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def recalls(confusion_KK: npt.NDArray[Any]) -> Floats:
    """Of each class the fraction of its images that is found, `(K,)`; NaN for a class without test images."""
    images = confusion_KK.sum(1)
    found = np.full(len(images), math.nan)
    np.divide(confusion_KK.diagonal(), images, out=found, where=images > 0)
    return found


def balanced_accuracy(confusion_KK: npt.NDArray[Any]) -> float:
    """Mean recall over the classes that have test images: Brodersen et al. 2010, of K classes, not two."""
    return float(np.nanmean(recalls(confusion_KK)))


def macro_f1(confusion_KK: npt.NDArray[Any]) -> float:
    """Mean over the classes of F1 = 2 TP / (2 TP + FP + FN): the averaged F1 of Opitz and Burst 2019.

    (Not the F1 of mean precision and mean recall, which favours skewed errors.) A class with test images that is never
    predicted has 0; one that has no test images and is never predicted has no F1, and is left out.
    """
    right = confusion_KK.diagonal()
    seen = confusion_KK.sum(0) + confusion_KK.sum(1)  # 2 TP + FP + FN
    known = seen > 0
    return float((2 * right[known] / seen[known]).mean())


def log_softmax(logits_NK: npt.NDArray[Any], temperature: float = 1.0) -> Floats:
    """Log-probabilities of softmax(z / T), `(N, K)`; Guo et al. 2017, equation 9."""
    z = logits_NK.astype(np.float64) / temperature
    z -= z.max(1, keepdims=True)
    z -= np.log(np.exp(z).sum(1, keepdims=True))
    return z


def negative_log_likelihood(log_p_NK: Floats, labels_N: Classes) -> float:
    """Mean of -log p(true class), in nats; >= 0."""
    return float(-log_p_NK[np.arange(len(labels_N)), labels_N].mean())


def brier_score(log_p_NK: Floats, labels_N: Classes) -> float:
    """Mean over the images of sum_k (p_k - [k = y])^2, in [0, 2]: Brier 1950, equation 2, summed over all classes."""
    errors = np.exp(log_p_NK)
    errors[np.arange(len(labels_N)), labels_N] -= 1
    return float((errors**2).sum(1).mean())


def reliability(log_p_NK: Floats, labels_N: Classes, predicted_N: Classes, bins: int = BINS) -> Floats:
    """What a reliability diagram shows (Guo et al. 2017, section 2): `(3, bins)`.

    Bin m of M has the images whose largest probability lies in ((m - 1) / M, m / M]. Rows: how many images; how many
    of them are right; the sum of their largest probabilities.
    """
    confidence = np.exp(log_p_NK.max(1))
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    right = (labels_N == predicted_N).astype(np.float64)
    parts = [np.bincount(place, weights, minlength=bins) for weights in (np.ones_like(right), right, confidence)]
    return np.stack(parts)


def calibration_error(reliability_3M: Floats) -> float:
    """Expected calibration error, in [0, 1]: sum_m |B_m| / n |acc(B_m) - conf(B_m)|; Guo et al. 2017, equation 3."""
    images, right, confidence = reliability_3M
    return float(np.abs(right - confidence).sum() / images.sum())


def top_accuracy(logits_NK: npt.NDArray[Any], labels_N: Classes, predicted_N: Classes, count: int = TOP) -> float:
    """Fraction of the images whose class is among the `count` likeliest, the predicted one first.

    fp16 makes ties; among equals the lower class comes first. NaN for K <= `count`, where it says nothing.
    """
    images, classes = logits_NK.shape
    if classes <= count:
        return math.nan
    z = logits_NK.astype(np.float64)
    each = np.arange(images)
    z[each, predicted_N] = np.inf
    true = z[each, labels_N][:, None]
    before = (z > true) | ((z == true) & (np.arange(classes) < labels_N[:, None]))
    return float((before.sum(1) < count).mean())


def agreement(one_N: Classes, other_N: Classes) -> float:
    """Fraction of the images for which two models predict the same class: average top-1 agreement, Stanton et al. 2021,
    section 3."""
    return float((one_N == other_N).mean())


def agreement_on_errors(student_N: Classes, teacher_N: Classes, labels_N: Classes) -> float:
    """The same over the images where the teacher is wrong, that is: makes the student the very same error?

    NaN where the teacher makes none.
    """
    wrong = teacher_N != labels_N
    return agreement(student_N[wrong], teacher_N[wrong]) if wrong.any() else math.nan


def mean_divergence(teacher_log_p_NK: Floats, student_log_p_NK: Floats) -> float:
    """Mean over the images of KL(teacher || student) at T = 1, in nats, >= 0: average predictive KL, Stanton et al.
    2021, section 3."""
    each = (np.exp(teacher_log_p_NK) * (teacher_log_p_NK - student_log_p_NK)).sum(1)
    return max(0.0, float(each.mean()))
