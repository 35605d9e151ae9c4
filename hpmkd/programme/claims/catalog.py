"""The claims of the published paper that a programme can look at: a line each, in the order of the page."""

from __future__ import annotations

from hpmkd.programme.claims import components, inference, order, robust
from hpmkd.programme.claims.base import Claim

CLAIMS = (
    Claim(
        "HPM-KD is first on every data set.",
        "MNIST 99.15 % against 99.03 of TAKD, 98.91 of KD, 98.42 of Direct; Fashion-MNIST 91.48 against 91.15, 90.84, "
        "89.32; CIFAR-10 92.34 against 91.85, 91.37, 88.74; CIFAR-100 70.98 against 69.85, 68.92, 64.21. Its own "
        "published runs on CIFAR-10 gave Direct 68.10, HPM-KD 67.74, TAKD 67.44, KD 67.12.",
        order.first,
        "full",
    ),
    Claim(
        "Each component pays.",
        "Points lost without it, CIFAR-10: chain 2.86, adaptive 1.52, multi-teacher 1.22, meta temperature 0.78.",
        components.each_pays,
        "ablation",
    ),
    Claim(
        "The components work together.",
        "Chain and multi-teacher lose 4.22 points together and 4.08 summed, chain and adaptive 3.90 and 4.38: both "
        "are called synergy, though the second is less than the sum.",
        components.work_together,
        "interactions",
    ),
    Claim(
        "The chain saturates at three steps.",
        "0 to 5 steps: 88.74, 91.37, 91.92, 92.34, 92.41, 92.43 %.",
        components.saturates,
        "chain",
    ),
    Claim(
        "HPM-KD is more robust to imbalance.",
        "Retention in % of the teacher at 1, 10, 50 and 100 to 1: KD 97.70, 96.82, 94.15, 91.28; TAKD 98.21, 97.35, "
        "95.03, 92.47; HPM-KD 98.74, 97.91, 95.86, 93.52; with a teacher of balanced data.",
        robust.imbalance,
        "imbalance",
    ),
    Claim(
        "HPM-KD is more robust to label noise.",
        "Retention in % of the teacher at 0, 10, 20 and 30 %: KD 97.70, 96.18, 93.82, 89.64; TAKD 98.21, 96.78, 94.52, "
        "90.83; HPM-KD 98.74, 97.42, 95.38, 92.15; with a teacher of clean labels.",
        robust.noise,
        "noise",
    ),
    Claim(
        "HPM-KD is cheaper than TAKD.",
        "CIFAR-10 hours: KD 3.5, TAKD 5.9 in one table and 6.4 in another, HPM-KD 4.7.",
        order.cheaper_than_takd,
        "full",
    ),
    Claim(
        "The small network is faster at inference.",
        "ResNet-56 takes 8.4 ms on a CPU and 0.9 ms on a GPU, ResNet-20 2.7 and 0.3 ms, with 3.1 times fewer "
        "parameters.",
        inference.smaller_is_faster,
        "efficiency",
    ),
)
