"""The spaces of units and of whole layers seen from their weights: inputs X and weights W."""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import ClassVar, Final

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.layer import Layer
from bnproof.simulate.samplers.networks import Problems, normalise
from bnproof.simulate.samplers.weights import Weighted
from bnproof.simulate.search.base import (
    BOUND,
    Boxed,
    Exact,
    Graphed,
    Params,
    Point,
    normal,
    spoken,
    written,
)
from bnproof.simulate.search.layer import LayerSpace
from bnproof.theory.claim import Counterexample, ExactCase
from bnproof.theory.exact import cases as exact_cases
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import layer_curvature as lay

LEAST: Final = 1 / 8  # standard deviation of each unit's activations: below is a change of units


class WeightModel(Graphed):
    """Symbols of K layers before quadratic losses, differentiable in everything.

    Parameters
    ----------
    params
        X (K, m, d), W (K, d, n), b (K, m, n), A (K, mn, mn), gamma and beta (K, 1, n), eps
        (K, 1, 1), float64.  The loss is ``z'Az/2 + b'z``, z all outputs, A used through its
        symmetric part.
    """

    def __init__(self, params: Params) -> None:
        self.X, self.W, self.b = params["X"], params["W"], params["b"]
        self.A = (params["A"] + params["A"].mT) / 2
        self.layer = (params["gamma"], params["beta"], params["eps"])
        self.y = self.X @ self.W

    @cached_property
    def z(self) -> Tensor:
        """Outputs, (K, m, n)."""
        return _out(self.y, *self.layer)

    def loss(self, z: Tensor) -> Tensor:
        """``z'Az/2 + b'z``, (K,)."""
        flat = z.flatten(1)
        curved = (flat.unsqueeze(1) @ self.A).squeeze(1)
        return (flat * (curved / 2 + self.b.flatten(1))).sum(-1)

    def after(self, y: Tensor) -> Tensor:
        """``L(z(y))``, (K,)."""
        return self.loss(_out(y, *self.layer))

    @cached_property
    def g(self) -> Tensor:
        """Gradient of the loss at z, (K, m, n)."""
        return _slope(self.loss, self.z)[1]

    @cached_property
    def h(self) -> Tensor:
        """Largest eigenvalue of the Hessian at z, (K,)."""
        return _top(self.A)

    @cached_property
    def hess(self) -> Tensor:
        """Largest eigenvalue of the Hessian in all weights, (K,)."""
        return _top(_hessian(lambda W: self.after(self.X @ W), self.W))

    @cached_property
    def K(self) -> Tensor:
        """Largest eigenvalue of the Hessian of ``y -> L(z(y))``, (K,)."""
        return _top(_hessian(self.after, self.y))

    @cached_property
    def separate(self) -> Tensor:
        """Largest, over the units, top eigenvalue of K_j(h), (K,).

        Units do not meet in this loss, so one backward pass serves row k of all of them.
        """

        def alone(y: Tensor) -> Tensor:
            z = _out(y, *self.layer)
            bowl = self.h[:, None, None] / 2 * (z - self.z).square()
            return (self.g * z + bowl).sum((1, 2))

        y, slope = _slope(alone, self.y)
        rows = [_grad(slope[:, k].sum(), y) for k in range(y.shape[1])]
        return _top(torch.stack(rows, 1).permute(0, 3, 1, 2)).amax(-1)

    def magnitude(self, symbol: sp.Symbol) -> Tensor:
        """Absolute terms of the curvature through the layer; of |X|^2 its own value."""
        if symbol not in (cur.lamW, cur.lamK, lay.lamW, lay.lamU):
            return self.value(symbol).detach().abs()
        return self.sizes * (1 if symbol in (cur.lamK, lay.lamU) else self.value(cur.opX).detach())

    @cached_property
    def sizes(self) -> Tensor:
        """Largest absolute terms of a unit's curvature, (K,)."""
        y, (gamma, _, eps) = self.y.detach(), [array.detach() for array in self.layer]
        s2 = y.var(1, correction=0, keepdim=True) + eps
        hat = (y.abs() + y.abs().mean(1, keepdim=True)) / s2.sqrt()
        pull = (self.g.detach().abs() * hat).sum(1, keepdim=True)
        own = self.A.detach().abs().sum(-1).amax(-1)[:, None, None] * gamma**2
        return ((own + 3 * gamma.abs() * pull / y.shape[1]) / s2).amax((1, 2))


def _out(y: Tensor, gamma: Tensor, beta: Tensor, eps: Tensor) -> Tensor:
    return gamma * normalise(y.mT, eps).mT + beta


def _grad(value: Tensor, at: Tensor) -> Tensor:
    return torch.autograd.grad(value, at, create_graph=True)[0]


def _slope(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor]:
    """A copy of `at`, on which nothing else depends, and the gradient of `function` there."""
    copy = at.clone() if at.requires_grad else at.detach().requires_grad_()
    return copy, _grad(function(copy).sum(), copy)


