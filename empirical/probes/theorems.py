"""Theorems 4.1 and 4.2 of A18 on the batch-normalisation layers of a network, unit by unit.

The letters of `theory.symbols` are measured in the network by automatic differentiation; the
relations are those of ``theory/claims``, the same objects that are proved there, evaluated by
`simulate.contest` as on random networks.  A unit is a channel where there are places, and its batch
has ``m = b * height * width`` samples.

The two reductions of Theorem 4.1 are derivatives that training sets to 0: ``<1,g>`` is that of the
loss in beta, ``<g,yhat>`` that in gamma.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import sympy as sp
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from empirical.images import stream
from empirical.probes.named import layers_of
from empirical.probes.objective import Loss, Objective
from simulate.contest import contest
from simulate.networks import Problems
from simulate.relation import TOLERANCE
from simulate.unit import Unit, dot
from theory import symbols as sym
from theory.claim import Claim
from theory.claims import santurkar_4_1, santurkar_4_1_eps, santurkar_4_2, santurkar_4_2_eps

GRADIENT: Final = (santurkar_4_1.CLAIM, santurkar_4_1_eps.CLAIM)
CURVATURE: Final = (santurkar_4_2.CLAIM, santurkar_4_2_eps.CLAIM)
EXACT: Final = "curvature, exact"  # the form that holds for every eps: control of the second
ENTRIES: Final = 1 << 22  # of activations whose letters are measured at once
_FIRST: Final = (sym.gamma, sym.sigma, sym.s, sym.g1, sym.gy, sym.gg, sym.vv)
_SECOND: Final = (sym.gamma, sym.s, sym.gy, sym.vv, sym.vHv, sym.vKv, sym.PvHPv)


@dataclass(frozen=True, eq=False)
class Sides:
    """A claim's relation on measured letters, one value a unit; float64 on the CPU.

    Attributes
    ----------
    left, right
        Its sides.
    excess
        ``left - right`` over the sum of the absolute values of the terms that cancel.
    inside
        Whether the unit meets the claim's hypothesis: those with eps = 0 are met by no layer of
        PyTorch, whose statements are the ones with eps > 0.
    tolerance
        Above which an excess is no rounding, for the network's precision.
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
        """Whether the unit breaks the relation, its hypothesis met or not."""
        return self.excess > self.tolerance


@dataclass(frozen=True, eq=False)
class CurvatureTerms:
    """Letters of Theorem 4.2 for some units of a layer; float64 on the CPU, (units,).

    Attributes
    ----------
    units
        Which units of the layer.
    vHv, vKv
        Curvature along v at z, and of ``y -> L(z(y))``; each of one unit, all others fixed.
    scaled
        ``(gamma/s)^2 v'Hv``, the bound's first term.
    subtracted
        ``gamma <g,yhat>|v|^2/(m s^2)``, what the bound takes off; negative where it adds.
    sides
        By claim id, and `EXACT`: the identity, its excess the absolute value.
    """

    units: tuple[int, ...]
    vHv: Tensor
    vKv: Tensor
    scaled: Tensor
    subtracted: Tensor
    sides: Mapping[str, Sides]


@dataclass(frozen=True)
class Reduction:
    """What the reductions take off ``sum (gamma/s)^2 |g|^2`` over a layer, as shares of it.

    Attributes
    ----------
    mean, hat
        The terms of Theorem 4.1 in ``<1,g>^2/m`` and ``<g,yhat>^2/m``.
    measured
        What is really missing from ``sum |v|^2``: their sum, and a little more for eps > 0.
    """

    mean: float
    hat: float
    measured: float


