"""The space of pairs of least-squares problems: matrices A and A', the second worse conditioned."""

from functools import partial
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.least_squares import Pairs, Problem
from bnproof.simulate.search.base import (
    Boxed,
    Exact,
    Graphed,
    Params,
    Point,
    normal,
    spoken,
    written,
)
from bnproof.theory.claim import ExactCase
from bnproof.theory.exact import cases as exact_cases
from bnproof.theory.training import least_squares as quadratics

# Least sigma_min/sigma_max that is judged, so that curvatures keep 12 digits.
POSED: Final = 0.02
LEAST: Final = 1.0  # Frobenius norm of a matrix


class _One(Problem):
    """One problem with a matrix (K, n, d), differentiable in it; there is no target."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    @property
    def curvatures(self) -> Tensor:
        """Eigenvalues of the Hessian, (K, d)."""
        return self.singular**2

    @property
    def best(self) -> Tensor:
        """Smallest worst factor of a step, (K,).

        It is convex and piecewise linear in the rate, so smallest where two of its lines meet.
        """
        c = self.curvatures
        rates = 2 / (c.unsqueeze(-1) + c.unsqueeze(-2)).flatten(1)
        worst = (1 - rates.unsqueeze(-1) * c.unsqueeze(-2)).abs().amax(-1)
        return worst.amin(-1)

    @property
    def limit(self) -> Tensor:
        """Largest rate at which every factor stays between -1 and 1, (K,)."""
        return (2 / self.curvatures).amin(-1)

    @property
    def extremes(self) -> tuple[Tensor, Tensor]:
        """Gradient along the first and last singular direction at equal errors, and term sizes."""
        _, _, basis = torch.linalg.svd(self.matrix, full_matrices=False)
        ends = basis[:, [0, -1]]
        error = ends.sum(1, keepdim=True).mT
        along = ends @ self.matrix.mT @ (self.matrix @ error)
        A = self.matrix.abs()
        sizes = ends.abs() @ A.mT @ (A @ error.abs())
        return along.squeeze(-1), sizes.squeeze(-1)


class PairModel(Graphed):
    """Symbols of K pairs, differentiable in both matrices (K, n, d)."""

    def __init__(self, params: Params) -> None:
        self.first, self.second = _One(params["first"]), _One(params["second"])


def _squares(q: PairModel) -> tuple[Tensor, Tensor]:
    return q.second.condition.square(), q.first.condition.square()


PairModel.VALUES = {
    quadratics.largest: lambda q: q.first.singular[:, 0],
    quadratics.smallest: lambda q: q.first.singular[:, -1],
    quadratics.cond: lambda q: q.first.condition,
    quadratics.best: lambda q: q.first.best,
    quadratics.limit: lambda q: q.first.limit,
    quadratics.ratio: lambda q: q.first.ratio,
    quadratics.increase: lambda q: torch.sub(*_squares(q)),
    quadratics.best_2: lambda q: q.second.best,
    quadratics.limit_2: lambda q: q.second.limit,
    quadratics.ratio_2: lambda q: q.second.ratio,
}
PairModel.MAGNITUDES = {
    quadratics.ratio: lambda q: q.first.ratio_size,
    quadratics.ratio_2: lambda q: q.second.ratio_size,
    quadratics.increase: lambda q: torch.add(*_squares(q)),
    **dict.fromkeys(
        (quadratics.best, quadratics.best_2), lambda q: torch.full_like(q.first.limit, 2.0)
    ),
}


class PairSpace(Boxed):
    """Pairs of matrices; exact data go to `bnproof.theory.exact.cases.pair`.

    Parameters
    ----------
    symbols
        Symbols of the relation and its domain.
    domain
        The claim's hypothesis; where it compares the condition numbers, the matrices are exchanged
        so that the second is the worse one.
    """

    known = frozenset(PairModel.VALUES)
    sizes = ((2, 2), (3, 2), (3, 3), (4, 3))  # equations, unknowns
    usual = (3, 2)

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        del symbols
        self.ordered = quadratics.increase in domain.free_symbols

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian matrices."""
        draw = normal(count, generator)
        return {"first": draw(*size), "second": draw(*size)}

    def project(self, params: Params) -> None:
        """Keep matrices in the box and away from 0, and the second the worse conditioned."""
        super().project(params)
        for matrix in params.values():
            size = torch.linalg.matrix_norm(matrix, keepdim=True)
            matrix.mul_((LEAST / size.clamp(min=1e-300)).clamp(min=1))
        if self.ordered:
            A, B = params["first"].clone(), params["second"].clone()
            worse = (_One(A).condition > _One(B).condition)[:, None, None]
            params["first"].copy_(torch.where(worse, B, A))
            params["second"].copy_(torch.where(worse, A, B))

    def posed(self, params: Params) -> Tensor:
        """Points at which no condition number is too large for float64."""
        good = [_One(params[name].detach()).condition * POSED < 1 for name in ("first", "second")]
        return good[0] & good[1]

    def model(self, params: Params) -> Measurements:
        """Symbols with their graph, from singular values."""
        return PairModel(params)

    def recorded(self, params: Params) -> Measurements:
        """Symbols as the sampler ``quadratics`` measures them: rates are searched for."""
        first, second = (params[name].detach() for name in ("first", "second"))
        # No symbol depends on the targets.
        return Pairs(Problem(first, first[:, :, 0]), Problem(second, second[:, :, 0]))

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.cases.pair`."""
        A, B = point["first"], point["second"]
        words = f"A = {spoken(A)} and A' = {spoken(B)}"
        case = ExactCase(words, partial(exact_cases.pair, A.tolist(), B.tolist()))
        call = f"partial(exact_cases.pair, {written(A)}, {written(B)})"
        return Exact(case, words, f'ExactCase(\n    "{words}",\n    {call},\n)')
