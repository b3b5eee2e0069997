"""Singular values of the Jacobian of a deep network at initialisation, with a normaliser or none.

A layer maps x to phi(norm(W x)).  W has independent Gaussian entries of variance 1/fan-in, or
2/fan-in after a ReLU, which keeps the mean square.  The input is standard normal.  At such a point
the Jacobian is known exactly: that of a normaliser (eps = 0) is 1/s times the projection to what is
orthogonal to 1 and to its output, that of ReLU selects rows.  Each projection is factored into
orthonormal columns and their transpose, so that directions which it removes are left out of the
product instead of being computed as small numbers.

With BatchNorm the outputs of a batch depend on all its inputs.  Its Jacobian is that of the batch,
with a row and a column for every unit of every sample; otherwise it is that of one sample.

**Laws.**  Linear without normaliser: `bnproof.ProductLaw.of_widths`.  ReLU without normaliser: the
product of Gaussian matrices and masks of rate 1/2, although a mask depends on the weights before it
(L. Pastur, arXiv:2001.06188; J. Pennington, S. S. Schoenholz and S. Ganguli, AISTATS (2018) 1924).
LayerNorm: the same, as in each layer s tends to 1 and the projection removes two directions, which
moves no distribution function by more than two values (Cauchy's interlacing).  BatchNorm with a
batch of fixed size: no law is known to us.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.factor_kinds import Factor, Gaussian, mask
from bnproof.simulate.random_matrices.laws.products import ProductLaw
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import distance
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.simulate.random_matrices.spectra.spectrum import SingularLaw, Spectrum
from bnproof.theory.common.errors import UserError

Norm = Literal["none", "layer", "batch"]
Activation = Literal["linear", "relu"]
MOST: Final = 4096  # columns of the Jacobian of a batch
SPOKEN: Final = {"layer": "LayerNorm", "batch": "BatchNorm", "relu": "ReLU"}


@dataclass(frozen=True)
class NetworkSpectrum(Spectrum):
    """The nonzero singular values of Jacobians; rows of `logs` end in minus infinity if shorter."""

    norm: Norm = "none"
    activation: Activation = "linear"

    @cached_property
    def law(self) -> SingularLaw | None:
        """The limiting law of the nonzero values; None for BatchNorm."""
        if self.norm == "batch":
            return None
        if self.activation == "linear":
            return SingularLaw(self.widths)
        factors: list[Factor] = []
        for layer, (fan, out) in enumerate(pairwise(self.widths)):
            factors += [Gaussian(out / fan, 2 if layer else 1), mask(0.5)]
        return SingularLaw(self.widths, ProductLaw(factors))

    @cached_property
    def values(self) -> list[Array]:
        """Logarithms of the nonzero values of each Jacobian."""
        return [row[np.isfinite(row)] for row in self.logs]

    @property
    def condition(self) -> Array:
        """Decadic logarithm of the ratio of the largest and smallest nonzero value of each."""
        return np.array([(row[0] - row[-1]) / np.log(10) for row in self.values])

    @cached_property
    def distances(self) -> Array:
        """Distance of each Jacobian's nonzero values from the law; NaN if there is none."""
        if self.law is None:
            return np.full(len(self.logs), np.nan)
        return np.array([distance(np.exp(row), self.law) for row in self.values])


def jacobians(
    widths: Sequence[int],
    repeats: int,
    *,
    norm: Norm = "none",
    activation: Activation = "linear",
    batch: int = 16,
    seed: int = 0,
) -> NetworkSpectrum:
    """Spectra of the Jacobians of independent networks at initialisation.

    Parameters
    ----------
    widths
        n_0, ..., n_M of the M layers.
    repeats
        Number of networks.
    norm, activation
        What follows each linear map; ``"none"`` and ``"linear"`` leave it out.
    batch
        Number of samples in a batch; used by ``norm="batch"``.
    seed
        Random seed.

    Raises
    ------
    UserError
        If a batch or a layer is too small to be normalised, or the Jacobian of a batch too large.

    Examples
    --------
    >>> found = jacobians([8, 8, 8], 1, norm="batch", batch=5)
    >>> found.logs.shape  # of each unit, the batch loses two directions of five
    (1, 24)
    """
    if norm == "batch":
        if batch < 3:
            raise UserError(f"--batch {batch}: must be at least 3; with 2 all gradients vanish")
        if batch * max(widths) > MOST:
            raise UserError(
                f"--batch {batch}: the Jacobian of a batch has {batch * max(widths)} columns; with "
                f"width {max(widths)} give {max(3, MOST // max(widths))} or less, or narrow layers"
            )
    if norm == "layer" and min(widths[1:]) < 3:
        raise UserError(f"layers of {min(widths[1:])} units: LayerNorm needs at least 3")
    rows = []
    for number in range(repeats):
        rng = np.random.default_rng((seed, number, *widths))
        samples = batch if norm == "batch" else 1
        factors = factors_of(widths, samples, norm, activation, rng)
        if any(not factor.size for factor in factors):
            raise UserError(
                f"widths {','.join(map(str, widths))}: in network {number} no unit of a layer is "
                "active, and all derivatives are 0; give wider layers"
            )
        found = log_singular_values(factors[::-1], return_error=True)
        # Where no digit is right, rounding decides whether a value is 0.
        kept = np.where(np.isfinite(found.error), found.values, -np.inf)
        rows.append(np.sort(kept)[::-1])
    longest = max(len(row) for row in rows)
    padded = [np.pad(row, (0, longest - len(row)), constant_values=-np.inf) for row in rows]
    parts = " and ".join(SPOKEN[name] for name in (norm, activation) if name in SPOKEN)
    return NetworkSpectrum(
        f"M = {len(widths) - 1}{f', {parts}' if parts else ''}",
        tuple(widths),
        np.array(padded),
        {
            "Jacobian": parts or "linear layers",
            "samples": batch if norm == "batch" else 1,
            "seed": seed,
        },
        norm=norm,
        activation=activation,
    )


