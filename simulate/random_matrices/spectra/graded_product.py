"""The engine of `singular_values`: a product of matrices that is never multiplied out.

Starting from the right the product is represented as ``U diag(2**e) T`` with orthonormal columns in
U, integers e of any size, and rows of norm about 1 in T.  A factor X is absorbed by ``X U = Q R``,
with columns in descending order of their size in the product; R is multiplied into T, rescaled by
powers of two, which is exact.  The grading of the product is in e, so that T remains well
conditioned.  U is kept as Householder reflectors.

Last, T* is decomposed as Q R, and the singular values of the triangular ``R diag(2**e)`` are those
of a bidiagonal matrix (LAPACK's ``gesdd``), to which large columns are reduced before small ones.
It has small relative errors for such a matrix, although no theorem says so; `singular_values`
measures them.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.spectra.powers_of_two import (
    NOTHING,
    bits_of,
    exponents_of,
    norms_of,
    scaled,
)

SPREAD: Final = 8  # columns of a factor that differ by more bits are scaled first
LEAF: Final = 128  # rows of a triangle up to which it is multiplied as a full matrix
ORDERED: Final = 4.0  # bits by which a column may be larger than one before it
DOUBT: Final = 4.0  # times what counts as rounding: pivots below need the order to be strict
PIVOTS: Final = 8.0  # bits by which a pivot may be larger than one before it
ATTEMPTS: Final = 8  # decompositions until the pivots are in order; one is the rule
RANK: Final = 8.0  # times epsilon and the root of the width: smaller remainders are rounding
PLAIN: Final = {53: 100, 24: 20}  # by bits of the type: exponents of a factor that need no scaling
SEPARABLE: Final = {53: 500, 24: 50}  # range of exponents up to which one row and column serve
# Bits spanned by the singular values computed at once, and by the neighbours that take part.  The
# rest changes them by 2**-MARGIN times the condition number of T; everything that takes part must
# lie within the range of the type, or for float64 within its square root.
CORE: Final = {53: 200, 24: 64}
MARGIN: Final = {53: 100, 24: 28}


class Values(NamedTuple):
    """Singular values ``mantissas * 2**exponents``, descending, (K, r).

    `dropped` tells the products in which a direction was lost in rounding, so that a 0 may stand
    for a small number, `graded` those with a factor whose columns were scaled first.
    """

    mantissas: Array
    exponents: NDArray[np.int64]
    dropped: NDArray[np.bool_]
    graded: NDArray[np.bool_]

    def logs(self) -> Array:
        """Natural logarithms; minus infinity for 0."""
        with np.errstate(divide="ignore"):
            logs: Array = np.log(self.mantissas) + self.exponents * np.log(2.0)
        return logs


class _Basis(NamedTuple):
    """Orthonormal columns: `rank` columns of Q, whose i-th row is row ``rows[i]``."""

    reflectors: Tensor
    tau: Tensor
    rows: Tensor | None
    rank: int

    def times(self, matrix: Tensor) -> Tensor:
        """Matrix times the basis."""
        if self.rows is not None:
            matrix = _taken(matrix, self.rows, -1)
        product = torch.ormqr(self.reflectors, self.tau, matrix, left=False)
        return product[..., : self.rank]


class _Product(NamedTuple):
    """``U diag(2**e) T``, batched; U is None for the identity.

    The columns of T are in any order, which does not matter.  T is upper `triangular` as long as
    rows stay where they are.
    """

    U: _Basis | None
    e: Tensor
    T: Tensor
    triangular: bool
    dropped: Tensor
    graded: Tensor


class _Triangle(NamedTuple):
    """``matrix[:, order] = U R``; `order` is None if columns stay where they are."""

    U: _Basis
    R: Tensor
    order: Tensor | None
    dropped: Tensor


def solve(factors: Sequence[Tensor], count: int) -> Values:
    """The first `count` singular values of a product of batched matrices, in their precision."""
    product = None
    for factor in reversed(factors):
        product = _absorb(factor, product)
    assert product is not None
    return _decompose(product, count)


def _absorb(factor: Tensor, product: _Product | None) -> _Product:
    """Multiply the product by `factor` from the left."""
    scale = exponents_of(factor.abs().amax(-2))
    shift = scale.amax(-1).clamp(min=-2000)
    if int(shift.abs().max()) > PLAIN[bits_of(factor)]:
        factor = scaled(factor, -shift[:, None, None])
        scale = scale - shift[:, None]
    else:
        shift = torch.zeros_like(shift)
    if product is not None:
        factor, product = _split(factor, scale, product)
    product = _push(factor, product)
    return product._replace(e=(product.e + shift[:, None]).clamp(min=NOTHING))


def _split(factor: Tensor, scale: Tensor, product: _Product) -> tuple[Tensor, _Product]:
    """Move the scales of the factor's columns into the product, if they differ much.

    ``X U`` mixes the columns of X, and small ones would be lost in the rounding of large ones.
    """
    if not bool((_spread_of(scale) > SPREAD).any()):
        return factor, product
    # Only what remains when rows are scaled first: rows of different size cost no digits.
    row = exponents_of(factor.abs().amax(-1))
    even = scaled(factor, -row.clamp(min=-2000)[:, :, None])
    scale = exponents_of(even.abs().amax(-2))
    wide = _spread_of(scale) > SPREAD
    if not bool(wide.any()):
        return factor, product
    product = product._replace(graded=product.graded | wide)
    scale = torch.where(scale < NOTHING // 2, 0, scale)
    diagonal = torch.diag_embed(scaled(torch.ones_like(factor[:, 0]), scale))
    return scaled(factor, -scale[:, None, :]), _push(diagonal, product)


def _spread_of(scale: Tensor) -> Tensor:
    """Largest difference of the exponents of each matrix, zeros left out."""
    zero = scale < NOTHING // 2
    high = torch.where(zero, -2000, scale).amax(-1)
    return high - torch.where(zero, 2000, scale).amin(-1)


def _push(factor: Tensor, product: _Product | None) -> _Product:
    if product is None:
        count, _, width = factor.shape
        e = torch.zeros(count, width, dtype=torch.int64, device=factor.device)
        triangle = _graded_qr(factor, e)
        T, nothing = triangle.R, torch.zeros_like(triangle.dropped)
        product = _Product(triangle.U, e[:, :1].expand(T.shape[:2]), T, True, nothing, nothing)
    else:
        moved = factor if product.U is None else product.U.times(factor)
        triangle = _graded_qr(moved, product.e)
        R, T, e, order = triangle.R, product.T, product.e, triangle.order
        if order is not None:
            e, T = e.gather(-1, order), _taken(T, order, -2)
        # The largest exponent in or to the right of each column: larger ones do not enter the row.
        top = e.flip(-1).cummax(-1).values.flip(-1)[:, : R.shape[-2]]
        R = _ratios(R, e, top)
        ordered = product.triangular and order is None
        T = _triangle_times(R, T, triangular=ordered)
        product = product._replace(U=triangle.U, e=top, triangular=ordered)
    # The size of each row of T goes into its exponent.
    grown = exponents_of(norms_of(T, -1))
    return product._replace(
        e=(product.e + grown).clamp(min=NOTHING),
        T=scaled(T, -grown[:, :, None]),
        dropped=product.dropped | triangle.dropped,
    )


def _triangle_times(R: Tensor, T: Tensor, *, triangular: bool) -> Tensor:
    """``R @ T`` for an upper triangular or trapezoidal R, and T if it is `triangular`."""
    rows = R.shape[-2]
    if rows <= LEAF:
        return R @ T
    k = rows // 2
    product = T.new_zeros(*R.shape[:-1], T.shape[-1])
    right = slice(k, None) if triangular else slice(None)
    torch.matmul(R[:, :k], T[:, :, right], out=product[:, :k, right])
    if triangular:
        product[:, :k, :k] = _triangle_times(R[:, :k, :k], T[:, :k, :k], triangular=True)
    product[:, k:, right] = _triangle_times(R[:, k:, k:], T[:, k:, right], triangular=triangular)
    return product


def _graded_qr(matrix: Tensor, e: Tensor) -> _Triangle:
    """Decompose ``(matrix diag(2**e))[:, order] = U R diag(2**e[order])``.

    The columns are in descending order, with linearly dependent ones last and exact
    zeros in R below the rank.  Rows are sorted before the decomposition if they differ much, which
    keeps the relative errors of small rows small.
    """
    columns = norms_of(matrix, -2)
    size = e + torch.where(columns > 0, columns.log2(), NOTHING)
    norms = norms_of(matrix, -1)
    rows = None
    if bool((norms.amin(-1) * 2.0**SPREAD < norms.amax(-1)).any()):
        rows = norms.argsort(dim=-1, descending=True, stable=True)
        norms = norms.gather(-1, rows)
        matrix = _taken(matrix, rows, -2)
    epsilon = torch.finfo(matrix.dtype).eps
    noise = RANK * epsilon * max(matrix.shape[-2:]) ** 0.5 * norms
    noise = noise / columns.amax(-1, keepdim=True).clamp(min=epsilon)
    order, strict = _descending(size, ORDERED), False
    for _ in range(ATTEMPTS):
        reflectors, tau = torch.geqrf(matrix if order is None else _taken(matrix, order, -1))
        rank = tau.shape[-1]
        pivots = reflectors.diagonal(dim1=-2, dim2=-1).abs()
        placed, sizes = (x if order is None else x.gather(-1, order) for x in (size, columns))
        smallest = noise[:, :rank] * sizes[:, :rank]
        dependent = pivots <= smallest
        if not strict and bool((pivots <= DOUBT * smallest).any()):
            order, strict = _descending(size, 0.0), True
            continue
        # What a column adds to those before it.  A small pivot before a large one would spoil the
        # rows below, so its column goes further back, and a dependent one last.
        added = placed - sizes.log2().nan_to_num(neginf=0.0)
        added[:, :rank] += torch.where(dependent, 2.0 * NOTHING, pivots.double().log2())
        added[:, rank:] = placed[:, rank:]
        better = _descending(added, PIVOTS)
        if better is None:
            break
        size = added if order is None else torch.empty_like(size).scatter_(-1, order, added)
        order = _descending(size, 0.0)
    R = reflectors[:, :rank].triu()
    exact = (pivots == 0) & ((norms[:, :rank] == 0) | (sizes[:, :rank] == 0))
    dropped = (dependent & ~exact).any(-1)
    if bool(dependent.any()):
        R = torch.where(dependent[:, :, None], 0, R)
    return _Triangle(_Basis(reflectors[..., :rank], tau, rows, rank), R, order, dropped)


def _descending(size: Tensor, slack: float) -> Tensor | None:
    """Order of descending size; None if no size exceeds one on its left by more than `slack`."""
    right = size.flip(-1).cummax(-1).values.flip(-1)
    if not bool((right - size > slack).any()):
        return None
    return size.argsort(dim=-1, descending=True, stable=True)


def _decompose(product: _Product, count: int) -> Values:
    """The singular values of ``diag(2**e) T``."""
    mantissas = np.zeros((len(product.e), count))
    exponents = np.zeros((len(product.e), count), dtype=np.int64)
    for k, (T, e) in enumerate(zip(product.T, product.e, strict=True)):
        _decompose_one(T, e, mantissas[k], exponents[k])
    flags = (flag.cpu().numpy() for flag in (product.dropped, product.graded))
    return Values(mantissas, exponents, *flags)


def _decompose_one(T: Tensor, e: Tensor, mantissas: Array, exponents: NDArray[np.int64]) -> None:
    bits, columns = bits_of(T), T.mH
    size = e + norms_of(columns, -2).log2()
    order = size.argsort(dim=-1, descending=True, stable=True)
    order = order[: int((e > NOTHING // 2).sum())]
    if not len(order):
        return
    R = torch.geqrf(columns[:, order])[0][: len(order)].triu()
    scales, level = e[order], size[order].cpu().numpy()
    start = 0
    while start < len(level):
        stop = int(np.searchsorted(-level, CORE[bits] - level[start], side="right"))
        low = int(np.searchsorted(-level, -level[start] - MARGIN[bits]))
        high = int(np.searchsorted(-level, MARGIN[bits] - level[stop - 1], side="right"))
        part = slice(low, high)
        values = torch.linalg.svdvals(scaled(R[part, part], (scales[part] - scales[low])[None]))
        mantissas[start:stop] = values[start - low : stop - low].double().cpu().numpy()
        exponents[start:stop] = int(scales[low])
        start = stop


def _ratios(R: Tensor, e: Tensor, top: Tensor) -> Tensor:
    """``R[i, j] 2**(e[j] - top[i])`` for triangular R and top[i] >= e[j], j >= i."""
    middle = e.amax(-1, keepdim=True)
    if int((middle - e.amin(-1, keepdim=True)).max()) > SEPARABLE[bits_of(R)]:
        return scaled(R, e[:, None, :] - top[:, :, None])
    return scaled(scaled(R, (e - middle)[:, None, :]), (middle - top)[:, :, None])


def _taken(x: Tensor, index: Tensor, dim: int) -> Tensor:
    """Rows (dim -2) or columns (-1) of each matrix of a batch in the order of `index`."""
    shape = list(x.shape)
    shape[dim] = index.shape[-1]
    return x.gather(dim, (index[:, :, None] if dim == -2 else index[:, None, :]).expand(shape))
