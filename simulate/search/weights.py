"""Search spaces of units and of whole layers with inputs X and weights W."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Final

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.definitions.losses import quadratic
from bnproof.simulate.samplers.layer import Layer
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.weights import Weighted
from bnproof.simulate.search.base import BOUND, Boxed, Exact, Params, Point, normal, spoken, written
from bnproof.simulate.search.layer import LayerSpace
from bnproof.theory.claim import Counterexample, ExactCase
from bnproof.theory.exact import cases as exact_cases
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import layer_curvature as lay

LEAST: Final = 1 / 8  # bound on the std of each unit's activations; smaller only changes units


class _WeightSpace(Boxed):
    """Layers of `units` units whose eps the claim's domain allows."""

    units: ClassVar[int]
    sizes = ((2, 1), (3, 2), (4, 2))  # batch size, inputs
    usual = (3, 2)

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        super().__init__(symbols, domain)
        # Handles eps: the conditions of the domain, and making sigma^2 + eps a square.
        self.layer = LayerSpace(symbols, domain)

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian data; every other loss is linear, gamma is log-normal with a random sign."""
        (m, d), n, draw = size, self.units, normal(count, generator)
        drawn = self.layer.random(count, m, generator)
        A = draw(m * n, m * n) * torch.arange(count).remainder(2).double()[:, None, None]
        gamma = draw(1, n).sign() * draw(1, n).exp()
        data = {"X": draw(m, d), "W": draw(d, n), "b": draw(m, n), "A": A}
        return data | {"gamma": gamma, "beta": draw(1, n), "eps": drawn["eps"].unsqueeze(-1)}

    def project(self, params: Params) -> None:
        """Keep entries in the box, eps in the domain, and activations non-constant."""
        super().project(params)
        params["eps"].clamp_(0.0, 0.0 if self.layer.ideal else BOUND)
        params["A"].copy_((params["A"] + params["A"].mT) / 2)
        spread = (params["X"] @ params["W"]).std(1, correction=0, keepdim=True)
        params["W"].mul_((LEAST / spread.clamp(min=1e-300)).clamp(1, 1e6))

    def posed(self, params: Params) -> Tensor:
        """Layers without a constant unit."""
        y = params["X"].detach() @ params["W"].detach()
        return y.std(1, correction=0).amin(-1) > LEAST / 2


class UnitSpace(_WeightSpace):
    """One unit; exact data go to `bnproof.theory.exact.cases.unit`."""

    units = 1
    known = frozenset({cur.lamW, cur.lamK, cur.lamH, cur.opX})

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``weights`` measures them, Hessians by double backward."""
        gamma, beta, eps = (params[name].flatten(1) for name in ("gamma", "beta", "eps"))
        X, w, b = params["X"], params["W"].squeeze(-1), params["b"].squeeze(-1)
        problems = Problems(b, gamma, beta, eps, quadratic(params["A"], b))
        ones = torch.ones_like(w[:, 0])
        return Weighted(X, w, problems, (ones, ones, ones, b, b), graph=graph)

    def repaired(self, point: Point) -> Point | None:
        """Make ``sigma**2 + eps`` the square of a rational."""
        flat = {"y": _activations(point), "eps": point["eps"].reshape(1)}
        fit = self.layer.repaired(flat)
        return None if fit is None else {**point, "eps": fit["eps"].reshape(1, 1)}

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.cases.unit`."""
        layer = {name: point[name].reshape(1) for name in ("gamma", "beta", "eps")}
        data = {"y": _activations(point), "b": point["b"][:, 0], "A": point["A"]}
        inner = self.layer.exact(data | layer)
        X, w = point["X"], point["W"][:, 0]
        case = Counterexample.of(
            **{name: array.tolist() for name, array in data.items()},
            **{name: array.item() for name, array in layer.items()},
        )
        words = f"X = {spoken(X)}, w = {spoken(w)}, {inner.words}"
        listed = ", ".join(
            [f"{name}={written(array)}" for name, array in data.items()]
            + [f"{name}={written(array.item())}" for name, array in layer.items()]
        )
        call = f"partial(exact_cases.unit, {written(X)}, {written(w)}, Counterexample.of({listed}))"
        return Exact(
            ExactCase(words, partial(exact_cases.unit, X.tolist(), w.tolist(), case)),
            words,
            f'ExactCase(\n    "{words}",\n    {call},\n)',
        )


def _activations(point: Point) -> np.ndarray:
    return np.asarray((point["X"] @ point["W"])[:, 0])


class WholeSpace(_WeightSpace):
    """Two units with a coupled loss.

    There are no exact data: the entries of K_j(h) involve h, an eigenvalue of a matrix of size mn,
    and sigma^2 + eps would have to be the square of a rational for both units.
    """

    units = 2
    known = frozenset({lay.lamW, lay.lamU, lay.h, cur.opX})

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``layer`` measures them, Hessians by double backward."""
        loss = quadratic(params["A"], params["b"].flatten(1))
        X, W, gamma, beta, eps = (params[name] for name in ("X", "W", "gamma", "beta", "eps"))
        return Layer(X, W, gamma, beta, eps, lambda z: loss(z.flatten(1)), graph=graph)

    def rounded(self, params: Params, index: int) -> Iterator[Point]:
        """None."""
        del params, index
        yield from ()

    def exact(self, point: Point) -> Exact:
        """Not available for a whole layer.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(f"no exact symbols of a whole layer at {point}")
