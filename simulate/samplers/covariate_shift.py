"""Random networks before and after one step of gradient descent: internal covariate shift.

K networks of several layers form one batch; every second one has batch normalisation.  Gradients
are taken by autodiff, and the shift is computed by `bnproof.theory.training.smoothness`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, chunks, normals
from bnproof.simulate.samplers.networks import normalise
from bnproof.theory.claim import RandomTest
from bnproof.theory.training import covariate_shift as symbols
from bnproof.theory.training import smoothness as definitions

CHUNK: Final = 500
WIDTH, BATCH = 5, 8


def inner(u: Tensor, v: Tensor) -> Tensor:
    """Inner product of two batches of weight matrices, (K,)."""
    return (u * v).sum((1, 2))


class Networks(Measurements):
    """Symbols of `bnproof.theory.training.covariate_shift` for the last layer of K networks.

    `layers` are weight matrices (K, width, width), `data` and `target` (K, samples, width).
    """

    def __init__(
        self, layers: Sequence[Tensor], data: Tensor, target: Tensor, rate: Tensor
    ) -> None:
        self.layers, self.data, self.target, self.rate = list(layers), data, target, rate
        self.with_layer = (torch.arange(len(rate), device=rate.device) % 2 == 0)[:, None, None]

    def loss(self, layers: Sequence[Tensor]) -> Tensor:
        """Squared error of each network, (K,)."""
        hidden = self.data
        eps = torch.full_like(self.rate, 1e-5)[:, None, None]
        for weight in layers[:-1]:
            y = hidden @ weight
            y = torch.where(self.with_layer, normalise(y.mT, eps).mT, y)
            hidden = torch.tanh(y)
        return (hidden @ layers[-1] - self.target).square().sum((1, 2)) / 2

    def gradient(self, layers: Sequence[Tensor], layer: int) -> Tensor:
        """Gradient of each network's loss at the weights of `layer`, counted from 1."""
        weights = [weight.detach().requires_grad_() for weight in layers]
        return torch.autograd.grad(self.loss(weights).sum(), weights[layer - 1])[0]

    @cached_property
    def updated(self) -> list[Tensor]:
        """All layers after one step of gradient descent."""
        rate = self.rate[:, None, None]
        return [
            weight - rate * self.gradient(self.layers, number)
            for number, weight in enumerate(self.layers, start=1)
        ]

    def measure(self, layer: int) -> definitions.Shift:
        """Internal covariate shift of a layer."""
        return definitions.internal_covariate_shift(
            self.gradient, self.layers, self.updated, layer, inner
        )

    @property
    def pair(self) -> tuple[Tensor, Tensor]:
        """G and G' of the last layer."""
        last = len(self.layers)
        mixed = definitions.mixed(self.layers, self.updated, last)
        return self.gradient(self.layers, last), self.gradient(mixed, last)

    @property
    def full(self) -> Tensor:
        """Change of the first layer's gradient when all layers are updated, (K,)."""
        change = self.gradient(self.layers, 1) - self.gradient(self.updated, 1)
        return definitions.length(change, inner)


def _sum_of_lengths(q: Networks) -> Tensor:
    G, moved = q.pair
    return definitions.length(G.abs() + moved.abs(), inner)


def _cosine_size(q: Networks) -> Tensor:
    G, moved = q.pair
    return inner(G.abs(), moved.abs()) / inner(G, G).sqrt() / inner(moved, moved).sqrt()


Networks.VALUES = {
    symbols.shift: lambda q: q.measure(len(q.layers)).distance,
    symbols.cosine: lambda q: q.measure(len(q.layers)).cosine,
    symbols.usual: lambda q: q.pair[0].flatten(1).norm(dim=1),
    symbols.shifted: lambda q: q.pair[1].flatten(1).norm(dim=1),
    symbols.product: lambda q: inner(*q.pair),
    symbols.first_shift: lambda q: q.measure(1).distance,
    symbols.full_shift: lambda q: q.full,
}
Networks.MAGNITUDES = {
    symbols.shift: _sum_of_lengths,
    symbols.cosine: _cosine_size,
    symbols.product: lambda q: inner(*map(torch.abs, q.pair)),
    symbols.first_shift: lambda q: 2 * definitions.length(q.gradient(q.layers, 1), inner),
}


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Numbers of layers."""
    del symbols
    return range(2, 7)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Networks]]:
    """Yield (number of layers, networks): `total` of each depth, in chunks."""
    del domain
    for depth, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        normal = normals(stream, device)
        layers = [normal(count, WIDTH, WIDTH) / WIDTH**0.5 for _ in range(depth)]
        data, target = normal(count, BATCH, WIDTH), normal(count, BATCH, WIDTH)
        yield depth, Networks(layers, data, target, 0.05 * normal(count).exp())


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the networks."""
    del domain
    return {
        "numbers of layers": list(spec.sizes),
        "width and samples": [WIDTH, BATCH],
        "networks": "tanh, squared error; every second one with batch normalisation",
        "dtype": "float64",
    }