@dataclass(frozen=True, eq=False)
class LayerTerms:
    """Letters of one batch-normalisation layer, one value a unit; float64 on the CPU.

    Attributes
    ----------
    m
        Samples of a unit.
    gamma, sigma, s
        Scale of the layer, biased deviation of y, ``sqrt(sigma^2 + eps)``.
    gg, g1, gy
        ``|g|^2``, ``<1,g>``, ``<g,yhat>`` of the gradient g at z.
    vv
        ``|v|^2`` of the gradient v at y, by automatic differentiation through the layer.
    sides
        By claim id: Theorem 4.1 as printed and with eps.
    curvature
        Theorem 4.2, if it was asked for.
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
        """What the two reductions of Theorem 4.1 come to over the layer; NaN without gradient."""
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

    Always at batch statistics, whatever mode the model is in: with running ones the layer is a
    straight line, of which the theorems say nothing.

    Parameters
    ----------
    model, loss, inputs, targets
        As `empirical.probes.objective.Objective`; parameters float32 or float64.
    names
        Layers, as ``model.named_modules()`` names them; all of ``nn.BatchNorm1d`` to ``3d`` that
        are called unless told otherwise, in the order of the modules.
    curvature
        For how many units of each layer Theorem 4.2 is measured, drawn by `seed`: each takes three
        products with a Hessian.  Theorem 4.1 is measured at all units, with one gradient.

    Raises
    ------
    ValueError
        As `Objective`; if there is no such layer, one is not batch normalisation of its input or is
        not called just once, `curvature` is negative, or the precision is another.
    FloatingPointError
        If an activation or a gradient at a layer is not finite.
    """
    if curvature < 0:
        raise ValueError(f"curvature {curvature}: how many units of each layer, 0 or more")
    layers = _batch_norms(model, names)
    objective = Objective(model, loss, inputs, targets)
    found = {}
    with objective.mode(), torch.enable_grad(), _inserted(layers) as calls:
        value = objective.value(*objective.point)
        if names is None:
            layers = {name: layer for name, layer in layers.items() if name in calls}
        ends = [_only(calls, name) for name in layers]
        flat = [tensor for pair in ends for tensor in pair]
        slopes = torch.autograd.grad(value, flat, create_graph=curvature > 0)
        for number, (name, layer) in enumerate(layers.items()):
            one = _Layer(name, layer, *ends[number], *slopes[2 * number : 2 * number + 2])
            found[name] = _terms(one, curvature, seed)
    return found


class _Channels(Unit):
    """Letters of some units of one layer; derivatives come from the network around it.

    ``through`` is a pair of functions that multiply directions (units, m) by H and by K.
    """

    VALUES: ClassVar[Mapping[sp.Symbol, Callable[[Unit], Tensor]]] = Unit.VALUES
    # Of the products with a Hessian: the absolute terms of the outer inner product alone.
    MAGNITUDES: ClassVar[Mapping[sp.Symbol, Callable[..., Tensor]]] = {
        **Unit.MAGNITUDES,
        sym.vHv: lambda q: dot(q.v.abs(), q.Hv.abs()),
        sym.vKv: lambda q: dot(q.v.abs(), q.Kv.abs()),
        sym.PvHPv: lambda q: dot(q.Pv.abs(), q.HPv.abs()),
    }

    def __init__(
        self,
        problems: Problems,
        g: Tensor,
        v: Tensor,
        through: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] | None = None,
    ) -> None:
        super().__init__(problems)
        self.g, self.v, self._through = g, v, through

    def hessian_at_z(self, direction: Tensor) -> Tensor:
        """``H direction`` at z, (units, m)."""
        assert self._through is not None
        return self._through[0](direction)

    def hessian_at_y(self, direction: Tensor) -> Tensor:
        """``K direction`` at y, (units, m)."""
        assert self._through is not None
        return self._through[1](direction)

    @cached_property
    def Hv(self) -> Tensor:
        return self.hessian_at_z(self.v)

    @cached_property
    def HPv(self) -> Tensor:
        return self.hessian_at_z(self.Pv)

    @cached_property
    def Kv(self) -> Tensor:
        return self.hessian_at_y(self.v)


_Channels.VALUES = {
    **Unit.VALUES,
    sym.vHv: lambda q: dot(q.v, q.Hv),
    sym.vKv: lambda q: dot(q.v, q.Kv),
    sym.PvHPv: lambda q: dot(q.Pv, q.HPv),
}


