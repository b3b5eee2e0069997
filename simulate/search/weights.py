"""Search spaces of units and of whole layers with inputs X and weights W."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Final

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.definitions.losses import quadratic
from bnproof.simulate.samplers.layer import Layer
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.weights import Weighted
from bnproof.simulate.search.base import (
    BOUND,
    Boxed,
    Exact,
    Params,
    Point,
    near,
    normal,
    spoken,
    written,
)
from bnproof.simulate.search.layer import LayerSpace
from bnproof.theory.claim import Counterexample, ExactCase
from bnproof.theory.exact import weights as exact_weights
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import layer_curvature as lay
from bnproof.theory.layer import minimax as mnx
from bnproof.theory.layer import weights as wts

LEAST: Final = 1 / 8  # bound on the std of each unit's activations; smaller only changes units
# Variables of one unit that are free only if a statement has one of these symbols.
FREE: Final = {
    "c": frozenset({wts.c, wts.loss_cw, wts.grad_ck, wts.hess_cki, mnx.nn_c}),
    "eta": frozenset({wts.eta, wts.after}),
}
GRADIENTS: Final = frozenset(
    {wts.ww, wts.nw, wts.nn, wts.loss_w, wts.grad_k, wts.hess_ki, wts.hessw_k, wts.Xy_k, wts.PXHy_k}
)


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
    """One unit; exact data go to `bnproof.theory.exact.weights.unit`."""

    units = 1
    known = frozenset(Measured.VALUES).union(
        {cur.lamW, cur.lamK, cur.lamH, cur.opX}, GRADIENTS, *FREE.values()
    )

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        super().__init__(symbols, domain)
        self.free = [name for name, uses in FREE.items() if uses & symbols]

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian data, as for every layer; c and eta are log-normal."""
        data = super().random(count, size, generator)
        return data | {name: normal(count, generator)(1).exp() for name in self.free}

    def project(self, params: Params) -> None:
        """Keep c and eta positive besides."""
        super().project(params)
        for name in self.free:
            params[name].abs_().clamp_(min=LEAST)

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``weights`` measures them, Hessians by double backward."""
        gamma, beta, eps = (params[name].flatten(1) for name in ("gamma", "beta", "eps"))
        X, w, b = params["X"], params["W"].squeeze(-1), params["b"].squeeze(-1)
        problems = Problems(b, gamma, beta, eps, quadratic(params["A"], b))
        ones = torch.ones_like(gamma)
        c, eta = (params.get(name, ones).squeeze(-1) for name in FREE)
        return Weighted(X, w, problems, (c, eta, ones.squeeze(-1), b, b), graph=graph)

    def rounded(self, params: Params, index: int) -> Iterator[Point]:
        """Rational points whose activations are close integer vectors, by the last input."""
        floats = {name: tensor[index].detach().cpu() for name, tensor in params.items()}
        close = self.layer.close((floats["X"] @ floats["W"])[:, 0])
        for parts in (1, 2, 4):
            point = {name: near(tensor, parts) for name, tensor in floats.items()}
            X, w = point["X"], point["W"][:, 0]
            for y in close if w[-1] else ():
                last = (y - X[:, :-1] @ w[:-1]) / w[-1]
                fit = self.repaired({**point, "X": np.column_stack([X[:, :-1], last])})
                if fit is not None:
                    yield fit

    def repaired(self, point: Point) -> Point | None:
        """Make ``sigma**2 + eps`` the square of a rational; None if c or eta is not positive."""
        if any(point[name].item() <= 0 for name in self.free):
            return None
        flat = {"y": _activations(point), "eps": point["eps"].reshape(1)}
        fit = self.layer.repaired(flat)
        return None if fit is None else {**point, "eps": fit["eps"].reshape(1, 1)}

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.weights.unit`."""
        layer = {name: point[name].reshape(1) for name in ("gamma", "beta", "eps")}
        data = {"y": _activations(point), "b": point["b"][:, 0], "A": point["A"]}
        inner = self.layer.exact(data | layer)
        X, w = point["X"], point["W"][:, 0]
        case = Counterexample.of(
            **{name: array.tolist() for name, array in data.items()},
            **{name: array.item() for name, array in layer.items()},
        )
        free = {name: point[name].item() for name in self.free}
        words = f"X = {spoken(X)}, w = {spoken(w)}, {inner.words}"
        words += "".join(f", {name} = {value}" for name, value in free.items())
        listed = ", ".join(
            [f"{name}={written(array)}" for name, array in data.items()]
            + [f"{name}={written(array.item())}" for name, array in layer.items()]
        )
        more = "".join(f", {name}={written(value)}" for name, value in free.items())
        data_of_case = f"Counterexample.of({listed}){more}"
        call = f"partial(exact_weights.unit, {written(X)}, {written(w)}, {data_of_case})"
        return Exact(
            ExactCase(words, partial(exact_weights.unit, X.tolist(), w.tolist(), case, **free)),
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
