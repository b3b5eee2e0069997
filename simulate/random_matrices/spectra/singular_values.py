"""Singular values of the product of given matrices, each with a small relative error.

The singular values of a product X_1 X_2 ... X_M spread over many orders of magnitude.  Once their
ratio exceeds 1e16, the product in float64 has lost the smallest.  The product is therefore never
multiplied out.  Starting from the right it is represented as ``U diag(2**e) T`` with orthonormal
columns in U, integers e of any size, and rows of norm about 1 in T.  A factor X is absorbed by
``X U = Q R``, with columns in descending order of their size in the product; R is multiplied into
T, rescaled by powers of two, which is exact.  The grading of the product is in e, so that T remains
well conditioned, and one-sided Jacobi rotations (LAPACK's ``gejsv``) give the singular values of
``diag(2**e) T``.

The usual rounding error analysis proves: the values are those of a product of perturbed factors,
each perturbed by about 1e-16 times its norm; in addition, each value has a relative error of 1e-16
times the condition number of T.  The first error is comparable to that of the input, and for
``X inv(X)`` the condition number of X enters with any method.  Measured, not proved: for Gaussian
factors both errors stay small for every M (singular vectors of long products align with the
grading), and for graded factors ``D B D'`` with diagonal D and D' errors are relative to B, because
rows are sorted and scales of columns are moved to the adjacent factor.

Products by QR decompositions: G. W. Stewart, Electron. Trans. Numer. Anal. 3 (1995) 39; G. Golub,
K. Solna and P. Van Dooren, SIAM J. Matrix Anal. Appl. 22 (2000) 1.  Accuracy of Jacobi's method:
J. Demmel and K. Veselic, ibid. 13 (1992) 1204; Z. Drmac and K. Veselic, ibid. 29 (2008) 1322.
Errors by row: A. J. Cox and N. J. Higham, Numerical Analysis 1997, Pitman Research Notes 380, 57.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack
from torch import Tensor

from bnproof.simulate.random_matrices import Array, Inexact
from bnproof.simulate.random_matrices.spectra.factors import Factors

EPS: Final = float(np.finfo(float).eps)
NOTHING: Final = -(2**40)  # exponent of 0
SPREAD: Final = 8  # columns of a factor that differ by more bits are scaled first
RANK: Final = 4 * EPS  # times the width: a column with a smaller remainder is linearly dependent
# Bits spanned by the singular values computed at once, and by the neighbours that take part.  The
# rest changes them by 2**-MARGIN times the condition number of T; everything that takes part must
# lie within the square root of the range of float64.
CORE: Final = 200
MARGIN: Final = 100


class _Product(NamedTuple):
    """``U diag(2**e) T``, batched; U is None for the identity."""

    U: Tensor | None
    e: Tensor
    T: Tensor


def log_singular_values(factors: Sequence[ArrayLike | Tensor]) -> Any:
    """Natural logarithms of the singular values of ``factors[0] @ factors[1] @ ...``.

    Parameters
    ----------
    factors
        PyTorch tensors or NumPy arrays (..., n_(i-1), n_i), real or complex, with the same batch
        shape.

    Returns
    -------
    Tensor or ndarray
        Float64, shape (..., min(n_0, ..., n_M)), descending; the other singular values of the
        product are 0.  A tensor on the device of the first tensor, if there is one.  Minus infinity
        where a factor is rank deficient up to rounding.

    Raises
    ------
    ValueError
        If there is no factor, one is not a matrix, is empty, not finite or on another device, or if
        widths do not chain or batch shapes differ.
    ArithmeticError
        If all factors are square and the sum of the logarithms is not ``sum log|det X_i|``.

    Notes
    -----
    For the error analysis see the module.  Compared with 1800 digits for real Gaussian factors, the
    relative error of every value is 1e-13 for N = 12, M = 50 (condition number 1e36), and 2e-11 for
    N = 20, M = 1000 (1e907).

    Examples
    --------
    >>> import bnproof, numpy
    >>> logs = bnproof.log_singular_values([numpy.diag([1.0, 1e-200])] * 3)
    >>> (logs / numpy.log(10)).round(6).tolist()  # of diag(1, 1e-600)
    [0.0, -600.0]
    """
    given = Factors(factors)
    mantissas, exponents = _solve(given)
    with np.errstate(divide="ignore"):
        logs = np.log(mantissas) + exponents * np.log(2.0)
    return given.like_input(logs)


def singular_values(factors: Sequence[ArrayLike | Tensor]) -> Any:
    """Singular values of ``factors[0] @ factors[1] @ ...``; see `log_singular_values`.

    Raises
    ------
    OverflowError
        If a nonzero value is outside the range of float64: use `log_singular_values`.

    Examples
    --------
    >>> import bnproof, numpy
    >>> bnproof.singular_values([numpy.diag([2.0, 3.0]), numpy.diag([5.0, 7.0])]).round(9).tolist()
    [21.0, 10.0]
    """
    given = Factors(factors)
    mantissas, exponents = _solve(given)
    with np.errstate(over="ignore", under="ignore"):
        values = np.ldexp(mantissas, exponents)
    lost = (mantissas > 0) & ((values < np.finfo(float).tiny) | np.isinf(values))
    if lost.any():
        power = int(exponents[lost][0] * np.log10(2.0))
        raise OverflowError(
            f"a singular value near 1e{power:+d} is outside the range of float64: "
            "use log_singular_values"
        )
    return given.like_input(values)


def _solve(given: Factors) -> tuple[Array, NDArray[np.int64]]:
    """Singular values as mantissas and powers of two, descending, verified by determinants."""
    factors = given.tensors
    if given.widths[0] < given.widths[-1]:  # start at the narrow end
        factors = [factor.mH for factor in reversed(factors)]
    product = None
    for factor in reversed(factors):
        product = _absorb(factor, product)
    assert product is not None
    parts = [_decompose(T, e, min(given.widths)) for T, e in zip(product.T, product.e, strict=True)]
    mantissas, exponents = (np.stack(column) for column in zip(*parts, strict=True))
    if len(set(given.widths)) == 1:
        with np.errstate(divide="ignore"):
            logs = np.log(mantissas) + exponents * np.log(2.0)
        _check_determinant(given.tensors, logs.sum(-1))
    return mantissas, exponents


def _absorb(factor: Tensor, product: _Product | None) -> _Product:
    """Multiply the product by `factor` from the left."""
    shift = _exponent(factor.abs().amax((-2, -1))).clamp(min=-2000)
    factor = _scaled(factor, -shift[:, None, None])
    if product is None:
        K, _, width = factor.shape
        eye = torch.eye(width, dtype=factor.dtype, device=factor.device).expand(K, -1, -1)
        nothing = torch.zeros(K, width, dtype=torch.int64, device=factor.device)
        product = _Product(None, nothing, eye)
    else:
        factor, product = _split(factor, product)
    U, e, T = _push(factor, product)
    return _Product(U, (e + shift[:, None]).clamp(min=NOTHING), T)


def _split(factor: Tensor, product: _Product) -> tuple[Tensor, _Product]:
    """Move the scales of the factor's columns into the product, if they differ much.

    ``X U`` mixes the columns of X, and small ones would be lost in the rounding of large ones.
    """
    scale = _exponent(factor.abs().amax(-2))
    scale = torch.where(scale == NOTHING, 0, scale)
    if int((scale.amax(-1) - scale.amin(-1)).max()) <= SPREAD:
        return factor, product
    ones = torch.ones_like(scale, dtype=factor.dtype)
    diagonal = torch.diag_embed(_scaled(ones, scale))
    return _scaled(factor, -scale[:, None, :]), _push(diagonal, product)


def _push(factor: Tensor, product: _Product) -> _Product:
    U, e, T = product
    Q, R, order = _graded_qr(factor if U is None else factor @ U, e)
    e = e.gather(-1, order)
    top = (_exponent(R.abs()) + e[:, None, :]).amax(-1)
    T = _scaled(R, e[:, None, :] - top[:, :, None]) @ _taken(T, order, -2)
    grown = _exponent(torch.linalg.vector_norm(T, dim=-1))
    return _Product(Q, (top + grown).clamp(min=NOTHING), _scaled(T, -grown[:, :, None]))


def _graded_qr(matrix: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Q, R and `order` with ``(matrix diag(2**e))[:, order] = Q R diag(2**e[order])``.

    The columns are in descending order, with linearly dependent ones last and exact zeros in R
    below the rank.  Rows are sorted before the decomposition, which keeps the relative errors of
    small rows small.
    """
    columns = torch.linalg.vector_norm(matrix, dim=-2)
    size = e + torch.where(columns > 0, columns.log2(), NOTHING)
    rows = torch.linalg.vector_norm(matrix, dim=-1)
    descending = rows.argsort(-1, descending=True)
    rows = rows.gather(-1, descending)
    matrix = _taken(matrix, descending, -2)
    noise = RANK * max(matrix.shape[-2:]) * rows / columns.amax(-1, keepdim=True).clamp(min=EPS)
    last = columns == 0
    while True:
        order = torch.where(last, size + 2.0 * NOTHING, size).argsort(-1, descending=True)
        Q, R = torch.linalg.qr(_taken(matrix, order, -1))
        rank = R.shape[-2]
        pivots = R.diagonal(dim1=-2, dim2=-1).abs()
        dependent = pivots <= noise[:, :rank] * columns.gather(-1, order)[:, :rank]
        # A dependent column before another one would spoil the rows below, so it goes last.
        others = (~last).gather(-1, order)
        others[:, :rank] &= ~dependent
        early = dependent & (others.flip(-1).cumsum(-1).flip(-1)[:, :rank] > 0)
        if not early.any():
            break
        last = last.scatter(-1, order[:, :rank], last.gather(-1, order[:, :rank]) | early)
    R = torch.where(dependent[:, :, None], 0, R)
    Q = torch.empty_like(Q).scatter_(-2, descending[:, :, None].expand_as(Q), Q)
    return Q, R, order


