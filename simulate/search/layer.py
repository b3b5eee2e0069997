"""Search space of one layer and a quadratic loss: y, b, A, gamma, beta, eps, and a direction."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache, partial
from math import isqrt
from typing import Final

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.definitions.losses import quadratic
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.weights import Weighted
from bnproof.simulate.search.base import (
    BOUND,
    Exact,
    Params,
    Point,
    near,
    normal,
    spoken,
    written,
)
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Counterexample, ExactCase
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.exact.curvature import along, exactly, top_eigenvalues
from bnproof.theory.exact.minimax import ball
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax as mnx

LEAST: Final = 1 / 8  # bound on std(y) and |gamma|; smaller values only change units
LEAST_EPS: Final = 1e-3
NEAREST: Final = 12  # integer vectors tried instead of each y
LARGEST: Final = {2: 8, 3: 5, 4: 3, 5: 2, 6: 2}  # integers tried as entries of y, by batch size
UNIT: Final = np.array([Fraction(1)], dtype=object)
PLAIN: Final = Counterexample.of(y=[0, 1], b=[0, 0])
# Variables that are free only if a relation has one of these symbols.
FREE: Final = {
    "u": frozenset({cur.u1, cur.uy, cur.uu, cur.uKu}),
    "tau": frozenset({cur.tau}),
    "radius": frozenset({mnx.radius, mnx.ghat, mnx.gstd}),
}
CURVATURE: Final = frozenset(
    {cur.gHg, cur.qKq, cur.qq, cur.ordered, cur.relative, cur.gz, cur.shrink, cur.lamK, cur.lamH}
)


class _Directed(Weighted):
    """The sampler ``weights`` with a given direction u."""

    @property
    def u(self) -> Tensor:
        return self.direction


class LayerSpace:
    """Layers whose eps the claim's domain allows.

    The symbols of one layer depend on a loss only through its gradient and Hessian at z, so
    ``L(z) = z'Az/2 + b'z`` is the general case.  `project` enforces the conditions of the domain
    on eps alone.
    """

    known = frozenset(Measured.VALUES).union(CURVATURE, *FREE.values(), {mnx.mu_g})
    sizes = (2, 3, 4, 6)
    usual = 4
    fixed: frozenset[str] = frozenset()

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        self.symbols = symbols
        self.ideal = domain.subs(sym.eps, 1) == sp.false
        self.regular = domain.subs(sym.eps, 0) == sp.false
        self.free = [name for name, uses in FREE.items() if uses & symbols]

    def random(self, count: int, size: int, generator: torch.Generator) -> Params:
        """Gaussian data; every other loss is linear, gamma is log-normal with a random sign."""
        draw = normal(count, generator)
        odd = torch.arange(count).remainder(2).double()
        gamma = draw(1).sign() * draw(1).exp()
        eps = torch.zeros(count, 1, dtype=torch.float64) if self.ideal else draw(1).exp()
        if not (self.ideal or self.regular):
            eps = eps * (torch.arange(count).remainder(4) < 2).double().unsqueeze(-1)
        params = {
            "y": draw(size),
            "b": draw(size),
            "A": draw(size, size) * odd[:, None, None],
            "gamma": gamma,
            "beta": draw(1),
            "eps": eps,
        }
        shapes = {"u": (size,), "tau": (1,), "radius": (1,)}
        return params | {name: draw(*shapes[name]) for name in self.free}

    def project(self, params: Params) -> None:
        """Keep entries in the box, A symmetric, eps in the domain, y and gamma away from 0."""
        for tensor in params.values():
            tensor.clamp_(-BOUND, BOUND)
        params["A"].copy_((params["A"] + params["A"].mT) / 2)
        least = 0.0 if not self.regular else LEAST_EPS
        params["eps"].clamp_(least, 0.0 if self.ideal else BOUND)
        gamma, y = params["gamma"], params["y"]
        gamma.copy_(torch.where(gamma < 0, -1.0, 1.0) * gamma.abs().clamp(min=LEAST))
        for name in {"tau", "radius"} & set(params):
            params[name].abs_().clamp_(min=LEAST)
        spread = y.std(-1, correction=0, keepdim=True)
        mean = y.mean(-1, keepdim=True)
        stretch = (LEAST / spread.clamp(min=1e-300)).clamp(min=1)
        y.copy_(mean + (y - mean) * stretch)

    def posed(self, params: Params) -> Tensor:
        """Points whose y is not constant."""
        return params["y"].std(-1, correction=0) > 0

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``weights`` measures them, for the input ``X = y``, ``w = 1``."""
        y, gamma, beta, eps = (params[name] for name in ("y", "gamma", "beta", "eps"))
        problems = Problems(y, gamma, beta, eps, quadratic(params["A"], params["b"]))
        w = torch.ones_like(gamma)
        tau, radius = (params.get(name, w).squeeze(-1) for name in ("tau", "radius"))
        extra = (w.squeeze(-1), tau, radius, y, params.get("u", y))
        return _Directed(y.unsqueeze(-1), w, problems, extra, graph=graph)

    def rounded(self, params: Params, index: int) -> Iterator[Point]:
        """Replace y by close integer vectors, round the rest to multiples of 1, 1/2, 1/4, 1/8."""
        floats = {name: tensor[index].detach().cpu() for name, tensor in params.items()}
        y = floats.pop("y")
        for parts in (1, 2, 4, 8):
            rest = {name: near(tensor, parts) for name, tensor in floats.items()}
            for chosen in self.close(y):
                point = self.repaired({"y": chosen, **rest})
                if point is not None:
                    yield point

    def close(self, y: Tensor) -> list[np.ndarray]:
        """Integer vectors closest to y, with entries in the same order as those of y."""
        pool = integers(len(y), self.ideal)
        order = np.argsort(y.numpy())
        gap = ((pool - y.numpy()[order]) ** 2).sum(1)
        closest = []
        for row in np.argsort(gap, kind="stable")[:NEAREST]:
            chosen = np.empty(len(y), dtype=object)
            chosen[order] = [Fraction(int(entry)) for entry in pool[row]]
            closest.append(chosen)
        return closest

    def repaired(self, point: Point) -> Point | None:
        """Make ``sigma**2 + eps`` the square of a rational by changing eps, if eps is free.

        Returns None if that is impossible, or if tau or radius is not positive.
        """
        if any(point[name].item() <= 0 for name in ("tau", "radius") if name in point):
            return None
        y, eps = point["y"], point["eps"].item()
        mean = sum(y) / len(y)
        variance = sum((entry - mean) ** 2 for entry in y) / len(y)
        if variance == 0 or eps < 0:
            return None
        if _square(variance + eps) and self._allowed(eps):
            return point
        if self.ideal:
            return None
        goal = float(variance + eps) ** 0.5
        roots = (
            Fraction(round(goal * parts) + step, parts) for parts in (1, 2, 4, 8) for step in (0, 1)
        )
        fit = next((r * r - variance for r in roots if self._allowed(r * r - variance)), None)
        return None if fit is None else {**point, "eps": np.array([fit], dtype=object)}

    def _allowed(self, eps: Fraction) -> bool:
        return eps == 0 if self.ideal else eps > 0 or (eps == 0 and not self.regular)

    def moves(self, point: Point) -> Iterator[Point]:
        """Other integer vectors y, mirrored z and loss, a multiple of I as A, other roots."""
        size = len(point["y"])
        order = np.argsort(point["y"].astype(float), kind="stable")
        for row in integers(size, self.ideal):
            chosen = np.empty(size, dtype=object)
            chosen[order] = [Fraction(int(entry)) for entry in row]
            yield {**point, "y": chosen}
        yield {**point, **{name: -point[name] for name in ("b", "gamma", "beta")}}
        for value in (0, 1, -1):
            eye = [[Fraction(value * (i == j)) for j in range(size)] for i in range(size)]
            yield {**point, "A": np.array(eye, dtype=object)}
        if not self.ideal:
            mean = sum(point["y"]) / size
            variance = sum((entry - mean) ** 2 for entry in point["y"]) / size
            for part, whole in itertools.product((1, 2, 3), range(1, 10)):
                eps = Fraction(whole, part) ** 2 - variance
                yield {**point, "eps": np.array([eps], dtype=object)}

    def exact(self, point: Point) -> Exact:
        """A `Counterexample`, or an `ExactCase` if symbols of `layer.curvature` are used."""
        data = {"y": point["y"], "b": point["b"]}
        for name, default in (("gamma", 1), ("beta", 0), ("eps", 0)):
            if point[name].item() != default:
                data[name] = point[name].reshape(())
        if point["A"].any():
            data["A"] = point["A"]
        case = Counterexample.of(**{name: array.tolist() for name, array in data.items()})
        shown = ", ".join(f"{name} = {spoken(array)}" for name, array in data.items())
        listed = ", ".join(f"{name}={written(array)}" for name, array in data.items())
        source = f"Counterexample.of({listed})"
        words = f"L(z) = z'Az/2 + b'z, {shown}"
        if self.symbols <= set(exact.symbols_of(PLAIN)):
            return Exact(case, words, source)
        return self._curved(point, case, words, source)

    def _curved(self, point: Point, case: Counterexample, words: str, source: str) -> Exact:
        """Exact data with symbols beyond those of `bnproof.theory.exact.evaluate`."""
        more: list[Callable[[Counterexample], Mapping[sp.Symbol, sp.Expr]]] = []
        calls = []
        if self.symbols & {cur.lamK, cur.lamH}:
            more.append(top_eigenvalues)
            calls.append("top_eigenvalues(case)")
        if "u" in point:
            u, tau = point["u"].tolist(), point.get("tau", UNIT).item()
            words += f", u = {spoken(point['u'])}, tau = {tau}"
            more.append(partial(along, u=u, tau=tau))
            calls.append(f"along(case, {written(point['u'])}, {written(tau)})")
        if "radius" in point:
            radius = point["radius"].item()
            words += f", lambda = {radius}"
            more.append(partial(ball, radius=radius))
            calls.append(f"ball(case, {written(radius)})")

        def values() -> dict[sp.Symbol, sp.Expr]:
            known = exactly(case)
            for extra in more:
                known |= extra(case)
            return known

        call = " | ".join([f"exactly(case := {source})", *calls])
        return Exact(
            ExactCase(words, values), words, f'ExactCase(\n    "{words}",\n    lambda: {call},\n)'
        )


@cache
def integers(size: int, ideal: bool) -> np.ndarray:
    """Sorted non-constant integer vectors, small ones first, (N, size).

    If `ideal`, only those with a rational standard deviation.  For 3 entries there are none:
    ``9 sigma^2 = 2(p^2 - pq + q^2)``, with differences p and q, has an odd power of 2.
    """
    largest = LARGEST.get(size, 1)
    rows = itertools.combinations_with_replacement(range(-largest, largest + 1), size)
    kept = []
    for row in rows:
        squared = size * sum(entry * entry for entry in row) - sum(row) ** 2
        if squared > 0 and (not ideal or isqrt(squared) ** 2 == squared):
            kept.append(row)
    kept.sort(key=lambda row: (sum(map(abs, row)), row))
    return np.array(kept, dtype=int).reshape(-1, size)


def _square(value: Fraction) -> bool:
    return value > 0 and all(
        isqrt(part) ** 2 == part for part in (value.numerator, value.denominator)
    )
