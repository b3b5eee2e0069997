"""Singular values of the product of given matrices, each with an estimate of its own error.

The singular values of a product X_1 X_2 ... X_M spread over many orders of magnitude.  Once their
ratio exceeds 1e16, the product in float64 has lost the smallest.  `graded_product` therefore never
multiplies it out.  The usual rounding error analysis proves: its values are those of a product of
perturbed factors, each perturbed by about 1e-16 times its norm, times a small relative error.  The
first error is comparable to that of the input, and for ``X inv(X)`` the condition number of X
enters with any method.  Measured, not proved: for Gaussian factors both errors stay small for every
M (singular vectors of long products align with the grading), and for graded factors ``D B D'`` with
diagonal D and D' errors are relative to B, because rows are sorted and scales of columns are moved
to the adjacent factor.

**The estimate.**  No bound is both cheap and of the right size for structured factors, so the error
is measured.  The same computation is repeated in float32; as long as its difference is small, the
error in float64 is 2**29 times smaller.  A value and its neighbours share the largest of their
differences, as one difference may be small by chance.  Where it is not small, or columns of a
factor were scaled first, whose error depends on how numbers happen to be rounded, the computation
is repeated in float64 with rescaled factors, which rounds everything differently, and with the
transposed product, from its other end.  The value is then the median, its error the median
deviation.

Products by QR decompositions: G. W. Stewart, Electron. Trans. Numer. Anal. 3 (1995) 39; G. Golub,
K. Solna and P. Van Dooren, SIAM J. Matrix Anal. Appl. 22 (2000) 1.  Graded matrices: J. Barlow,
SIAM J. Matrix Anal. Appl. 23 (2002) 739; Z. Drmac and K. Veselic, ibid. 29 (2008) 1322.  Errors by
row: A. J. Cox and N. J. Higham, Numerical Analysis 1997, Pitman Research Notes 380, 57.  Errors
from repetition with other roundings: J. Vignes, Math. Comput. Simul. 35 (1993) 233.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgWarning
from torch import Tensor

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.spectra import graded_product
from bnproof.simulate.random_matrices.spectra.factors import Factors
from bnproof.simulate.random_matrices.spectra.graded_product import Values
from bnproof.simulate.random_matrices.spectra.powers_of_two import scaled

EPS: Final = float(np.finfo(float).eps)
COARSER: Final = float(np.finfo(np.float32).eps) / EPS
SHADOWS: Final = 3  # computations in float32
FEW: Final = 64  # values; among more, neighbours make up for one computation
TRUSTED: Final = 0.5  # difference of float32 up to which its error is proportional to epsilon
LOST: Final = 0.3  # error of a logarithm above which no digit is right
REPEATS: Final = 3  # repetitions with rescaled factors, from each end
HALF: Final = 1e-8  # relative error from which a warning is given
NAMED: Final = 4  # values named in a warning


class SingularValues(NamedTuple):
    """Singular values or their logarithms, with the estimated absolute error of each."""

    values: Any
    error: Any


@overload
def log_singular_values(
    factors: Sequence[ArrayLike | Tensor], *, return_error: Literal[False] = False
) -> Any: ...
@overload
def log_singular_values(
    factors: Sequence[ArrayLike | Tensor], *, return_error: Literal[True]
) -> SingularValues: ...
def log_singular_values(
    factors: Sequence[ArrayLike | Tensor], *, return_error: bool = False
) -> Any:
    """Natural logarithms of the singular values of ``factors[0] @ factors[1] @ ...``.

    Parameters
    ----------
    factors
        PyTorch tensors or NumPy arrays (..., n_(i-1), n_i), real or complex, with the same batch
        shape.
    return_error
        Whether to return `SingularValues`, with an estimate of each error, and not to warn.

    Returns
    -------
    Tensor or ndarray
        Float64, shape (..., min(n_0, ..., n_M)), descending; the other singular values of the
        product are 0.  A tensor on the device of the first tensor, if there is one.  Minus infinity
        where a factor is rank deficient up to rounding.
    error : Tensor or ndarray
        With `return_error`: the estimated absolute error of each logarithm, which is the relative
        error of the value.  Infinity where no digit is right: rounding the factors to float64
        decides such a value.

    Warns
    -----
    scipy.linalg.LinAlgWarning
        If relative errors above 1e-8 are expected, naming the values.

    Raises
    ------
    ValueError
        If there is no factor, one is not a matrix, is empty, not finite or on another device, or if
        widths do not chain or batch shapes differ.

    Notes
    -----
    For the method see the module.  Compared with 1800 digits for real Gaussian factors, the
    relative error of every value is 1e-13 for N = 12, M = 50 (condition number 1e36), and 2e-11 for
    N = 20, M = 1000 (1e907).

    Examples
    --------
    >>> import bnproof, numpy
    >>> logs = bnproof.log_singular_values([numpy.diag([1.0, 1e-200])] * 3)
    >>> (logs / numpy.log(10)).round(6).tolist()  # of diag(1, 1e-600)
    [0.0, -600.0]
    >>> hilbert = 1 / (1 + numpy.add.outer(numpy.arange(9), numpy.arange(9.0)))
    >>> bool(bnproof.log_singular_values([hilbert], return_error=True).error[-1] > 1e-7)
    True
    """
    given = Factors(factors)
    values, error = _measured(given)
    if not return_error:
        _warn(values, error, given.batch)
        return given.like_input(values.logs())
    return SingularValues(given.like_input(values.logs()), given.like_input(error))


@overload
def singular_values(
    factors: Sequence[ArrayLike | Tensor], *, return_error: Literal[False] = False
) -> Any: ...
@overload
def singular_values(
    factors: Sequence[ArrayLike | Tensor], *, return_error: Literal[True]
) -> SingularValues: ...
def singular_values(factors: Sequence[ArrayLike | Tensor], *, return_error: bool = False) -> Any:
    """Singular values of ``factors[0] @ factors[1] @ ...``; see `log_singular_values`.

    The error is that of the value, not of its logarithm.  It is always finite.

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
    found, error = _measured(given)
    mantissas, exponents = found.mantissas, found.exponents
    with np.errstate(over="ignore", under="ignore"):
        values = np.ldexp(mantissas, exponents)
    lost = (mantissas > 0) & ((values < np.finfo(float).tiny) | np.isinf(values))
    if lost.any():
        power = int(exponents[lost][0] * np.log10(2.0))
        raise OverflowError(
            f"a singular value near 1e{power:+d} is outside the range of float64: "
            "use log_singular_values"
        )
    if not return_error:
        _warn(found, error, given.batch)
        return given.like_input(values)
    # A value without a right digit lies below itself; one that was lost, below rounding.
    noise = EPS * np.sqrt(len(given.tensors) * max(given.widths)) * values.max(-1, keepdims=True)
    absolute = np.where(np.isinf(error), np.where(values > 0, values, noise), values)
    finite = np.where(np.isinf(error), 1.0, np.minimum(error, 1.0))
    return SingularValues(given.like_input(values), given.like_input(absolute * finite))