class _Layer:
    """One layer in the network: its ends y and z in the graph, and the gradients there."""

    def __init__(
        self, name: str, layer: _BatchNorm, y: Tensor, z: Tensor, v: Tensor, g: Tensor
    ) -> None:
        if y.dtype not in TOLERANCE:
            raise ValueError(f"layer {name!r} computes in {y.dtype}: must be float32 or float64")
        for what, tensor in (("input", y), ("gradient", g), ("gradient before it", v)):
            if not torch.isfinite(tensor).all():
                raise FloatingPointError(f"layer {name!r}: the {what} is not finite")
        self.name, self.layer = name, layer
        self.y, self.z, self.v, self.g = y, z, v, g
        self.tolerance = TOLERANCE[y.dtype]
        self.units = y.shape[1]
        self.m = y.numel() // self.units

    def channels(self, units: Sequence[int], *, curved: bool = False) -> _Channels:
        """Letters of some units, in float64."""
        rows = list(units)
        y, g, v = (_rows(tensor, rows) for tensor in (self.y, self.g, self.v))
        gamma, beta = (
            torch.full((len(rows), 1), constant, dtype=torch.float64, device=y.device)
            if parameter is None
            else parameter.detach().double()[rows].unsqueeze(-1)
            for parameter, constant in ((self.layer.weight, 1.0), (self.layer.bias, 0.0))
        )
        eps = torch.full_like(gamma, self.layer.eps)
        problems = Problems(y, gamma, beta, eps, _unknown)
        if not curved:
            return _Channels(problems, g, v)

        def through(slope: Tensor, at: Tensor) -> Callable[[Tensor], Tensor]:
            return lambda direction: self._product(slope, at, direction, rows)

        return _Channels(problems, g, v, (through(self.g, self.z), through(self.v, self.y)))

    def _product(self, slope: Tensor, at: Tensor, direction: Tensor, rows: list[int]) -> Tensor:
        """Each unit's own block of the Hessian times its row of `direction`."""
        found = []
        for row, unit in zip(direction, rows, strict=True):
            along = torch.zeros_like(slope)
            along[:, unit] = row.view(len(at), *at.shape[2:]).to(along)
            image = torch.autograd.grad(
                slope, at, along, retain_graph=True, materialize_grads=True
            )[0]
            found.append(_rows(image, [unit])[0])
        return torch.stack(found)

    def confirm(self, channels: _Channels, units: Sequence[int]) -> None:
        """Refuse a layer whose output is not that of batch normalisation."""
        terms = channels.problems.gamma.abs() * channels.hat_terms + channels.problems.beta.abs()
        gap = (_rows(self.z, list(units)) - channels.z).abs()
        if (gap > 10 * self.tolerance * terms).any():
            raise ValueError(
                f"layer {self.name!r} is not batch normalisation of its input: its output differs "
                f"by {gap.max():.2g} from gamma (y - mean)/sqrt(variance + eps) + beta"
            )


