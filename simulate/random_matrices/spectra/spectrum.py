"""Spectra of Gaussian products and of given weights, compared with the limiting law.

Everything is on the scale of the law: entries of the i-th matrix have mean square 1/n_(i-1).
Given weights are normalised by their own mean squares, which preserves the ratios of singular
values.  Logarithms are stored, as the values of a long product leave the range of float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import psi
from torch import Tensor

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.laws.products import ProductLaw
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import distance
from bnproof.simulate.random_matrices.spectra.sampling import BETA, Field, sample_singular_values
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.theory.common.errors import UserError

LONGEST: Final = 80  # characters of a displayed name
DIGITS: Final = 12.0  # digits of the condition number up to which multiplying out is accurate


class SingularLaw:
    """Limiting law of the nonzero singular values of ``W_M ... W_1``.

    Parameters
    ----------
    widths
        n_0, ..., n_M; the law depends only on their ratios.
    squares
        The law of the squares if it is not that of Gaussian matrices alone.
    """

    def __init__(self, widths: Sequence[int], squares: ProductLaw | None = None) -> None:
        self.widths = tuple(widths)
        factors = len(widths) - 1
        self._law: FussCatalan | ProductLaw
        if squares is not None:
            self._law, self._zeros = squares, squares.atoms.get(0.0, 0.0)
        else:
            square = len(set(widths)) == 1
            self._law = FussCatalan(factors) if square else ProductLaw.of_widths(widths)
            self._zeros = 1 - min(widths) / widths[0]

    def support(self) -> tuple[float, float]:
        """Both ends of the support."""
        low, high = self._law.support()
        return float(np.sqrt(low)), float(np.sqrt(high))

    def pdf(self, s: ArrayLike) -> Array:
        """Density of s, s > 0."""
        s = np.asarray(s, dtype=float)
        return 2 * s * self._law.pdf(s * s) / (1 - self._zeros)

    def cdf(self, s: ArrayLike) -> Array:
        """Distribution function of s, s > 0."""
        s = np.asarray(s, dtype=float)
        return (self._law.cdf(s * s) - self._zeros) / (1 - self._zeros)


@dataclass(frozen=True)
class Spectrum:
    """Logarithms of singular values with their origin.

    Attributes
    ----------
    name
        Name shown in figures.
    widths
        n_0, ..., n_M.
    logs
        Natural logarithms, (repeats, min(widths)), each row descending; minus infinity for 0.
    provenance
        Data needed to reproduce them.
    outliers
        How many of the largest values lie beyond the edge of the law.
    """

    name: str
    widths: tuple[int, ...]
    logs: Array = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    outliers: int = 0

    @cached_property
    def law(self) -> SingularLaw | None:
        """The limiting law of these widths; None if there is none, as for some Jacobians."""
        return SingularLaw(self.widths)

    @property
    def condition(self) -> Array:
        """Decadic logarithm of the condition number of each product, (repeats,)."""
        return (self.logs[:, 0] - self.logs[:, -1]) / np.log(10)

    @cached_property
    def distances(self) -> Array:
        """Kolmogorov-Smirnov distance of each product's values from the law, (repeats,).

        Values below the range of float64 count as 0, which changes a distance only by the mass of
        the law there, below rounding.
        """
        with np.errstate(under="ignore"):
            values = np.exp(self.logs)
        law = self.law
        assert law is not None
        return np.array([distance(row, law) for row in values])

    def numbers(self) -> dict[str, object]:
        """Measured values as JSON data."""
        law = self.law
        finite = np.isfinite(self.condition)
        return {
            "name": self.name,
            "widths": list(self.widths),
            "products": len(self.logs),
            "values of each": self.logs.shape[1],
            "support of the law": list(law.support()) if law else None,
            "largest log s": float(self.logs.max()),
            "distance from the law, one product, mean": (
                float(self.distances.mean()) if law else None
            ),
            "median of log10 of the condition number": (
                float(np.median(self.condition)) if finite.all() else None
            ),
            "values that are 0": int(np.isneginf(self.logs).sum()),
            **self.provenance,
        }


def condition_digits(widths: Sequence[int], kind: Field) -> float:
    """Estimate log10 of the condition number of a product from its Lyapunov exponents.

    Uses the largest minus the smallest exponent for the smallest width, which is exact for square
    factors in the limit of large M.
    """
    size, beta = min(widths), BETA[kind]
    gap = float(psi(beta * size / 2) - psi(beta / 2)) / 2
    return (len(widths) - 1) * gap / float(np.log(10))


def is_graded(widths: Sequence[int], kind: Field) -> bool:
    """Whether the singular values of a product spread too far for it to be multiplied out."""
    return condition_digits(widths, kind) > DIGITS


def sampled(
    widths: Sequence[int], repeats: int, *, kind: Field = "real", seed: int = 0, device: str = "cpu"
) -> Spectrum:
    """Spectra of independent Gaussian products ``W_M ... W_1``.

    If the condition number is too large for multiplying out to be accurate, dense factors are
    sampled and every value is computed with a small relative error, which takes longer.

    Raises
    ------
    ValueError
        As `sample_singular_values`.
    """
    exact = is_graded(widths, kind)
    if exact:
        logs = np.concatenate(
            [_exact_logs(_layers(widths, kind, seed, number, device)) for number in range(repeats)]
        )
    else:
        values = sample_singular_values(widths, repeats, field=kind, seed=seed, device=device)
        logs = np.log(values.numpy())
    method = "every value to a small relative error" if exact else "multiplied out"
    return Spectrum(
        f"M = {len(widths) - 1}",
        tuple(widths),
        logs,
        {"entries": kind, "seed": seed, "device": device, "method": method},
    )


def _exact_logs(layers: Sequence[Tensor]) -> NDArray[np.float64]:
    """Logarithms of the singular values of products of given layers, one row per product."""
    found = log_singular_values(layers, return_error=True)
    return np.atleast_2d(found.values.cpu().numpy())


def _layers(
    widths: Sequence[int], kind: Field, seed: int, number: int, device: str
) -> list[Tensor]:
    """Transposed Gaussian layers of one product, input first."""
    rng = np.random.default_rng((seed, number, BETA[kind], *widths))
    layers = []
    for fan, out in pairwise(widths):
        entries = rng.standard_normal((fan, out))
        if kind == "complex":
            entries = (entries + 1j * rng.standard_normal((fan, out))) / np.sqrt(2)
        layers.append(torch.from_numpy(entries / np.sqrt(fan)).to(device))
    return layers


def given(weights: Mapping[str, Tensor]) -> list[Spectrum]:
    """The spectrum of each weight matrix, and of their product if they chain.

    Parameters
    ----------
    weights
        Matrices (n_i, n_(i-1)) as in PyTorch's linear layers, starting at the input.

    Raises
    ------
    UserError
        If there is none, or one is not a matrix, is not finite, or is 0.
    """
    if not weights:
        raise UserError("no weight matrices given; name layers that are matrices")
    standard = {name: _standard(name, weight) for name, weight in weights.items()}
    spectra = [_spectrum(name, [matrix]) for name, matrix in standard.items()]
    chain = list(standard.values())
    chains = all(left.shape[0] == right.shape[1] for left, right in pairwise(chain))
    if len(chain) > 1 and chains:
        spectra.append(_spectrum(f"product of {len(chain)}", chain))
    return spectra


def _spectrum(name: str, matrices: Sequence[Tensor]) -> Spectrum:
    widths = (matrices[0].shape[1], *(matrix.shape[0] for matrix in matrices))
    return Spectrum(shown(name), widths, _exact_logs([matrix.mT for matrix in matrices]))


def shown(name: str) -> str:
    """A name from a file, made safe for a terminal and a figure."""
    return "".join(symbol if symbol.isprintable() else "?" for symbol in name)[:LONGEST]


def _standard(name: str, weight: Tensor) -> Tensor:
    """A weight with entries of mean square 1/fan-in, in float64."""
    if weight.dim() != 2 or not weight.numel():
        raise UserError(f"{name}: shape {tuple(weight.shape)}; it must be a matrix")
    matrix = weight.to(torch.complex128 if weight.is_complex() else torch.float64)
    if not torch.isfinite(matrix).all():
        raise UserError(f"{name}: holds NaN or infinity; fix the weights")
    largest = matrix.abs().max()
    if largest == 0:
        raise UserError(f"{name}: all entries are 0; leave it out")
    matrix = matrix / largest  # so that no square overflows or underflows
    scale = matrix.abs().square().mean().sqrt()
    return matrix / scale / matrix.shape[1] ** 0.5