def factors_of(
    widths: Sequence[int],
    samples: int,
    norm: Norm,
    activation: Activation,
    rng: np.random.Generator,
    weights: list[Array] | None = None,
    inputs: list[Array] | None = None,
) -> list[Array]:
    """Matrices whose product is the Jacobian, up to an isometry on the left, the input's first.

    `weights` and `inputs` take what was drawn, if they are given.
    """
    x = rng.standard_normal((widths[0], samples))
    if inputs is not None:
        inputs.append(x)
    # Orthonormal directions of x, in which the product of the matrices so far is written.
    head = np.eye(widths[0] * samples).reshape(-1, widths[0], samples)
    found: list[Array] = []
    for layer, (fan, out) in enumerate(pairwise(widths)):
        gain = 2 if activation == "relu" and layer else 1
        W = rng.standard_normal((out, fan)) * (gain / fan) ** 0.5
        if weights is not None:
            weights.append(W)
        z = W @ x
        moved = W @ head  # (rows, out, samples)
        y, scale, basis = _normalised(z, norm)
        # What the normaliser keeps of each direction, over its scale.
        found.append(_onto(moved / scale, basis, norm).T)
        head = _columns(basis, norm, z.shape)
        x = y
        if activation == "relu":
            x = np.maximum(y, 0)
            kept = _active(x, basis, norm, last=layer == len(widths) - 2)
            found.append(kept.T @ head[:, x > 0].T)
            head = (kept.T @ np.eye(x.size)[(x > 0).ravel()]).reshape(-1, *x.shape)
    return found


def _normalised(z: Array, norm: Norm) -> tuple[Array, Array, Array | None]:
    """Output, scale, and a basis of the directions that are kept, for each group of numbers."""
    if norm == "none":
        return z, np.ones((1, 1)), None
    groups = z if norm == "batch" else z.T
    centred = groups - groups.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.square(centred).mean(axis=1, keepdims=True))
    y = centred / scale
    lost = np.stack([np.ones_like(y), y], axis=-1)
    basis = np.linalg.qr(lost, mode="complete")[0][:, :, 2:]
    return (y, scale, basis) if norm == "batch" else (y.T, scale.T, basis)


def _onto(moved: Array, basis: Array | None, norm: Norm) -> Array:
    """Coordinates of directions (rows, out, samples) in the basis, (rows, kept)."""
    if basis is None:
        return moved.reshape(len(moved), -1)
    if norm == "batch":
        return np.einsum("rnm,nmk->rnk", moved, basis, optimize=True).reshape(len(moved), -1)
    return moved[:, :, 0] @ basis[0]


def _active(x: Array, basis: Array | None, norm: Norm, *, last: bool) -> Array:
    """Orthonormal coordinates of what comes out of ReLU and is not removed, in its active entries.

    The next normaliser removes the direction of x itself, as its output does not depend on the
    scale.  A unit that is active for all samples of a batch but one has a direction less than
    active entries; then x is not among what comes out.
    """
    active = x > 0
    full = set(np.flatnonzero(active.sum(axis=1) > x.shape[1] - 2).tolist())
    if basis is not None and norm == "batch" and full:
        columns, start = [], 0
        for unit, row in enumerate(active):
            count = int(row.sum())
            block = np.linalg.qr(basis[unit][row])[0] if unit in full else np.eye(count)
            columns.append(np.zeros((int(active.sum()), block.shape[1])))
            columns[-1][start : start + count] = block
            start += count
        return np.concatenate(columns, axis=1)
    if norm == "none" or last:
        return np.eye(int(active.sum()))
    return np.linalg.qr(x[active][:, None], mode="complete")[0][:, 1:]


def _columns(basis: Array | None, norm: Norm, shape: tuple[int, ...]) -> Array:
    """The basis as directions (kept, out, samples)."""
    if basis is None:
        return np.eye(shape[0] * shape[1]).reshape(-1, *shape)
    if norm == "layer":
        return basis[0].T[:, :, None]
    units, samples, kept = basis.shape
    head = np.zeros((units, kept, units, samples))
    head[np.arange(units), :, np.arange(units)] = basis.transpose(0, 2, 1)
    return head.reshape(units * kept, units, samples)