def _decompose(T: Tensor, e: Tensor, count: int) -> tuple[Array, NDArray[np.int64]]:
    """The first `count` singular values of one ``diag(2**e) T``, as mantissas and exponents."""
    columns = T.mH
    size = e + torch.linalg.vector_norm(columns, dim=-2).log2()
    order = size.argsort(descending=True)
    order = order[: int((e > NOTHING // 2).sum())]
    R = torch.linalg.qr(columns[:, order], mode="r").R.cpu().numpy()
    scales, level = e[order].cpu().numpy(), size[order].cpu().numpy()
    mantissas, exponents = np.zeros(count), np.zeros(count, dtype=np.int64)
    start = 0
    while start < len(scales):
        stop = int(np.searchsorted(-level, CORE - level[start], side="right"))
        low = int(np.searchsorted(-level, -level[start] - MARGIN))
        high = int(np.searchsorted(-level, MARGIN - level[stop - 1], side="right"))
        part = slice(low, high)
        values = _values(R[part, part], scales[part] - scales[low])
        mantissas[start:stop] = values[start - low : stop - low]
        exponents[start:stop] = scales[low]
        start = stop
    return mantissas, exponents


def _values(R: Inexact, e: NDArray[np.int64]) -> Array:
    """Singular values of ``R diag(2**e)``, descending, with errors of EPS times cond(R).

    R is upper triangular with columns of norm about 1.
    """
    scaled = np.asfortranarray(np.ldexp(R.real, e))
    if np.iscomplexobj(R):
        scaled = scaled + 1j * np.ldexp(R.imag, e)
    trcon = lapack.ztrcon if np.iscomplexobj(R) else lapack.dtrcon
    with np.errstate(divide="ignore"):
        condition = 1 / np.float64(trcon(R)[0])
    pivots = np.abs(scaled.diagonal())
    if pivots.max() <= condition * pivots.min():  # their ratio is at most that of the values
        values: Array = np.linalg.svd(scaled, compute_uv=False)
        if values[0] <= condition * values[-1]:
            return values
    return _jacobi(scaled)


def _jacobi(matrix: Inexact) -> Array:
    """Singular values, descending, with errors invariant under scaling of columns."""
    twice = np.iscomplexobj(matrix)
    if twice:  # gejsv is real in SciPy: as a real matrix of twice the size, every value twice
        matrix = np.kron(matrix.real, np.eye(2)) + np.kron(matrix.imag, [[0, -1], [1, 0]])
    # Options: errors relative to each column, no vectors, no column neglected, no perturbation.
    values, _, _, work, _, info = lapack.dgejsv(
        np.asfortranarray(matrix), joba=0, jobu=3, jobv=3, jobr=1, jobt=0, jobp=0
    )
    if info != 0:
        raise ArithmeticError(f"gejsv did not converge (info = {info})")
    scaled: Array = values * (work[0] / work[1])
    return scaled[::2] if twice else scaled


def _check_determinant(factors: Sequence[Tensor], total: Array) -> None:
    """Compare the sum of the logarithms with that of log|det| from LU decompositions.

    Raises
    ------
    ArithmeticError
        If they differ by more than the rounding of both.
    """
    expected = torch.zeros(len(total), dtype=torch.float64, device=factors[0].device)
    allowed = torch.zeros_like(expected)
    for factor in factors:
        pivots = torch.linalg.lu_factor_ex(factor).LU.diagonal(dim1=-2, dim2=-1).abs()
        log = pivots.log().sum(-1)
        expected += log
        allowed += pivots.shape[-1] * pivots.amax(-1) / pivots.amin(-1) + log.abs()
    tolerance = 64 * EPS * allowed.cpu().numpy()
    with np.errstate(invalid="ignore"):
        gap = np.abs(total - expected.cpu().numpy())
    # Above 1 a factor is singular up to rounding, and neither side is meaningful.
    wrong = np.flatnonzero((tolerance < 1) & ~(gap <= tolerance))
    if len(wrong):
        raise ArithmeticError(
            f"the logarithms of the singular values sum to {total[wrong[0]]:.17g}, those of the "
            f"determinants to {float(expected[wrong[0]]):.17g}: the decomposition failed"
        )


def _exponent(x: Tensor) -> Tensor:
    """The integer k with 2**(k-1) <= x < 2**k, `NOTHING` for 0."""
    return torch.where(x > 0, torch.frexp(x).exponent.long(), NOTHING)


def _scaled(x: Tensor, shift: Tensor) -> Tensor:
    """X times 2**shift, exact within the range of float64."""
    shift = shift.clamp(-2000, 2000)
    half = shift // 2
    return x * _power(half) * _power(shift - half)


def _power(e: Tensor) -> Tensor:
    """2**e for integers from -1022 to 1023, from the bits of a float64."""
    return ((e + 1023) << 52).view(torch.float64)


def _taken(x: Tensor, index: Tensor, dim: int) -> Tensor:
    """Rows (dim -2) or columns (-1) of each matrix of a batch in the order of `index`."""
    return x.gather(dim, (index[:, :, None] if dim == -2 else index[:, None, :]).expand_as(x))
