"""How alike two layers are: linear CKA (Kornblith et al. 2019, equation 4), with an unbiased estimate of HSIC.

CKA(X, Y) = |Y'X|_F^2 / (|X'X|_F |Y'Y|_F) for centred activations X `(N, P)` and Y `(N, Q)` of the same N images: the
inner product of their centred Gram matrices XX' and YY', over the norms of both. That plug-in estimate is above 0 for
unrelated layers, and near 1 for any where there are more features than images, so HSIC is estimated without bias:
HSIC_1 of Song et al. 2012 (equation 5), as Nguyen et al. 2021 use it, here over all images at once. It is the inner
product of U-centred matrices (Szekely and Rizzo 2014) over N (N - 3), which cancels. Unrelated layers have about 0, and
may have less; a layer has 1 with itself, with any rotation of it, and with any multiple.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FEWEST = 4  # images: of fewer, HSIC_1 is not defined


def u_centred(gram_NN: npt.NDArray[Any]) -> Floats:
    """The U-centred matrix, of length 1: two such matrices have CKA as their inner product.

    All NaN where its length is 0, that is where all images have the same activations.
    """
    count = len(gram_NN)
    made = gram_NN.astype(np.float64)
    np.fill_diagonal(made, 0.0)
    sums = made.sum(1)
    made -= sums[:, None] / (count - 2)
    made -= sums[None, :] / (count - 2)
    made += sums.sum() / ((count - 1) * (count - 2))
    np.fill_diagonal(made, 0.0)
    length = float(np.linalg.norm(made))
    return made / length if length > 0 else np.full_like(made, np.nan)


def cka(one: Sequence[Floats], other: Sequence[Floats]) -> Floats:
    """CKA of each layer of a network with each of another's, from their `u_centred` matrices: `(L, M)`."""
    return np.array([[float(np.vdot(a, b)) for b in other] for a in one])
