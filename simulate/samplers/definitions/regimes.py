"""Regimes of random networks: distributions of the inputs and weights of a unit.

Shapes: K problems, d inputs, batch size m; inputs X (K, d, m), weights w (K, d).
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

CONDITION: Final = 1e6
SPREAD: Final = 1e-3
OUTLIER: Final = 100.0
EVERY: Final = 16
Regime = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def gaussian(X: Tensor, w: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """Standard normal inputs and weights."""
    return X, w


def heavy_tailed(X: Tensor, w: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """Third powers of normals, with kurtosis 46."""
    return X**3, w**3


def ill_conditioned(X: Tensor, w: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """Input scales from 1 down to 1e-6, weight scales from 1 to 1e3, which compensate in part."""
    sizes = torch.logspace(0, 1, X.shape[1], base=CONDITION, dtype=X.dtype, device=X.device)
    return X / sizes.unsqueeze(-1), w * sizes.sqrt()


def nearly_constant(X: Tensor, w: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Samples with relative differences of 1e-3; sigma is below sqrt(eps) for most eps."""
    return centre.unsqueeze(-1) + SPREAD * X, w


def outliers(X: Tensor, w: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    """Every sixteenth sample, starting with the first, is a hundred times larger."""
    size = torch.ones(X.shape[-1], dtype=X.dtype, device=X.device)
    size[::EVERY] = OUTLIER
    return X * size, w


# Each maps standard normals X (K, d, m), w (K, d) and a centre (K, d) to X and w.
REGIMES: Final[dict[str, Regime]] = {
    "Gaussian": gaussian,
    "heavy-tailed": heavy_tailed,
    "ill-conditioned": ill_conditioned,
    "nearly constant": nearly_constant,
    "outliers": outliers,
}


def drawn(regime: str, X: Tensor, w: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs (K, m, d) and weights (K, ..., d) of a regime, from standard normals of their shapes.

    `centre` is (K, d).
    """
    inputs, weights = REGIMES[regime](X.mT, w, centre)
    return inputs.mT, weights
