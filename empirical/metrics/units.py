"""Batch-normalisation layers of a network as units in the letters of `bnproof.theory.symbols`.

A unit is a channel where there are places, and its batch has ``m = b * height * width`` samples.
`inserted` cuts the layers out of the graph of a forward pass, `Layer` holds one with the gradients
at its two ends, and `Channels` are some of its units, measured as `simulate` measures those of
random networks: all others stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnproof.empirical.metrics.named import layers_of
from bnproof.simulate.relation import TOLERANCE
from bnproof.simulate.samplers.base import dot
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.unit import Unit
from bnproof.theory import symbols as sym

Product = Callable[[Tensor], Tensor]


class Channels(Unit):
    """Letters of some units of one layer; derivatives come from the network around it.

    Parameters
    ----------
    problems
        Activations (units, m) and parameters; their loss is not called.
    g, v
        Gradients at z and at y, (units, m).
    through
        Functions that multiply directions (units, m) by H and by K, each unit's own block.
    """

    def __init__(
        self, problems: Problems, g: Tensor, v: Tensor, through: tuple[Product, Product]
    ) -> None:
        super().__init__(problems)
        self.g, self.v, self._through = g, v, through

    def hessian_at_z(self, direction: Tensor) -> Tensor:
        """``H direction`` at z, (units, m)."""
        return self._through[0](direction)

    def hessian_at_y(self, direction: Tensor) -> Tensor:
        """``K direction`` at y, (units, m)."""
        return self._through[1](direction)

    @cached_property
    def Hv(self) -> Tensor:
        """``Hv``, kept: a product with a Hessian goes through the network twice."""
        return self.hessian_at_z(self.v)

    @cached_property
    def HPv(self) -> Tensor:
        """``H(Pv)``, kept."""
        return self.hessian_at_z(self.Pv)

    @cached_property
    def Kv(self) -> Tensor:
        """``Kv``, kept."""
        return self.hessian_at_y(self.v)


Channels.VALUES = {
    **Unit.VALUES,
    sym.vHv: lambda q: dot(q.v, q.Hv),
    sym.vKv: lambda q: dot(q.v, q.Kv),
    sym.PvHPv: lambda q: dot(q.Pv, q.HPv),
}
# Of the products with a Hessian: the absolute terms of the outer inner product alone.
Channels.MAGNITUDES = {
    **Unit.MAGNITUDES,
    sym.vHv: lambda q: dot(q.v.abs(), q.Hv.abs()),
    sym.vKv: lambda q: dot(q.v.abs(), q.Kv.abs()),
    sym.PvHPv: lambda q: dot(q.Pv.abs(), q.HPv.abs()),
}


class Layer:
    """One layer in the network: its ends y and z in the graph, and the gradients v and g there.

    Raises
    ------
    ValueError
        If the precision is neither float32 nor float64.
    FloatingPointError
        If an activation or a gradient is not finite.
    """

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

    def channels(self, units: Sequence[int]) -> Channels:
        """Letters of some units, in float64.  H and K need gradients that have a graph."""
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

        def through(slope: Tensor, at: Tensor) -> Product:
            return lambda direction: self._product(slope, at, direction, rows)

        return Channels(problems, g, v, (through(self.g, self.z), through(self.v, self.y)))

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

    def confirm(self, channels: Channels, units: Sequence[int]) -> None:
        """Refuse a layer whose output is not that of batch normalisation.

        Raises
        ------
        ValueError
            If it is not, beyond rounding.
        """
        terms = channels.problems.gamma.abs() * channels.hat_terms + channels.problems.beta.abs()
        gap = (_rows(self.z, list(units)) - channels.z).abs()
        if (gap > 10 * self.tolerance * terms).any():
            raise ValueError(
                f"layer {self.name!r} is not batch normalisation of its input: its output differs "
                f"by {gap.max():.2g} from gamma (y - mean)/sqrt(variance + eps) + beta"
            )


def batch_norms(model: nn.Module, names: Sequence[str] | None) -> dict[str, _BatchNorm]:
    """The layers of these names, or all there are, in the order of the modules.

    Raises
    ------
    ValueError
        If there is none, a name is unknown, or one is no batch normalisation.
    """
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
def inserted(layers: Mapping[str, _BatchNorm]) -> Iterator[dict[str, list[list[Tensor]]]]:
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


def only(calls: Mapping[str, list[list[Tensor]]], name: str) -> list[Tensor]:
    """The ends (y, z) of a layer that is called once.

    Raises
    ------
    ValueError
        If it is called more or less often.
    """
    found = calls.get(name, [])
    if len(found) != 1:
        raise ValueError(f"layer {name!r} is called {len(found)} times in a forward pass: not once")
    return found[0]


def _rows(tensor: Tensor, units: Sequence[int]) -> Tensor:
    """Some units of (b, units, ...), as (units, m) in float64."""
    return tensor.detach()[:, list(units)].transpose(0, 1).flatten(1).double()


def _unknown(_z: Tensor) -> Tensor:
    raise NotImplementedError("the loss of a unit in a network is known by its derivatives only")
