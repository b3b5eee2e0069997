"""The space of linear regressions: inputs X, targets t, initial weights w0, with and without BN."""

from functools import cached_property, partial
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.weights import Weighted
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
from bnproof.theory.layer import minimax as mnx

POSED: Final = 0.05  # least singular value of centred X, and least share of t in its span


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum(-1)


def _centred(array: Tensor) -> Tensor:
    return array - array.mean(1, keepdim=True)


def _least_squares(X: Tensor, t: Tensor) -> Tensor:
    """Solution of the normal equations, (K, d), differentiable; not finite if X is singular."""
    found: Tensor = torch.linalg.solve_ex(X.mT @ X, X.mT @ t.unsqueeze(-1)).result
    return found.squeeze(-1)


def _to_ray(point: Tensor, direction: Tensor) -> Tensor:
    along = _dot(point, direction).clamp(min=0) / _dot(direction, direction)
    return (point - along.unsqueeze(-1) * direction).square().sum(-1)


class RegressionModel(Graphed):
    """Symbols of K regressions, differentiable in X (K, m, d), t (K, m) and w0 (K, d)."""

    def __init__(self, params: Params) -> None:
        self.X, self.t, self.w0 = params["X"], params["t"], params["w0"]

    @cached_property
    def star(self) -> Tensor:
        """Optimal weights of the unit without the layer, (K, d)."""
        return _least_squares(self.X, self.t)

    @cached_property
    def direction(self) -> Tensor:
        """Optimal direction of the normalised unit: best correlated with the targets, (K, d)."""
        return _least_squares(_centred(self.X), self.t)


RegressionModel.VALUES = {
    mnx.star: lambda q: _dot(q.star, q.star),
    mnx.inner: lambda q: _dot(q.star, q.w0),
    mnx.d_std: lambda q: (q.w0 - q.star).square().sum(-1),
    mnx.d_ray: lambda q: _to_ray(q.w0, q.star),
    mnx.d_bn: lambda q: _to_ray(q.w0, q.direction),
    mnx.d_learned: lambda q: torch.minimum(_to_ray(q.w0, q.direction), _to_ray(q.w0, -q.direction)),
}
RegressionModel.MAGNITUDES = {
    mnx.inner: lambda q: _dot(q.star.abs(), q.w0.abs()),
    mnx.d_std: lambda q: (q.w0.abs() + q.star.abs()).square().sum(-1),
    **dict.fromkeys((mnx.d_ray, mnx.d_bn, mnx.d_learned), lambda q: _dot(q.w0, q.w0)),
}


class RegressionSpace(Boxed):
    """Regressions with one or two weights; exact data go to `minimax.regression`.

    Parameters
    ----------
    symbols
        Symbols of the relation and its domain.
    domain
        The claim's hypothesis: kept by the search itself, not by projection.
    """

    known = frozenset(RegressionModel.VALUES)
    sizes = ((2, 1), (3, 1), (3, 2), (4, 2))  # targets, weights
    usual = (3, 2)

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        del domain
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

    def model(self, params: Params) -> Measurements:
        """Symbols with their graph, by the normal equations."""
        return RegressionModel(params)

    def recorded(self, params: Params) -> Measurements:
        """Symbols as the sampler ``weights`` measures them, its optimum confirmed by autodiff."""
        X, t, w0 = (params[name].detach() for name in ("X", "t", "w0"))
        one = torch.ones_like(w0[:, :1])
        problems = Problems(t, one, 0 * one, 0 * one, lambda z: z.sum(-1))
        unit = one.squeeze(-1)
        return Weighted(X, w0, problems, (unit, unit, unit, t, t))

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.layer.minimax.regression`."""
        data = {name: point[name] for name in ("X", "t", "w0")}
        case = mnx.Regression.of(**{name: array.tolist() for name, array in data.items()})
        said = ", ".join(f"{name} = {spoken(array)}" for name, array in data.items())
        goal = "gamma and beta optimal" if self.learned else "gamma = 1, beta = 0"
        words = f"one linear unit, squared error, {said}, {goal}"
        listed = ", ".join(f"{name}={written(array)}" for name, array in data.items())
        source = (
            f'ExactCase(\n    "{words}",\n    partial(minimax.regression, '
            f"minimax.Regression.of({listed}), learned={self.learned}),\n)"
        )
        return Exact(
            ExactCase(words, partial(mnx.regression, case, learned=self.learned)), words, source
        )
