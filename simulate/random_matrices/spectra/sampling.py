"""Singular values of products of independent Gaussian matrices, drawn at random.

A network of linear layers with widths n_0 (input), n_1, ..., n_M (output) has the weights
``W_i``, n_i x n_(i-1) with independent entries of mean 0 and variance 1/n_(i-1), real or complex.
Drawn are the r = min(n_0, ..., n_M) singular values of ``W_M ... W_1`` that are not surely 0.

Three methods have the same law:

`dense`
    The matrices as they are, multiplied and decomposed.  The definition, and the reference.
`triangular`
    For any number of factors: triangular matrices with the law of the factors of a QR chain.
`bidiagonal`
    For one factor.

Why the last two have the law of the first stands in `chi_models`.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import sqrt
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor

from bnproof.simulate.random_matrices.laws.factor_kinds import Factor, Gaussian
from bnproof.simulate.random_matrices.spectra.chi_models import (
    bidiagonal_values,
    triangular_products,
)
from bnproof.simulate.threads import one_thread
from bnproof.theory.common.errors import one_of

Field = Literal["real", "complex"]
Method = Literal["auto", "bidiagonal", "triangular", "dense"]

BETA: Final = {"real": 1, "complex": 2}  # real dimensions of an entry
ENTRIES: Final = 2**22  # of one factor, over all products that are multiplied at once


def sample_singular_values(
    widths: Sequence[int],
    repeats: int,
    *,
    field: Field = "real",
    method: Method = "auto",
    seed: int,
    device: str = "cpu",
) -> Tensor:
    """Singular values of independent products ``W_M ... W_1`` of Gaussian layers.

    Random numbers are drawn on the CPU, so that they are the same whatever device takes them.

    Parameters
    ----------
    widths
        n_0, n_1, ..., n_M: at least two integers, each at least 1.  Entries of the i-th matrix have
        the mean square 1/n_(i-1).  M square factors: ``[N] * (M + 1)``.
    repeats
        Number of products.
    field
        "real", or "complex": independent real and imaginary parts of equal variance.
    method
        "auto" is `bidiagonal` for one factor and `triangular` for more.
    seed
        At least 0.  With `widths`, `field` and `method` it determines the numbers; the first
        products are the same however many follow.
    device
        Where matrices are multiplied and decomposed.  `bidiagonal` stays on the CPU.

    Returns
    -------
    Tensor
        Float64, shape (repeats, min(widths)), each row descending, on the CPU.  The rounding error
        is some 1e-15 times the row's largest value with `dense`: a value below that is lost.

    Raises
    ------
    ValueError
        If a width or `repeats` is not an integer >= 1, there are fewer than two widths, the seed is
        not an integer >= 0, `field` or `method` is unknown, or `bidiagonal` is asked for more than
        one factor.
    """
    widths = _checked(widths)
    _at_least("repeats", repeats, 1)
    _at_least("seed", seed, 0)
    one_of("field", field, tuple(BETA))
    one_of("method", method, ("auto", "bidiagonal", "triangular", "dense"))
    factors, rank, beta = len(widths) - 1, min(widths), BETA[field]
    if method == "auto":
        method = "bidiagonal" if factors == 1 else "triangular"
    if method == "bidiagonal" and factors > 1:
        raise ValueError(
            f"method 'bidiagonal' is for one factor, not {factors}: take 'triangular' or 'auto'"
        )
    rngs = _generators((seed, beta, *widths), repeats)
    with one_thread():
        if method == "bidiagonal":
            rows = [bidiagonal_values(max(widths), rank, beta, rng) for rng in rngs]
            return torch.from_numpy(np.stack(rows)) / sqrt(widths[0])
        if method == "dense":
            layers = [Gaussian(Fraction(out, fan)) for fan, out in pairwise(widths)]
            return _decompose(
                lambda batch: _dense(layers, widths, beta, batch, device), rngs, max(widths), rank
            )
        sizes = sorted(widths)[1:]  # all but one smallest
        values = _decompose(
            lambda batch: triangular_products(sizes, rank, beta, batch, device), rngs, rank, rank
        )
    return values * np.exp((np.log(sizes).sum() - np.log(widths[:-1]).sum()) / 2)


def sample_product(
    factors: Sequence[Factor],
    size: int,
    repeats: int,
    *,
    field: Field = "real",
    seed: int,
    device: str = "cpu",
) -> Tensor:
    """Singular values of independent products ``A_M ... A_1`` of factors of any kind.

    The matrices are drawn, multiplied and decomposed as they are.

    Parameters
    ----------
    factors
        In the order in which they act: the input's first.
    size
        Input width n_0.  The others are n_0 times the factors' ratios, rounded.
    repeats, field, seed, device
        As for `sample_singular_values`.

    Returns
    -------
    Tensor
        Float64, shape (repeats, size), each row descending, on the CPU.  Values that are surely 0,
        for want of rank, are exactly 0: the squares are all eigenvalues of W'W.

    Raises
    ------
    ValueError
        If there is no factor, a layer is rounded to no unit, or as `sample_singular_values`.
    """
    for name, value, low in (("size", size, 1), ("repeats", repeats, 1), ("seed", seed, 0)):
        _at_least(name, value, low)
    one_of("field", field, tuple(BETA))
    if not factors:
        raise ValueError("factors must be at least one, not none")
    width, widths, rank = Fraction(size), [size], size
    for factor in factors:
        width = factor.out(width)
        widths.append(round(width))
        rank = min(rank, widths[-1], factor.rank(widths[-2]))
    if rank < 1:
        raise ValueError(f"size {size} leaves a layer without units, {widths}: take a larger one")
    rngs = _generators((seed, BETA[field], *widths), repeats)
    with one_thread():
        values = _decompose(
            lambda batch: _dense(factors, widths, BETA[field], batch, device),
            rngs,
            max(widths),
            rank,
        )
    return torch.nn.functional.pad(values, (0, size - rank))


def product_singular_values(
    factors: int, size: int, repeats: int, *, seed: int, device: str = "cpu"
) -> Tensor:
    """`sample_singular_values` of real square factors: `factors` of them, size x size."""
    _at_least("factors", factors, 1)
    _at_least("size", size, 1)
    return sample_singular_values([size] * (factors + 1), repeats, seed=seed, device=device)


def _generators(entropy: tuple[int, ...], repeats: int) -> list[np.random.Generator]:
    """One generator a product: the first are the same however many follow."""
    children = np.random.SeedSequence(entropy).spawn(repeats)
    return [np.random.default_rng(child) for child in children]


def _decompose(
    draw: Callable[[list[np.random.Generator]], Tensor],
    rngs: list[np.random.Generator],
    width: int,
    rank: int,
) -> Tensor:
    """The first `rank` singular values of each product, as many at once as memory suggests."""
    together = max(1, ENTRIES // width**2)
    parts = [
        torch.linalg.svdvals(draw(rngs[k : k + together]))[:, :rank].cpu()
        for k in range(0, len(rngs), together)
    ]
    return torch.cat(parts)


def _dense(
    factors: Sequence[Factor],
    widths: Sequence[int],
    beta: int,
    rngs: list[np.random.Generator],
    device: str,
) -> Tensor:
    """Products of the matrices of the definition, batched."""
    product = None
    for factor, (fan, out) in zip(factors, pairwise(widths), strict=True):
        drawn = np.stack([factor.matrix(out, fan, beta, rng) for rng in rngs])
        matrix = torch.from_numpy(drawn).to(device)
        product = matrix if product is None else matrix @ product
    assert product is not None
    return product


def _checked(widths: Sequence[int]) -> tuple[int, ...]:
    if isinstance(widths, str) or not isinstance(widths, Sequence) or len(widths) < 2:
        raise ValueError(
            f"widths must be at least two integers, input and output, not {widths!r}: "
            "M square factors of size N have the widths [N] * (M + 1)"
        )
    for position, width in enumerate(widths):
        _at_least(f"widths[{position}]", width, 1)
    return tuple(int(width) for width in widths)


def _at_least(name: str, value: object, low: int) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low:  # type: ignore[operator]
        raise ValueError(f"{name} must be an integer >= {low}, not {value!r}")