def _terms(layer: _Layer, curvature: int, seed: int) -> LayerTerms:
    parts: list[dict[sp.Symbol, Tensor]] = []
    judged: dict[str, list[Sides]] = {claim.id: [] for claim in GRADIENT}
    size = max(1, ENTRIES // layer.m)
    for start in range(0, layer.units, size):
        units = range(start, min(start + size, layer.units))
        channels = layer.channels(units)
        layer.confirm(channels, units)
        parts.append({letter: channels.value(letter).cpu() for letter in _FIRST})
        for claim in GRADIENT:
            sides = _sides(claim.relation, claim.domain, channels, layer.tolerance)
            judged[claim.id].append(sides)
    letters = {letter: torch.cat([part[letter] for part in parts]) for letter in _FIRST}
    return LayerTerms(
        m=layer.m,
        gamma=letters[sym.gamma],
        sigma=letters[sym.sigma],
        s=letters[sym.s],
        gg=letters[sym.gg],
        g1=letters[sym.g1],
        gy=letters[sym.gy],
        vv=letters[sym.vv],
        sides={name: _joined(sides) for name, sides in judged.items()},
        curvature=_curvature(layer, curvature, seed) if curvature else None,
    )


def _curvature(layer: _Layer, count: int, seed: int) -> CurvatureTerms:
    order = torch.randperm(layer.units, generator=stream(seed, f"units of {layer.name}"))
    units = sorted(order[:count].tolist())
    channels = layer.channels(units, curved=True)
    letters = {letter: channels.value(letter).cpu() for letter in _SECOND}
    exact = santurkar_4_2_eps.CLAIM
    sides = {
        claim.id: _sides(claim.relation, claim.domain, channels, layer.tolerance)
        for claim in CURVATURE
    }
    sides[EXACT] = _sides(exact.control, exact.domain, channels, layer.tolerance)
    ratio = letters[sym.gamma] / letters[sym.s]
    return CurvatureTerms(
        units=tuple(units),
        vHv=letters[sym.vHv],
        vKv=letters[sym.vKv],
        scaled=ratio**2 * letters[sym.vHv],
        subtracted=ratio / layer.m * letters[sym.gy] * letters[sym.vv] / letters[sym.s],
        sides=sides,
    )


def _sides(relation: sp.Basic, domain: sp.Basic, channels: _Channels, tolerance: float) -> Sides:
    judge = contest(relation, domain)
    sides = judge.sides(channels)
    verdicts = judge.judge(channels, sides)
    excess = verdicts.excess.abs() if isinstance(relation, sp.Eq) else verdicts.excess
    return Sides(
        sides.lhs.cpu(), sides.rhs.cpu(), excess.cpu(), verdicts.inside.cpu(), tolerance
    )


def _joined(parts: Sequence[Sides]) -> Sides:
    left, right, excess, inside = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("left", "right", "excess", "inside")
    )
    return Sides(left, right, excess, inside, parts[0].tolerance)


def _rows(tensor: Tensor, units: Sequence[int]) -> Tensor:
    """Some units of (b, units, ...), as (units, m) in float64."""
    return tensor.detach()[:, list(units)].transpose(0, 1).flatten(1).double()


def _unknown(_z: Tensor) -> Tensor:
    raise NotImplementedError("the loss of a unit in a network is known by its derivatives only")


def _batch_norms(model: nn.Module, names: Sequence[str] | None) -> dict[str, _BatchNorm]:
    if names is None:
        every = {n: module for n, module in model.named_modules() if isinstance(module, _BatchNorm)}
        if not every:
            raise ValueError("the model has no batch-normalisation layer (nn.BatchNorm1d to 3d)")
        return every
    found: dict[str, _BatchNorm] = {}
    for name, module in layers_of(model, names).items():
        if not isinstance(module, _BatchNorm):
            raise ValueError(f"layer {name!r} is {type(module).__name__}: no batch normalisation")
        found[name] = module
    return found


@contextmanager
def _inserted(layers: Mapping[str, _BatchNorm]) -> Iterator[dict[str, list[list[Tensor]]]]:
    """Cut each layer out of the graph by copies: y used by it alone, z untouched by later layers.

    y may also go elsewhere (a shortcut), and a ReLU in place would overwrite z; the gradients at
    the copies are those of the layer.  Yields the pairs (y, z) of every call, by name.
    """
    calls: dict[str, list[list[Tensor]]] = {}
    handles = []
    try:
        for name, layer in layers.items():

            def enter(
                _module: nn.Module, given: tuple[Tensor, ...], name: str = name
            ) -> tuple[Tensor, ...]:
                y = given[0].clone()
                # Parameters that are frozen up to here leave no graph of their own.
                y = y if y.requires_grad else y.requires_grad_()
                calls.setdefault(name, []).append([y])
                return (y,)

            def leave(
                _module: nn.Module, _given: object, output: Tensor, name: str = name
            ) -> Tensor:
                calls[name][-1].append(output)
                return output.clone()

            handles.append(layer.register_forward_pre_hook(enter))
            handles.append(layer.register_forward_hook(leave))
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _only(calls: Mapping[str, list[list[Tensor]]], name: str) -> list[Tensor]:
    found = calls.get(name, [])
    if len(found) != 1:
        raise ValueError(f"layer {name!r} is called {len(found)} times in a forward pass: not once")
    return found[0]
