"""Pairs of random least-squares problems: curvature by autodiff, learning rates by search.

K pairs of matrices A, A' (K, n, d), where A' has the larger condition number.  The best and the
largest stable learning rate are found by search, without a formula.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import (
    Measurements,
    apply,
    chunks,
    jacobian,
    least_squares,
    normals,
)
from bnproof.theory.claim import RandomTest
from bnproof.theory.training import least_squares as quadratics

CHUNK: Final = 2_000
STEPS: Final = 120


class Problem:
    """K least-squares problems ``|Ax - y|^2/2`` with matrices (K, n, d) and targets (K, n)."""

    def __init__(self, matrix: Tensor, target: Tensor) -> None:
        self.matrix, self.target = matrix, target

    def gradient(self, x: Tensor, *, create_graph: bool = False) -> Tensor:
        """Gradient at x (K, d) by autodiff; x must require gradients."""
        rest = apply(self.matrix, x) - self.target
        return torch.autograd.grad(rest.square().sum() / 2, x, create_graph=create_graph)[0]

    @cached_property
    def hessian(self) -> Tensor:
        """Hessian (K, d, d) by double backward."""
        x = torch.zeros_like(self.matrix[:, 0]).requires_grad_()
        gradient = self.gradient(x, create_graph=True)
        return jacobian(gradient, x)

    @cached_property
    def curvatures(self) -> Tensor:
        """Eigenvalues of the Hessian, (K, d)."""
        return torch.linalg.eigvalsh(self.hessian)

    @cached_property
    def singular(self) -> Tensor:
        """Singular values of A, descending, (K, d)."""
        return torch.linalg.svdvals(self.matrix)

    @property
    def condition(self) -> Tensor:
        """Condition number of A, (K,)."""
        return self.singular[:, 0] / self.singular[:, -1]

    def factor(self, rate: Tensor) -> Tensor:
        """Norm of ``1 - rate Hessian``: the worst factor on the error in one step, (K,)."""
        return (1 - rate.unsqueeze(-1) * self.curvatures).abs().amax(-1)

    @property
    def far(self) -> Tensor:
        """A learning rate that is certainly unstable, (K,), as trace <= d lambda_max."""
        return 4 * self.curvatures.shape[1] / self.hessian.diagonal(dim1=1, dim2=2).sum(-1)

    @cached_property
    def best(self) -> Tensor:
        """The smallest worst factor over all learning rates, by ternary search (it is convex)."""
        low, high = torch.zeros_like(self.far), self.far
        for _ in range(STEPS):
            third = (high - low) / 3
            better = self.factor(low + third) < self.factor(high - third)
            low, high = (
                torch.where(better, low, low + third),
                torch.where(better, high - third, high),
            )
        return self.factor((low + high) / 2)

    @cached_property
    def limit(self) -> Tensor:
        """The largest learning rate at which no component grows, by bisection."""
        low, high = torch.zeros_like(self.far), self.far
        for _ in range(STEPS):
            middle = (low + high) / 2
            stable = self.factor(middle) <= 1
            low, high = torch.where(stable, middle, low), torch.where(stable, high, middle)
        return low

    @cached_property
    def extremes(self) -> tuple[Tensor, Tensor]:
        """Gradient along the first and last singular direction at equal errors, and term sizes."""
        _, _, basis = torch.linalg.svd(self.matrix, full_matrices=False)
        ends = basis[:, [0, -1]]
        solution = least_squares(self.matrix, self.target)
        x = (solution + ends.sum(1)).requires_grad_()
        along = apply(ends, self.gradient(x))
        A, x = self.matrix.abs(), x.detach().abs()
        terms = apply(A, x) + self.target.abs()
        return along, apply(ends.abs(), apply(A.mT, terms))

    @property
    def ratio(self) -> Tensor:
        """Ratio of the two gradients, (K,)."""
        along = self.extremes[0].abs()
        return along[:, 0] / along[:, 1]

    @property
    def ratio_size(self) -> Tensor:
        """The ratio times the relative size of the terms in each gradient, (K,)."""
        along, sizes = self.extremes
        return self.ratio * (sizes / along.abs()).sum(-1)


class Pairs(Measurements):
    """Symbols of `training.least_squares` on K pairs; the second is worse conditioned."""

    def __init__(self, first: Problem, second: Problem, *, graph: bool = False) -> None:
        self.first, self.second, self.graph = first, second, graph


def _increase(join: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Pairs], Tensor]:
    return lambda q: join(q.second.condition.square(), q.first.condition.square())


Pairs.VALUES = {
    quadratics.largest: lambda q: q.first.singular[:, 0],
    quadratics.smallest: lambda q: q.first.singular[:, -1],
    quadratics.cond: lambda q: q.first.condition,
    quadratics.cond_2: lambda q: q.second.condition,
    quadratics.best: lambda q: q.first.best,
    quadratics.limit: lambda q: q.first.limit,
    quadratics.ratio: lambda q: q.first.ratio,
    quadratics.increase: _increase(torch.sub),
    quadratics.best_2: lambda q: q.second.best,
    quadratics.limit_2: lambda q: q.second.limit,
    quadratics.ratio_2: lambda q: q.second.ratio,
}
Pairs.MAGNITUDES = {
    quadratics.ratio: lambda q: q.first.ratio_size,
    quadratics.ratio_2: lambda q: q.second.ratio_size,
    quadratics.increase: _increase(torch.add),
    # 1 and alpha times the largest curvature cancel in a factor.
    quadratics.best: lambda q: torch.ones_like(q.first.best) * 2,
    quadratics.best_2: lambda q: torch.ones_like(q.first.best) * 2,
}


def draw(count: int, size: int, seed: int, device: str) -> Pairs:
    """Draw `count` pairs with `size` unknowns and twice as many equations; column scales vary.

    Raises
    ------
    ValueError
        If `count` < 1 or `size` < 2.
    """
    if count < 1 or size < 2:
        raise ValueError(f"count = {count}, unknowns = {size}: need count >= 1 and unknowns >= 2")
    normal = normals(seed, device)
    scale = normal(2, count, 1, 1).exp() * (normal(2, count, 1, size) / 2).exp()
    matrix = normal(2, count, 2 * size, size) * scale
    target = normal(2, count, 2 * size)
    values = torch.linalg.svdvals(matrix)
    worse = (values[..., 0] / values[..., -1]).argmax(0)
    each = torch.arange(count, device=worse.device)
    first, second = ((matrix[which, each], target[which, each]) for which in (1 - worse, worse))
    return Pairs(Problem(*first), Problem(*second))


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Numbers of unknowns."""
    del symbols
    return range(2, 13)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Pairs]]:
    """Yield (unknowns, pairs): `total` of each size, in chunks."""
    del domain
    for size, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        yield size, draw(count, size, stream, device)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the pairs."""
    del domain
    return {
        "unknowns": list(spec.sizes),
        "equations": [2 * size for size in spec.sizes],
        "matrices": "normal, columns and whole scaled log-normally; the second of larger kappa",
        "dtype": "float64",
    }