def _measured(given: Factors) -> tuple[Values, Array]:
    """Singular values of a product with the estimated errors of their logarithms, (K, r)."""
    factors, count = given.tensors, min(given.widths)
    if given.widths[0] < given.widths[-1]:  # start at the narrow end
        factors = _transposed(factors)
    values = graded_product.solve(factors, count)
    rng = np.random.default_rng(len(factors))
    gaps = []
    for _ in range(SHADOWS if count < FEW else 1):
        scales = rng.uniform(1, 2, len(factors))
        gaps.append(_gap(values.logs(), _logs_in_float32(factors, scales, count)))
    gap = np.max(gaps, axis=0)
    error = _shared(gap) / COARSER
    doubtful = (gap > TRUSTED).any(-1) | values.graded
    if doubtful.any():
        some = [factor[torch.from_numpy(doubtful).to(factor.device)] for factor in factors]
        first = values.logs()[doubtful]
        logs, error[doubtful] = _agreed(first, some, count)
        with np.errstate(invalid="ignore"):
            exponents = np.rint(np.nan_to_num(logs, neginf=0.0) / np.log(2.0)).astype(np.int64)
            mantissas = np.exp(logs - exponents * np.log(2.0))
        same = logs == first
        values.dropped[doubtful] |= ~same.all(-1)
        values.mantissas[doubtful] = np.where(same, values.mantissas[doubtful], mantissas)
        values.exponents[doubtful] = np.where(same, values.exponents[doubtful], exponents)
    zero = values.mantissas == 0
    error[zero] = np.where(np.broadcast_to(values.dropped[:, None], zero.shape)[zero], np.inf, 0.0)
    rounding = EPS * (1 + np.abs(np.where(zero, 0.0, values.logs())))
    return values, np.where(zero, error, np.where(error > LOST, np.inf, error + rounding))


