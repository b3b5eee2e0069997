"""Search space of pairs of least-squares problems: matrices A and A', A' worse conditioned."""

from functools import cached_property, partial
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.least_squares import Pairs, Problem
from bnproof.simulate.search.base import Boxed, Exact, Params, Point, normal, spoken, written
from bnproof.theory.claim import ExactCase
from bnproof.theory.exact import least_squares as exact_least_squares
from bnproof.theory.training import least_squares as quadratics

# Smallest sigma_min/sigma_max that is judged, so that curvatures keep 12 digits.
POSED: Final = 0.02
LEAST: Final = 1.0  # Frobenius norm of a matrix


class _Differentiable(Problem):
    """Problems that take rates and gradients from formulas that have a slope."""

    @cached_property
    def curvatures(self) -> Tensor:
        """Eigenvalues of the Hessian, (K, d)."""
        return self.singular**2

    @cached_property
    def best(self) -> Tensor:
        """Smallest worst factor of a step, (K,).

        It is convex and piecewise linear in the rate: minimal where two of its lines meet.
        """
        c = self.curvatures
        rates = 2 / (c.unsqueeze(-1) + c.unsqueeze(-2)).flatten(1)
        worst = (1 - rates.unsqueeze(-1) * c.unsqueeze(-2)).abs().amax(-1)
        return worst.amin(-1)

    @cached_property
    def limit(self) -> Tensor:
        """Largest rate at which every factor stays between -1 and 1, (K,)."""
        return (2 / self.curvatures).amin(-1)

    @cached_property
    def extremes(self) -> tuple[Tensor, Tensor]:
        """Gradient along the first and last singular direction at equal errors, and term sizes."""
        _, _, basis = torch.linalg.svd(self.matrix, full_matrices=False)
        ends = basis[:, [0, -1]]
        error = ends.sum(1, keepdim=True).mT
        along = ends @ self.matrix.mT @ (self.matrix @ error)
        A = self.matrix.abs()
        sizes = ends.abs() @ A.mT @ (A @ error.abs())
        return along.squeeze(-1), sizes.squeeze(-1)


class PairSpace(Boxed):
    """Pairs of matrices; exact data go to `bnproof.theory.exact.least_squares.pair`.

    If the domain compares the condition numbers, `project` swaps the matrices so that the second is
    worse conditioned.
    """

    known = frozenset(Pairs.VALUES)
    sizes = ((2, 2), (3, 2), (3, 3), (4, 3))  # equations, unknowns
    usual = (3, 2)

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        super().__init__(symbols, domain)
        self.ordered = quadratics.increase in domain.free_symbols

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian matrices."""
        draw = normal(count, generator)
        return {"first": draw(*size), "second": draw(*size)}

    def project(self, params: Params) -> None:
        """Keep matrices in the box and away from 0, and in the order of their conditioning."""
        super().project(params)
        for matrix in params.values():
            size = torch.linalg.matrix_norm(matrix, keepdim=True)
            matrix.mul_((LEAST / size.clamp(min=1e-300)).clamp(min=1))
        if self.ordered:
            A, B = params["first"].clone(), params["second"].clone()
            first, second = self._conditions(params)
            worse = (first > second)[:, None, None]
            params["first"].copy_(torch.where(worse, B, A))
            params["second"].copy_(torch.where(worse, A, B))

    def posed(self, params: Params) -> Tensor:
        """Points whose condition numbers are not too large for float64."""
        first, second = self._conditions(params)
        return (first * POSED < 1) & (second * POSED < 1)

    def _conditions(self, params: Params) -> tuple[Tensor, Tensor]:
        """Condition numbers of both matrices, (K,) each."""
        pair = self.measured(params)
        return pair.first.condition.detach(), pair.second.condition.detach()

    def measured(self, params: Params, *, graph: bool = False) -> Pairs:
        """Symbols as the sampler ``quadratics`` measures them; without graph rates are searched."""
        kind = _Differentiable if graph else Problem
        # No symbol depends on the targets.
        first, second = (kind(params[name], params[name][:, :, 0]) for name in ("first", "second"))
        return Pairs(first, second, graph=graph)

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.least_squares.pair`."""
        A, B = point["first"], point["second"]
        words = f"A = {spoken(A)} and A' = {spoken(B)}"
        case = ExactCase(words, partial(exact_least_squares.pair, A.tolist(), B.tolist()))
        call = f"partial(exact_least_squares.pair, {written(A)}, {written(B)})"
        return Exact(case, words, f'ExactCase(\n    "{words}",\n    {call},\n)')