def _hessian(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Hessian of each problem's function at `at` (K, ...), flattened to (K, size, size)."""
    copy, slope = _slope(function, at)
    flat = slope.flatten(1)
    rows = [_grad(flat[:, k].sum(), copy).flatten(1) for k in range(flat.shape[1])]
    return torch.stack(rows, 1)


def _top(matrix: Tensor) -> Tensor:
    """Largest eigenvalue of symmetric matrices (..., size, size)."""
    values: Tensor = torch.linalg.eigvalsh((matrix + matrix.mT) / 2)
    return values.amax(-1)


def _norm(q: WeightModel) -> Tensor:
    norm: Tensor = torch.linalg.matrix_norm(q.X, 2)
    return norm**2


WeightModel.VALUES = {
    cur.lamW: lambda q: q.hess,
    cur.lamK: lambda q: q.K,
    cur.lamH: lambda q: q.h,
    lay.lamW: lambda q: q.hess,
    lay.h: lambda q: q.h,
    lay.lamU: lambda q: q.separate,
    cur.opX: _norm,
}


class _WeightSpace(Boxed):
    """Layers of `units` units whose eps the claim's domain allows."""

    units: ClassVar[int]
    sizes = ((2, 1), (3, 2), (4, 2))  # batch size, inputs
    usual = (3, 2)

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        # What the domain says of eps, and how eps makes sigma^2 + eps a square, is as there.
        self.layer = LayerSpace(symbols, domain)

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian data; every other loss is linear, gamma has either sign and any size."""
        (m, d), n, draw = size, self.units, normal(count, generator)
        drawn = self.layer.random(count, m, generator)
        A = draw(m * n, m * n) * torch.arange(count).remainder(2).double()[:, None, None]
        gamma = draw(1, n).sign() * draw(1, n).exp()
        data = {"X": draw(m, d), "W": draw(d, n), "b": draw(m, n), "A": A}
        return data | {"gamma": gamma, "beta": draw(1, n), "eps": drawn["eps"].unsqueeze(-1)}

    def project(self, params: Params) -> None:
        """Keep entries in the box, eps in the domain, activations from being constant."""
        super().project(params)
        params["eps"].clamp_(0.0, 0.0 if self.layer.ideal else BOUND)
        params["A"].copy_((params["A"] + params["A"].mT) / 2)
        spread = (params["X"] @ params["W"]).std(1, correction=0, keepdim=True)
        params["W"].mul_((LEAST / spread.clamp(min=1e-300)).clamp(1, 1e6))

    def posed(self, params: Params) -> Tensor:
        """Layers none of whose units is constant."""
        y = params["X"].detach() @ params["W"].detach()
        return y.std(1, correction=0).amin(-1) > LEAST / 2

    def model(self, params: Params) -> Measurements:
        """Symbols with their graph."""
        return WeightModel(params)


def _stilled(params: Params) -> tuple[Params, Callable[[Tensor], Tensor]]:
    """The data without a graph, and the loss of flat outputs (K, mn)."""
    still = {name: tensor.detach() for name, tensor in params.items()}
    A, b = (still["A"] + still["A"].mT) / 2, still["b"].flatten(1)

    def loss(flat: Tensor) -> Tensor:
        return (flat * (flat.unsqueeze(1) @ A).squeeze(1)).sum(-1) / 2 + (b * flat).sum(-1)

    return still, loss


class UnitSpace(_WeightSpace):
    """One unit; exact data go to `bnproof.theory.exact.cases.unit`."""

    units = 1
    known = frozenset({cur.lamW, cur.lamK, cur.lamH, cur.opX})

    def recorded(self, params: Params) -> Measurements:
        """Symbols as the sampler ``weights`` measures them, Hessians by double backward."""
        still, loss = _stilled(params)
        gamma, beta, eps = (still[name].flatten(1) for name in ("gamma", "beta", "eps"))
        X, w = still["X"], still["W"].squeeze(-1)
        one, y = torch.ones_like(w[:, 0]), still["b"].squeeze(-1)
        return Weighted(X, w, Problems(y, gamma, beta, eps, loss), (one, one, one, y, y))

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

    There is no exact data: K_j(h) has entries in the field of h, itself an eigenvalue of a matrix
    of size mn, and sigma^2 + eps would have to be the square of a rational for both units.
    """

    units = 2
    known = frozenset({lay.lamW, lay.lamU, lay.h, cur.opX})

    def recorded(self, params: Params) -> Measurements:
        """Symbols as the sampler ``layer`` measures them, Hessians by double backward."""
        still, loss = _stilled(params)
        gamma, beta, eps = (still[name] for name in ("gamma", "beta", "eps"))
        return Layer(still["X"], still["W"], gamma, beta, eps, lambda z: loss(z.flatten(1)))

    def rounded(self, params: Params, index: int) -> Iterator[Point]:
        """None."""
        del params, index
        yield from ()

    def exact(self, point: Point) -> Exact:
        """Refuse: see the class.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(f"no exact symbols of a whole layer at {point}")