def _agreed(first: Array, factors: Sequence[Tensor], count: int) -> tuple[Array, Array]:
    """Medians of logarithms over computations from both ends, with their deviation.

    The first logarithm is kept if it deviates no more.
    """
    rng, runs = np.random.default_rng(len(factors)), [first]
    for end in (factors, _transposed(factors)):
        for _ in range(REPEATS):
            scales = rng.uniform(1, 2, len(factors))
            moved = [factor * scale for factor, scale in zip(end, scales, strict=True)]
            runs.append(graded_product.solve(moved, count).logs() - np.log(scales).sum())
    middle = np.sort(runs, axis=0)[len(runs) // 2]
    error = np.median([_gap(run, middle) for run in runs], axis=0)
    error = _shared(error)
    kept = _gap(first, middle) <= np.maximum(error, 4 * EPS * np.abs(np.nan_to_num(middle)))
    return np.where(kept, first, middle), error


def _transposed(factors: Sequence[Tensor]) -> list[Tensor]:
    return [factor.mH for factor in reversed(factors)]


def _logs_in_float32(factors: Sequence[Tensor], scales: Array, count: int) -> Array:
    narrow, total = [], torch.zeros(len(factors[0]), dtype=torch.int64)
    for factor, scale in zip(factors, scales, strict=True):
        largest = factor.abs().amax((-2, -1))
        shift = torch.frexp(largest).exponent.long()
        if int(shift.abs().max()) > graded_product.PLAIN[24]:
            factor = scaled(factor, -shift[:, None, None])
            total = total + shift.cpu()
        factor = factor.to(torch.complex64 if factor.is_complex() else torch.float32)
        narrow.append(factor * float(scale))
    shifts: Array = total.numpy()[:, None] * np.log(2.0) - np.log(scales.astype(np.float32)).sum()
    return graded_product.solve(narrow, count).logs() + shifts


def _gap(one: Array, other: Array) -> Array:
    """Absolute difference of logarithms; 0 where both values are 0."""
    with np.errstate(invalid="ignore"):
        return np.where(one == other, 0.0, np.abs(one - other))


def _shared(gap: Array) -> Array:
    """The largest of each difference, all before it and the next; only its own if it is lost."""
    padded = np.pad(np.maximum.accumulate(gap, axis=1), ((0, 0), (1, 1)))
    shared = np.maximum(padded[:, :-2], padded[:, 2:])
    return np.maximum(gap, np.minimum(shared, LOST))


def _warn(values: Values, error: Array, batch: Sequence[int]) -> None:
    """Warn of values with less than half of the digits, by their places."""
    bad = np.argwhere(error > HALF)
    if not len(bad):
        return
    named = []
    for product, place in bad[:NAMED]:
        lost = "no digit" if values.mantissas[product, place] else "0 up to rounding"
        size = error[product, place]
        digits = lost if np.isinf(size) else f"relative error {size:.0e}"
        at = tuple(map(int, np.unravel_index(product, tuple(batch)))) if batch else ()
        where = f" of product {at if len(at) > 1 else at[0]}" if at else ""
        named.append(f"value {place + 1}{where} ({digits})")
    more = ", ..." if len(bad) > NAMED else ""
    warnings.warn(
        f"{len(bad)} of {error.size} singular values have lost digits: {', '.join(named)}{more}; "
        "return_error=True gives the errors of all",
        LinAlgWarning,
        stacklevel=3,
    )
