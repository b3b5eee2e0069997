"""Kinds of factors whose products have a known limit law, and how to sample them.

A factor is an ``out x in`` matrix A, where `out` and `in` are the widths of the layers it joins.
As the widths grow, `A'A` has a limit law, given by its S-transform with respect to the normalised
trace over the input

    S(z) = prod (p_j + z) / (variance * prod (c_i + z)),

so that a product of free factors has the product of such fractions.  Sources of the transforms:
D. Voiculescu, J. Operator Theory 18 (1987) 223 (definition, products); Z. Burda, R. A. Janik and
B. Waclaw, Phys. Rev. E 81 (2010) 041132, and G. Akemann, J. R. Ipsen and M. Kieburg, Phys. Rev. E
88 (2013) 052118 (Gaussian); A. Nica and R. Speicher, Lectures on the Combinatorics of Free
Probability (2006), lecture 14 (corners: a free compression by rate t turns S(z) into S(tz)).
That such matrices are asymptotically free: Voiculescu, Invent. Math. 104 (1991) 201.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from bnproof.simulate.random_matrices import Inexact

Number = int | float | Fraction
Roots = tuple[tuple[Fraction, ...], tuple[Fraction, ...]]


@dataclass(frozen=True)
class Gaussian:
    """Independent entries of mean square variance/in, out = ratio * in; S = 1/(variance(ratio+z)).

    Raises
    ------
    ValueError
        If `ratio` or `variance` is not a finite number > 0.
    """

    ratio: Number = 1
    variance: Number = 1

    def __post_init__(self) -> None:
        exact("ratio", self.ratio)
        exact("variance", self.variance)

    def roots(self, width: Fraction) -> Roots:
        """Negated roots c and p of the S-transform, times the relative input width."""
        return (width * exact("ratio", self.ratio),), ()

    def scale(self, width: Fraction) -> Fraction:
        """Scale of the squares: the factor beside the monic fraction of the roots."""
        return exact("variance", self.variance) / width

    def out(self, width: Fraction) -> Fraction:
        """Relative output width of the factor."""
        return width * exact("ratio", self.ratio)

    def rank(self, fan: int) -> int:
        """Upper bound on the rank, in addition to the two widths."""
        return fan

    def matrix(self, out: int, fan: int, beta: int, rng: np.random.Generator) -> Inexact:
        """Sample one matrix, real (beta 1) or complex (beta 2)."""
        entries = standard_gaussian((out, fan), beta, rng)
        entries *= sqrt(float(self.variance) / fan)
        return entries


@dataclass(frozen=True)
class Truncated:
    """The ``out x in`` corner of a Haar orthogonal or unitary matrix of size ambient * in.

    S = (ambient + z)/(ratio + z).  With ``ambient = ratio >= 1`` the columns are orthonormal, with
    ``ambient = 1 >= ratio`` the rows.

    Raises
    ------
    ValueError
        If `ratio` is not a finite number > 0, or `ambient` is below 1 or below `ratio`.
    """

    ambient: Number
    ratio: Number = 1

    def __post_init__(self) -> None:
        low = max(Fraction(1), exact("ratio", self.ratio))
        if exact("ambient", self.ambient) < low:
            raise ValueError(
                f"ambient must be >= max(1, ratio) = {float(low):g}, not {self.ambient!r}: "
                "a corner cannot be larger than its matrix"
            )

    def roots(self, width: Fraction) -> Roots:
        """As `Gaussian.roots`."""
        return (width * exact("ratio", self.ratio),), (width * exact("ambient", self.ambient),)

    def scale(self, width: Fraction) -> Fraction:
        """As `Gaussian.scale`."""
        del width
        return Fraction(1)

    def out(self, width: Fraction) -> Fraction:
        """As `Gaussian.out`."""
        return width * exact("ratio", self.ratio)

    def rank(self, fan: int) -> int:
        """As `Gaussian.rank`."""
        return fan

    def matrix(self, out: int, fan: int, beta: int, rng: np.random.Generator) -> Inexact:
        """As `Gaussian.matrix`."""
        size = max(out, fan, round(float(self.ambient) * fan))
        columns, triangle = torch.linalg.qr(
            torch.from_numpy(standard_gaussian((size, fan), beta, rng))
        )
        return (columns * triangle.diagonal().sgn())[:out].numpy()


@dataclass(frozen=True)
class Diagonal:
    """A square diagonal matrix in which a share `weights[k]` of entries has square `squares[k]`.

    Raises
    ------
    ValueError
        If a square is negative or not finite, a weight not > 0, the weights do not sum to 1 (within
        1e-12), the lengths differ, or every square is 0.
    """

    squares: Sequence[Number]
    weights: Sequence[Number]

    def __post_init__(self) -> None:
        object.__setattr__(self, "squares", tuple(self.squares))
        object.__setattr__(self, "weights", tuple(self.weights))
        if len(self.squares) != len(self.weights) or not self.squares:
            raise ValueError(
                "squares and weights must have the same length, at least 1, "
                f"not {len(self.squares)} and {len(self.weights)}"
            )
        for value in self.squares:
            if value != 0:
                exact("squares other than 0", value)
        total = self._total()
        if abs(total - 1) > Fraction(1, 10**12):
            raise ValueError(f"weights must sum to 1, not {float(total)!r}")
        if not any(self.squares):
            raise ValueError("squares must not all be 0: the product would be 0")

    def _total(self) -> Fraction:
        return sum((exact("weights", weight) for weight in self.weights), Fraction(0))

    def times(self, other: "Diagonal") -> "Diagonal":
        """Product of independent diagonals."""
        pairs = [(d * e, p * q) for d, p in self.law().items() for e, q in other.law().items()]
        zero = 1 - sum((p for _, p in pairs), Fraction(0))
        pairs += [(Fraction(0), zero)] if zero else []
        return Diagonal([d for d, _ in pairs], [p for _, p in pairs])

    def law(self) -> dict[Fraction, Fraction]:
        """Share of each nonzero square, in ascending order of the squares."""
        total = self._total()
        shares: dict[Fraction, Fraction] = {}
        for value, weight in zip(self.squares, self.weights, strict=True):
            if value != 0:
                at = exact("squares", value)
                shares[at] = shares.get(at, Fraction(0)) + exact("weights", weight) / total
        return dict(sorted(shares.items()))

    def roots(self, width: Fraction) -> Roots:
        """As `Gaussian.roots`, for a single nonzero square: a scaled projection."""
        ((_, share),) = self.law().items()
        return (width * share,), (width,)

    def scale(self, width: Fraction) -> Fraction:
        """As `Gaussian.scale`, for a single nonzero square."""
        del width
        ((square, _),) = self.law().items()
        return square

    def out(self, width: Fraction) -> Fraction:
        """As `Gaussian.out`."""
        return width

    def matrix(self, out: int, fan: int, beta: int, rng: np.random.Generator) -> Inexact:
        """As `Gaussian.matrix`: shares of `fan` rounded to integers, in random order."""
        del out
        values = np.repeat(np.sqrt(np.array(self.squares, dtype=float)), self._counts(fan))
        return np.diag(rng.permutation(values)).astype(float if beta == 1 else complex)

    def rank(self, fan: int) -> int:
        """As `Gaussian.rank`: the number of nonzero entries in `matrix`."""
        return int(sum(self._counts(fan)[np.array(self.squares) != 0]))

    def _counts(self, fan: int) -> NDArray[np.int_]:
        ends = np.rint(np.cumsum(np.array(self.weights, dtype=float)) * fan).astype(int)
        return np.diff(ends, prepend=0)


def mask(rate: Number) -> Diagonal:
    """A diagonal of zeros and ones with a share `rate` of ones: S = (1 + z)/(rate + z).

    The derivative of ReLU at activations of random sign is such a mask with rate 1/2.  J.
    Pennington, S. S. Schoenholz and S. Ganguli, AISTATS (2018) 1924, arXiv:1802.09979.

    Raises
    ------
    ValueError
        Unless 0 < rate <= 1.
    """
    share = exact("rate", rate)
    if share > 1:
        raise ValueError(f"rate must be in (0, 1], not {rate!r}")
    return Diagonal((1,), (1,)) if share == 1 else Diagonal((0, 1), (1 - share, share))


Factor = Gaussian | Truncated | Diagonal


def exact(name: str, value: Number) -> Fraction:
    """The simplest fraction that rounds to `value`, so that equal widths compare as equal.

    Raises
    ------
    ValueError
        If it is not a finite number > 0.
    """
    number = isinstance(value, int | float | Fraction | np.integer | np.floating)
    if not number or isinstance(value, bool) or not isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number > 0, not {value!r}")
    if isinstance(value, float | np.floating):
        simple = Fraction(float(value)).limit_denominator(10**6)
        return simple if float(simple) == float(value) else Fraction(float(value))
    return Fraction(value)


def standard_gaussian(shape: tuple[int, ...], beta: int, rng: np.random.Generator) -> Inexact:
    """Independent entries of mean square 1, real (beta 1) or complex (beta 2)."""
    if beta == 1:
        return rng.standard_normal(shape)
    pairs: NDArray[np.float64] = rng.standard_normal((*shape, 2))
    return pairs.view(complex)[..., 0] * sqrt(0.5)
