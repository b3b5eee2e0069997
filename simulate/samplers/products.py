"""Products of random matrices, and the laws that claims about them speak of, by numerical means.

Singular values come from products that are formed; a mean over matrices with independent entries,
which depends on their variance alone, from listing all matrices of signs; a mean over the
chi-squared law from the trapezoidal rule; the limiting density from the roots of the equation
``B = 1 + B^(M+1)/x``.  Angles and moments of the law are those of
`bnproof.simulate.samplers.fuss_catalan`.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import product
from math import pi
from typing import Any, Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers import fuss_catalan
from bnproof.simulate.samplers.base import Measurements, chunks
from bnproof.simulate.samplers.fuss_catalan import Law
from bnproof.simulate.samplers.fuss_catalan_curve import Curve
from bnproof.theory import symbols as sym
from bnproof.theory.claim import RandomTest
from bnproof.theory.random_matrices import products

CHUNK: Final = 500
SIZE: Final = 3  # of the matrices that are multiplied
SIGNS: Final = 2  # of the matrices of signs
LISTED: Final = 3  # products of signs with more factors are averaged factor by factor
LARGEST: Final = 12  # N in the law of one diagonal entry
STEPS: Final = torch.arange(-1440, 97, dtype=torch.float64) / 16  # exact in binary
POLISH: Final = 4


class Products(Measurements):
    """Symbols of `bnproof.theory.random_matrices.products` and of density (5) for K instances.

    Parameters
    ----------
    law
        Values of M and angles.
    matrices
        Factors, (K, M, N, N).
    constants
        One for each factor, (K, M).
    sizes, index
        N and k of the diagonal entry r_kk, (K,), integers as float64.
    """

    def __init__(
        self, law: Law, matrices: Tensor, constants: Tensor, sizes: Tensor, index: Tensor
    ) -> None:
        self.law, self.matrices, self.constants = law, matrices, constants
        self.sizes, self.index = sizes, index

    def singular(self, matrices: Tensor) -> Tensor:
        """Singular values of the products, descending, (K, N)."""
        whole = matrices[:, 0]
        for factor in matrices.unbind(1)[1:]:
            whole = whole @ factor
        return torch.linalg.svdvals(whole)

    @cached_property
    def plain(self) -> Tensor:
        """Singular values of X."""
        return self.singular(self.matrices)

    @cached_property
    def scaled(self) -> Tensor:
        """Singular values of the product of the scaled factors."""
        return self.singular(self.constants[..., None, None] * self.matrices)

    @property
    def freedom(self) -> Tensor:
        """``N - k + 1``, (K,)."""
        return self.sizes - self.index + 1

    @cached_property
    def log_diagonal(self) -> tuple[Tensor, Tensor]:
        """Mean of ``log r_kk``, where ``N r_kk^2`` has the chi-squared law, and its terms, (K,)."""
        t, half = STEPS.to(self.sizes.device), self.freedom[:, None] / 2
        exponent = half * t - t.exp() - torch.lgamma(half)
        values = (torch.log(2 / self.sizes)[:, None] + t) / 2 * exponent.exp()
        size = 1 + half * t.abs() + t.exp() + torch.lgamma(half).abs()
        step = STEPS[1] - STEPS[0]
        return step * values.sum(-1), step * (values.abs() * size).sum(-1)

    @cached_property
    def point(self) -> Tensor:
        """X of the angle, (K,)."""
        angle = self.law.angle
        return Curve(self.law.factors, angle, pi - angle).log_x.exp()

    @cached_property
    def root(self) -> Tensor:
        """The root of ``B^(M+1) - x(B - 1)`` of least positive argument, (K,)."""
        found = torch.empty(len(self.point), dtype=torch.complex128, device=self.point.device)
        for degree in self.law.factors.unique().int().tolist():
            here = self.law.factors == degree
            x = self.point[here]
            companion = torch.zeros(len(x), degree + 1, degree + 1, dtype=x.dtype, device=x.device)
            companion[:, 1:, :-1] = torch.eye(degree, dtype=x.dtype, device=x.device)
            companion[:, 0, -1] = -x
            companion[:, 1, -1] += x
            roots = torch.linalg.eigvals(companion)
            angles = torch.where(roots.imag > 0, roots.angle(), 4.0)
            B = roots.gather(1, angles.argmin(-1, keepdim=True)).squeeze(-1)
            for _ in range(POLISH):
                B = B - (B ** (degree + 1) - x * (B - 1)) / ((degree + 1) * B**degree - x)
            found[here] = B
        return found

    @property
    def root_size(self) -> Tensor:
        """Rounding error of `root` in units of the precision, (K,)."""
        B, x, M = self.root, self.point, self.law.factors
        terms = B.abs() ** (M + 1) * (M + 1) + x * (B.abs() + 1)
        return terms / ((M + 1) * B**M - x).abs()

    @cached_property
    def mean_square(self) -> Tensor:
        """Mean squared singular value of a product of matrices with entries of variance 1/N."""
        signs = torch.tensor(list(product((-1.0, 1.0), repeat=SIGNS**2)), dtype=torch.float64)
        one = signs.reshape(-1, SIGNS, SIGNS) / SIGNS**0.5
        means, gram = [], torch.eye(SIGNS, dtype=torch.float64).expand(1, -1, -1)
        for factor in range(int(self.law.factors.max())):
            gram = torch.einsum("aji,bjk,akl->abil", one, gram, one).flatten(0, 1)
            if factor >= LISTED - 1:  # the mean is linear in the Gram matrix so far
                gram = gram.mean(0, keepdim=True)
            means.append(gram.diagonal(dim1=-2, dim2=-1).sum(-1).mean() / SIGNS)
        return torch.stack(means).to(self.point.device)[self.law.factors.long() - 1]


def _moment(q: Products, order: int) -> Tensor:
    return q.law.expect((order * q.law.whole.log_x).exp())


Products.VALUES = {
    sym.M: lambda q: q.law.factors,
    sym.phi: lambda q: q.law.phi,
    sym.x: lambda q: q.point,
    sym.rho: lambda q: q.root.imag / (pi * q.point),
    sym.sv_second: lambda q: q.mean_square,
    sym.law_first: lambda q: _moment(q, 1),
    sym.law_second: lambda q: _moment(q, 2),
    products.N: lambda q: q.sizes,
    products.freedom: lambda q: q.freedom,
    products.psi: lambda q: torch.digamma(q.freedom / 2),
    products.log_r: lambda q: q.log_diagonal[0],
    products.kappa: lambda q: q.plain[:, 0] / q.plain[:, -1],
    products.kappa_scaled: lambda q: q.scaled[:, 0] / q.scaled[:, -1],
    products.constant: lambda q: q.constants.prod(-1),
    products.largest: lambda q: q.plain[:, 0],
    products.smallest: lambda q: q.plain[:, -1],
}
Products.MAGNITUDES = {
    # x is a power of order M, and its logarithm a sum of as many terms.
    sym.x: lambda q: q.point * (1 + q.law.factors) ** 2,
    sym.rho: lambda q: (q.root_size + q.root.imag * (1 + q.law.factors) ** 2) / (pi * q.point),
    sym.law_first: lambda q: q.law.expect(q.law.whole.log_x.exp() * (1 + q.law.whole.size)),
    sym.law_second: lambda q: q.law.expect((2 * q.law.whole.log_x).exp() * (1 + q.law.whole.size)),
    products.log_r: lambda q: q.log_diagonal[1],
    products.kappa: lambda q: (q.plain[:, 0] / q.plain[:, -1]) ** 2,
    products.kappa_scaled: lambda q: (q.scaled[:, 0] / q.scaled[:, -1]) ** 2,
}


def draw(count: int, size: int, seed: int, device: str) -> Products:
    """Draw `count` instances with M between `size` and ``2 size - 1``, and as many factors."""
    law = fuss_catalan.draw(count, size, seed, device)
    generator = torch.Generator().manual_seed(seed + 1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device)

    sizes = torch.randint(1, LARGEST + 1, (count,), generator=generator).double().to(device)
    share = torch.rand(count, generator=generator, dtype=torch.float64).to(device)
    index = 1 + (share * sizes).floor()
    return Products(law, normal(count, size, SIZE, SIZE), normal(count, size), sizes, index)


def possible(symbols: Iterable[sp.Symbol]) -> tuple[int, ...]:
    """Smallest numbers M of factors: with M below twice as many, these meet every M once."""
    del symbols
    return (1, 2, 4)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Products]]:
    """Yield (smallest M, instances): `total` of each, in chunks."""
    del domain
    for size, count, stream in chunks(spec.sizes, total, CHUNK, seed, apart=2):
        yield size, draw(count, size, stream, device)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, Any]:
    """Parameters that, with the seed, reproduce the instances."""
    return fuss_catalan.provenance(spec, domain) | {
        "matrices": f"{SIZE} x {SIZE}, standard normal, scaled by normal constants",
        "mean square": f"over all {SIGNS} x {SIGNS} matrices of signs",
        "diagonal entry": f"N up to {LARGEST}, any k",
    }
