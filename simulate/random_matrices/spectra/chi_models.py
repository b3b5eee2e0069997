"""Triangular and bidiagonal matrices with the singular values of Gaussian products, in law.

All entries are independent.  Factors are standard: real entries of variance 1, or complex ones of
mean square 1, for which ``chi_k`` stands for the square root of a Gamma(k) variable.

*Triangular.*  A Gaussian matrix is Q R with independent Q and R, and Q is absorbed by the factor on
its left.  So ``W_M ... W_1`` with widths n_0, ..., n_M has the singular values of a product of M
upper triangular r x r matrices, r the smallest width, with standard normal entries above the
diagonal and ``chi_n, chi_(n-1), ..., chi_(n-r+1)`` on it, where n runs over all widths except one
smallest.  (Factors on the input side of the smallest layer are first decomposed as L Q.  Times a
Haar matrix, L is invariant on both sides, and is decomposed as Q R again.  The order of the widths
does not matter by the weak commutation relation of J. R. Ipsen and M. Kieburg, Phys. Rev. E 89
(2014) 032106.)

*Bidiagonal.*  For one factor ``chi_n, ..., chi_(n-r+1)`` on the diagonal and ``chi_(r-1), ...,
chi_1`` beside it (I. Dumitriu and A. Edelman, J. Math. Phys. 43 (2002) 5830).
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal, lapack
from torch import Tensor

from bnproof.simulate.random_matrices.laws.factor_kinds import standard_gaussian

LEAF: Final = 128  # triangular blocks up to this size are multiplied as full matrices


def degrees(size: int, count: int, beta: int) -> NDArray[np.int_]:
    """Degrees of freedom of the first `count` of chi_size, chi_(size-1), ..."""
    return beta * np.arange(size, size - count, -1)


def bidiagonal_values(
    size: int, rank: int, beta: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Singular values of one standard Gaussian matrix, size x rank, descending."""
    on = rng.chisquare(degrees(size, rank, beta)) / beta
    beside = rng.chisquare(degrees(rank - 1, rank - 1, beta)) / beta
    if rank == 1:
        return np.sqrt(on)
    # BB' of the upper bidiagonal B is positive definite and tridiagonal: LAPACK factorises it and
    # decomposes the factor with small relative errors.
    diagonal = on + np.append(beside, 0.0)
    values, _, _, info = lapack.dpteqr(
        diagonal, np.sqrt(on[1:] * beside), np.zeros((1, 1)), compute_z=0
    )
    if info == 0:
        return np.sqrt(values)
    # A pivot was lost to rounding.  The matrix [[0, B], [B', 0]] with permuted rows has no pivots.
    shuffled = np.empty(2 * rank - 1)
    shuffled[::2], shuffled[1::2] = np.sqrt(on), np.sqrt(beside)
    return np.abs(eigvalsh_tridiagonal(np.zeros(2 * rank), shuffled)[: rank - 1 : -1])


def triangular_products(
    sizes: Sequence[int],
    rank: int,
    beta: int,
    rngs: list[np.random.Generator],
    device: str,
) -> Tensor:
    """Products of triangular factors with mean square 1/size above the diagonal, batched."""
    product = None
    for size in sizes:
        factor = np.zeros((len(rngs), rank, rank), dtype=complex if beta == 2 else float)
        for matrix, rng in zip(factor, rngs, strict=True):
            _fill_upper(matrix, size, beta, rng)
        moved = torch.from_numpy(factor).to(device)
        product = moved if product is None else upper_product(moved, product)
    assert product is not None
    return product


def _fill_upper(
    matrix: NDArray[np.float64], size: int, beta: int, rng: np.random.Generator
) -> None:
    """Fill a zero matrix with the triangular factor of a size x rank Gaussian matrix."""
    rank = len(matrix)
    squares = rng.chisquare(degrees(size, rank, beta)) / (beta * size)
    np.fill_diagonal(matrix, np.sqrt(squares))
    scale = 1 / sqrt(size)
    for k in range(rank - 1):
        matrix[k, k + 1 :] = scale * standard_gaussian((rank - 1 - k,), beta, rng)


def upper_product(left: Tensor, right: Tensor) -> Tensor:
    """Blocked product of upper triangular matrices, with a third of the work of a full product."""
    size = left.shape[-1]
    if size <= LEAF:
        return left @ right
    k = size // 2
    product = torch.zeros_like(left)
    product[..., :k, :k] = upper_product(left[..., :k, :k], right[..., :k, :k])
    product[..., k:, k:] = upper_product(left[..., k:, k:], right[..., k:, k:])
    product[..., :k, k:] = (
        left[..., :k, :k] @ right[..., :k, k:] + left[..., :k, k:] @ right[..., k:, k:]
    )
    return product
