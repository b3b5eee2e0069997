"""Search space of linear regressions with inputs X, targets t and initial weights w0."""

from functools import cached_property, partial
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, dot
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.weights import Weighted
from bnproof.simulate.search.base import Boxed, Exact, Params, Point, normal, spoken, written
from bnproof.theory.claim import ExactCase
from bnproof.theory.layer import minimax as mnx

POSED: Final = 0.05  # least singular value of centred X, and least share of t in its span


def _centred(array: Tensor) -> Tensor:
    return array - array.mean(1, keepdim=True)


def _least_squares(X: Tensor, t: Tensor) -> Tensor:
    """Solution of the normal equations, (K, d), differentiable; not finite if X is singular."""
    solution: Tensor = torch.linalg.solve_ex(X.mT @ X, X.mT @ t.unsqueeze(-1)).result
    return solution.squeeze(-1)


class _Differentiable(Weighted):
    """The sampler ``weights`` with optima by the normal equations, finite or not."""

    @cached_property
    def star(self) -> Tensor:
        """Optimal weights of the unit without the layer, (K, d)."""
        return _least_squares(self.X, self.target)

    @cached_property
    def normalised_star(self) -> Tensor:
        """Optimal direction of the normalised unit, best correlated with the targets, (K, d)."""
        return _least_squares(_centred(self.X), self.target)

    def along(self, direction: Tensor) -> Tensor:
        """Multiple of `direction` nearest to w, (K, 1)."""
        return (dot(self.w, direction) / dot(direction, direction)).unsqueeze(-1)


class RegressionSpace(Boxed):
    """Regressions with one or two weights; exact data go to `minimax.regression`."""

    known = frozenset({mnx.star, mnx.inner, mnx.d_std, mnx.d_ray, mnx.d_bn, mnx.d_learned})
    sizes = ((2, 1), (3, 1), (3, 2), (4, 2))  # targets, weights
    usual = (3, 2)

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        super().__init__(symbols, domain)
        self.learned = mnx.d_learned in symbols

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian data."""
        draw = normal(count, generator)
        return {"X": draw(*size), "t": draw(size[0]), "w0": draw(size[1])}

    def posed(self, params: Params) -> Tensor:
        """Points whose optima are unique: centred X of full rank, t not orthogonal to its span."""
        X, t = _centred(params["X"]), params["t"]
        left, size, _ = torch.linalg.svd(X, full_matrices=False)
        along = (left.mT @ t.unsqueeze(-1)).squeeze(-1).norm(dim=-1)
        posed: Tensor = (size.amin(-1) > POSED) & (along > POSED * t.norm(dim=-1))
        return posed

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``weights`` measures them; only without graph it verifies them."""
        X, t, w0 = (params[name] for name in ("X", "t", "w0"))
        column = torch.ones_like(w0[:, :1])
        ones = column.squeeze(-1)
        problems = Problems(t, column, 0 * column, 0 * column, lambda z: z.sum(-1))
        kind = _Differentiable if graph else Weighted
        return kind(X, w0, problems, (ones, ones, ones, t, t), graph=graph)

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.layer.minimax.regression`."""
        data = {name: point[name] for name in ("X", "t", "w0")}
        case = mnx.Regression.of(**{name: array.tolist() for name, array in data.items()})
        shown = ", ".join(f"{name} = {spoken(array)}" for name, array in data.items())
        goal = "gamma and beta optimal" if self.learned else "gamma = 1, beta = 0"
        words = f"one linear unit, squared error, {shown}, {goal}"
        listed = ", ".join(f"{name}={written(array)}" for name, array in data.items())
        source = (
            f'ExactCase(\n    "{words}",\n    partial(minimax.regression, '
            f"minimax.Regression.of({listed}), learned={self.learned}),\n)"
        )
        return Exact(
            ExactCase(words, partial(mnx.regression, case, learned=self.learned)), words, source
        )
