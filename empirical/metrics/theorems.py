"""Theorems 4.1 and 4.2 of A18 on the batch-normalisation layers of a network, unit by unit.

The symbols of `bnproof.theory.symbols` are measured in the network by automatic differentiation;
the relations are the objects that are proved in ``theory/claims``, evaluated by
`bnproof.simulate.search.statement` as for random networks.

The two terms of Theorem 4.1 consist of derivatives that training drives to 0: ``<1,g>`` is the
derivative of the loss with respect to beta, ``<g,yhat>`` with respect to gamma.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sympy as sp
import torch
from torch import Tensor, nn

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.objective import Loss, Objective
from bnproof.empirical.metrics.units import Channels, Layer, batch_norms, inserted, only
from bnproof.simulate.search.statement import compiled
from bnproof.theory import symbols as sym
from bnproof.theory.claims.gradient import santurkar_4_1, santurkar_4_1_eps
from bnproof.theory.claims.hessian import santurkar_4_2, santurkar_4_2_eps

GRADIENT: Final = (santurkar_4_1.CLAIM, santurkar_4_1_eps.CLAIM)
CURVATURE: Final = (santurkar_4_2.CLAIM, santurkar_4_2_eps.CLAIM)
EXACT: Final = (
    "curvature, exact"  # the form that holds for every eps: the control of the second claim
)
ENTRIES: Final = 1 << 22  # activations whose symbols are measured at once
_FIRST: Final = (sym.gamma, sym.sigma, sym.s, sym.g1, sym.gy, sym.gg, sym.vv)
_SECOND: Final = (sym.gamma, sym.s, sym.gy, sym.vv, sym.vHv, sym.vKv, sym.PvHPv)


@dataclass(frozen=True, eq=False)
class Sides:
    """A claim's relation evaluated on measured symbols, one value per unit; float64 on the CPU.

    Attributes
    ----------
    left, right
        Its two sides.
    excess
        ``left - right`` divided by the sum of the absolute values of the terms that cancel.  NaN
        for units that are constant on the batch, where the printed relations divide by sigma = 0.
    inside
        Whether the unit satisfies the claim's hypothesis.  No PyTorch layer satisfies eps = 0,
        which the printed theorems need; for those there are the claims with eps > 0.
    tolerance
        The excess above which it is not due to rounding, for the network's precision.
    """

    left: Tensor
    right: Tensor
    excess: Tensor
    inside: Tensor
    tolerance: float

    @property
    def slack(self) -> Tensor:
        """``right - left``."""
        return self.right - self.left

    @property
    def violated(self) -> Tensor:
        """Whether the unit violates the relation, whether or not its hypothesis is satisfied."""
        return self.excess > self.tolerance


@dataclass(frozen=True, eq=False)
class CurvatureTerms:
    """Symbols of Theorem 4.2 for some units of a layer; float64 on the CPU, (units,).

    Attributes
    ----------
    units
        Indices of the units.
    at_z, at_y
        ``v'Hv`` at z and ``v'Kv`` of ``y -> L(z(y))``: for one unit, with all others fixed.
    scaled
        ``(gamma/s)^2 v'Hv``, the first term of the bound.
    subtracted
        ``gamma <g,yhat>|v|^2/(m s^2)``, the term that the bound subtracts, where it may be
        negative.
    sides
        By claim id; `EXACT` is the identity, with the absolute value as its excess.
    """

    units: tuple[int, ...]
    at_z: Tensor
    at_y: Tensor
    scaled: Tensor
    subtracted: Tensor
    sides: Mapping[str, Sides]


@dataclass(frozen=True)
class Reduction:
    """Shares of ``sum (gamma/s)^2 |g|^2`` over a layer that the terms of Theorem 4.1 remove.

    Attributes
    ----------
    mean, hat
        The terms of Theorem 4.1 in ``<1,g>^2/m`` and ``<g,yhat>^2/m``.
    measured
        Share by which ``sum |v|^2`` falls short: their sum, and slightly more for eps > 0.
    """

    mean: float
    hat: float
    measured: float


@dataclass(frozen=True, eq=False)
class LayerTerms:
    """Symbols of one batch-normalisation layer, one value per unit; float64 on the CPU.

    Attributes
    ----------
    m
        Number of samples of a unit.
    gamma, sigma, s
        Scale of the layer, biased deviation of y, ``sqrt(sigma^2 + eps)``.
    gg, g1, gy
        ``|g|^2``, ``<1,g>``, ``<g,yhat>`` of the gradient g at z.
    vv
        ``|v|^2`` of the gradient v at y, by automatic differentiation through the layer.
    sides
        By claim id: Theorem 4.1 as printed and with eps.
    curvature
        Theorem 4.2, if requested.
    """

    m: int
    gamma: Tensor
    sigma: Tensor
    s: Tensor
    gg: Tensor
    g1: Tensor
    gy: Tensor
    vv: Tensor
    sides: Mapping[str, Sides]
    curvature: CurvatureTerms | None

    @property
    def factor(self) -> Tensor:
        """``gamma/sigma``; infinite or NaN for a unit that is constant on the batch."""
        return self.gamma / self.sigma

    @property
    def chance(self) -> float:
        """``1/m``: the expectation of `mean_share` and `hat_share` if g has a random direction."""
        return 1 / self.m

    @property
    def mean_share(self) -> Tensor:
        """``<1,g>^2/(m |g|^2)``, between 0 and 1; NaN for a unit without gradient."""
        return self.g1**2 / (self.m * self.gg)

    @property
    def hat_share(self) -> Tensor:
        """``<g,yhat>^2/(m |g|^2)``, between 0 and 1; NaN for a unit without gradient."""
        return self.gy**2 / (self.m * self.gg)

    @property
    def lowers(self) -> Tensor:
        """Whether the second term of Theorem 4.2 lowers the curvature: ``gamma <g,yhat> > 0``."""
        return self.gamma * self.gy > 0

    @property
    def reduction(self) -> Reduction:
        """Shares of the two terms of Theorem 4.1 over the layer; NaN if the gradient is 0."""
        weight = (self.gamma / self.s) ** 2
        whole = (weight * self.gg).sum()
        mean, hat = ((weight * x**2 / self.m).sum() / whole for x in (self.g1, self.gy))
        return Reduction(mean.item(), hat.item(), (1 - self.vv.sum() / whole).item())


def theorem_terms(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    *,
    names: Sequence[str] | None = None,
    curvature: int = 0,
    seed: int = 0,
) -> dict[str, LayerTerms]:
    """Measure both sides of Theorems 4.1 and 4.2 at every batch-normalisation layer.

    Always with batch statistics, whatever mode the model is in: with running ones the layer is
    affine, and the theorems do not apply.

    Parameters
    ----------
    model, loss, inputs, targets
        As `bnproof.empirical.metrics.objective.Objective`; parameters float32 or float64.
    names
        Layers, as ``model.named_modules()`` names them; by default all of ``nn.BatchNorm1d`` to
        ``3d`` that are called, in the order of the modules.
    curvature
        Number of units per layer at which Theorem 4.2 is measured, drawn using `seed`; each takes
        three products with a Hessian from that layer on.  Theorem 4.1 is measured at all units,
        with one gradient and a few passes over the activations in float64: 5 s on VGG-A with a
        batch of 128 on one core.

    Raises
    ------
    ValueError
        As `Objective`; if there is no such layer, a layer is not batch normalisation of its input
        or is not called exactly once, `curvature` is negative, or the precision is not supported.
    FloatingPointError
        If an activation or a gradient at a layer is not finite.

    Examples
    --------
    >>> import bnproof, torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    >>> x, y = torch.randn(16, 4), torch.randint(3, (16,))
    >>> terms = bnproof.theorem_terms(net, nn.functional.cross_entropy, x, y)["1"]
    >>> sides = terms.sides["santurkar_4_1_eps"]
    >>> bool((sides.left <= sides.right * 1.001).all())
    True
    """
    if curvature < 0:
        raise ValueError(f"curvature {curvature}: must be a number of units per layer, 0 or more")
    layers = batch_norms(model, names)
    objective = Objective(model, loss, inputs, targets)
    measured = {}
    with objective.mode(), torch.enable_grad(), inserted(layers) as calls:
        value = objective.value(*objective.point)
        if names is None:
            layers = {name: layer for name, layer in layers.items() if name in calls}
        ends = [only(calls, name) for name in layers]
        flat = [tensor for pair in ends for tensor in pair]
        slopes = torch.autograd.grad(value, flat, create_graph=curvature > 0)
        for number, (name, layer) in enumerate(layers.items()):
            unit_layer = Layer(name, layer, *ends[number], *slopes[2 * number : 2 * number + 2])
            measured[name] = _terms(unit_layer, curvature, seed)
    return measured


def _terms(layer: Layer, curvature: int, seed: int) -> LayerTerms:
    parts: list[dict[sp.Symbol, Tensor]] = []
    judged: dict[str, list[Sides]] = {claim.id: [] for claim in GRADIENT}
    size = max(1, ENTRIES // layer.m)
    for start in range(0, layer.units, size):
        units = range(start, min(start + size, layer.units))
        channels = layer.channels(units)
        layer.confirm(channels, units)
        parts.append({symbol: channels.value(symbol).cpu() for symbol in _FIRST})
        for claim in GRADIENT:
            sides = _sides(claim.relation, claim.domain, channels, layer.tolerance)
            judged[claim.id].append(sides)
    symbols = {symbol: torch.cat([part[symbol] for part in parts]) for symbol in _FIRST}
    return LayerTerms(
        m=layer.m,
        gamma=symbols[sym.gamma],
        sigma=symbols[sym.sigma],
        s=symbols[sym.s],
        gg=symbols[sym.gg],
        g1=symbols[sym.g1],
        gy=symbols[sym.gy],
        vv=symbols[sym.vv],
        sides={name: _joined(sides) for name, sides in judged.items()},
        curvature=_curvature(layer, curvature, seed) if curvature else None,
    )


def _curvature(layer: Layer, count: int, seed: int) -> CurvatureTerms:
    order = torch.randperm(layer.units, generator=stream(seed, f"units of {layer.name}"))
    units = sorted(order[:count].tolist())
    channels = layer.channels(units)
    symbols = {symbol: channels.value(symbol).cpu() for symbol in _SECOND}
    exact = santurkar_4_2_eps.CLAIM
    sides = {
        claim.id: _sides(claim.relation, claim.domain, channels, layer.tolerance)
        for claim in CURVATURE
    }
    sides[EXACT] = _sides(exact.control, exact.domain, channels, layer.tolerance)
    ratio = symbols[sym.gamma] / symbols[sym.s]
    return CurvatureTerms(
        units=tuple(units),
        at_z=symbols[sym.vHv],
        at_y=symbols[sym.vKv],
        scaled=ratio**2 * symbols[sym.vHv],
        subtracted=ratio / layer.m * symbols[sym.gy] * symbols[sym.vv] / symbols[sym.s],
        sides=sides,
    )


def _sides(relation: sp.Basic, domain: sp.Basic, channels: Channels, tolerance: float) -> Sides:
    judge = compiled(relation, domain)
    sides = judge.sides(channels)
    verdicts = judge.judge(channels, sides)
    left, right = sides.lhs.squeeze(-1), sides.rhs.squeeze(-1)
    excess, inside = verdicts.excess.cpu(), verdicts.inside.cpu()
    return Sides(left.cpu(), right.cpu(), excess, inside, tolerance)


def _joined(parts: Sequence[Sides]) -> Sides:
    left, right, excess, inside = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("left", "right", "excess", "inside")
    )
    return Sides(left, right, excess, inside, parts[0].tolerance)
