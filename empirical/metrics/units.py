"""Batch-normalisation layers of a network as units with the symbols of `bnproof.theory.symbols`.

In convolutional layers a unit is a channel, with ``m = b * height * width`` samples. `inserted`
isolates the layers in the graph of a forward pass, `Layer` holds one with the gradients at its
input and output, and `Channels` are some of its units, measured as `simulate` measures those of
random networks, with all other units fixed.
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
    """Symbols of some units of one layer; derivatives are those of the surrounding network.

    Parameters
    ----------
    problems
        Activations (units, m) and parameters; their loss is not evaluated.
    g, v
        Gradients at z and at y, (units, m).
    through
        Functions that multiply directions (units, m) by the blocks of H and K of each unit.
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
        """``Hv``, cached: a product with a Hessian takes two passes through the network."""
        return self.hessian_at_z(self.v)

    @cached_property
    def HPv(self) -> Tensor:
        """``H(Pv)``, cached."""
        return self.hessian_at_z(self.Pv)

    @cached_property
    def Kv(self) -> Tensor:
        """``Kv``, cached."""
        return self.hessian_at_y(self.v)


Channels.VALUES = {
    **Unit.VALUES,
    sym.vHv: lambda q: dot(q.v, q.Hv),
    sym.vKv: lambda q: dot(q.v, q.Kv),
    sym.PvHPv: lambda q: dot(q.Pv, q.HPv),
}
# For products with a Hessian only the terms of the outer inner product are counted.
Channels.MAGNITUDES = {
    **Unit.MAGNITUDES,
    sym.vHv: lambda q: dot(q.v.abs(), q.Hv.abs()),
    sym.vKv: lambda q: dot(q.v.abs(), q.Kv.abs()),
    sym.PvHPv: lambda q: dot(q.Pv.abs(), q.HPv.abs()),
}


class Layer:
    """One layer in the network: its input y and output z, and the gradients v and g there.

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
        """Symbols of some units, in float64.  H and K need gradients with a graph."""
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
        """The Hessian block of each unit times its row of `direction`."""
        images = []
        for row, unit in zip(direction, rows, strict=True):
            along = torch.zeros_like(slope)
            along[:, unit] = row.view(len(at), *at.shape[2:]).to(along)
            image = torch.autograd.grad(
                slope, at, along, retain_graph=True, materialize_grads=True
            )[0]
            images.append(_rows(image, [unit])[0])
        return torch.stack(images)

    def confirm(self, channels: Channels, units: Sequence[int]) -> None:
        """Raise an error if the layer's output is not that of batch normalisation.

        Raises
        ------
        ValueError
            If it differs by more than rounding.
        """
        terms = channels.problems.gamma.abs() * channels.hat_terms + channels.problems.beta.abs()
        gap = (_rows(self.z, list(units)) - channels.z).abs()
        if (gap > 10 * self.tolerance * terms).any():
            raise ValueError(
                f"layer {self.name!r} is not batch normalisation of its input: its output differs "
                f"by {gap.max():.2g} from gamma (y - mean)/sqrt(variance + eps) + beta"
            )


def batch_norms(model: nn.Module, names: Sequence[str] | None) -> dict[str, _BatchNorm]:
    """The layers with these names, or all of them, in the order of the modules.

    Raises
    ------
    ValueError
        If there is none, a name is unknown, or a layer is not batch normalisation.
    """
    if names is None:
        every = {n: module for n, module in model.named_modules() if isinstance(module, _BatchNorm)}
        if not every:
            raise ValueError("the model has no batch-normalisation layer (nn.BatchNorm1d to 3d)")
        return every
    chosen: dict[str, _BatchNorm] = {}
    for name, module in layers_of(model, names).items():
        if not isinstance(module, _BatchNorm):
            raise ValueError(f"layer {name!r} is {type(module).__name__}, not batch normalisation")
        chosen[name] = module
    return chosen


@contextmanager
def inserted(layers: Mapping[str, _BatchNorm]) -> Iterator[dict[str, list[list[Tensor]]]]:
    """Isolate each layer in the graph by copies of its input y and its output z.

    y may also be used elsewhere (by a shortcut), and an in-place ReLU would overwrite z; the
    gradients at the copies are those of the layer.  Yields the pairs (y, z) of every call, by name.
    """
    calls: dict[str, list[list[Tensor]]] = {}
    handles = []
    try:
        for name, layer in layers.items():

            def enter(
                _module: nn.Module, given: tuple[Tensor, ...], name: str = name
            ) -> tuple[Tensor, ...]:
                y = given[0].clone()
                # If all parameters up to here are frozen, there is no graph yet.
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
    """The pair (y, z) of a layer that is called once.

    Raises
    ------
    ValueError
        If it is not called exactly once.
    """
    ends = calls.get(name, [])
    if len(ends) != 1:
        raise ValueError(
            f"layer {name!r} is called {len(ends)} times in a forward pass; must be once"
        )
    return ends[0]


def _rows(tensor: Tensor, units: Sequence[int]) -> Tensor:
    """Select units of (b, units, ...) and return them as (units, m) in float64."""
    return tensor.detach()[:, list(units)].transpose(0, 1).flatten(1).double()


def _unknown(_z: Tensor) -> Tensor:
    raise NotImplementedError("only the derivatives of the loss of a unit in a network are known")
