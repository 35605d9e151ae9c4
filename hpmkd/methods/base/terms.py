"""The distillation term that methods share."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def kd_terms(
    student_NK: Tensor, teacher_NK: Tensor, target_N: Tensor, temperature: Tensor | float, alpha: float
) -> dict[str, Tensor]:
    """(1-a) CE(z_s, y) + a T^2 KL(softmax(z_t/T) || softmax(z_s/T)), Hinton et al. 2015, section 2.

    T^2 keeps the size of the soft gradients independent of T; `batchmean` is the mean over images of the sum over
    classes, as the KL divergence is defined.
    """
    return soft_terms(
        student_NK,
        F.log_softmax(teacher_NK / temperature, dim=1),
        target_N=target_N,
        temperature=temperature,
        alpha=alpha,
    )


def soft_terms(
    student_NK: Tensor, log_p_NK: Tensor, target_N: Tensor, temperature: Tensor | float, alpha: float
) -> dict[str, Tensor]:
    """`kd_terms` for a soft target that is given as log probabilities, already at the temperature."""
    soft = soft_term(student_NK, log_p_NK, temperature)
    return {"ce": (1 - alpha) * F.cross_entropy(student_NK, target_N), "kd": alpha * soft}


def soft_term(student_NK: Tensor, log_p_NK: Tensor, temperature: Tensor | float) -> Tensor:
    """T^2 KL(p || softmax(z_s/T)) alone, of log probabilities that are already at the temperature."""
    log_q = F.log_softmax(student_NK / temperature, dim=1)
    return divergence(log_q, log_p_NK) * temperature**2


def divergence(log_q_NK: Tensor, log_p_NK: Tensor) -> Tensor:
    """KL(p || q), the mean over images of the sum over classes, of log probabilities."""
    return F.kl_div(log_q_NK, log_p_NK, reduction="batchmean", log_target=True)
