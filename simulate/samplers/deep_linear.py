"""Linear networks: the law of one unit by listing its weights, and one layer at a time by autodiff.

A unit has n weights with two values each; expectations are sums over all 2^n weight vectors, so
that nothing of the derivation is used.  Every third law has the values 0 and 100 of S3, section 5.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, apply, chunks, dot, normals
from bnproof.theory.claim import RandomTest
from bnproof.theory.training import deep_linear as symbols

CHUNK: Final = 500
WIDTH: Final = 3
LAYERS: Final = 4
PATHOLOGICAL: Final = (0.0, 100.0)


class Linear(Measurements):
    """Symbols of `bnproof.theory.training.deep_linear` on K problems.

    Inputs x (K, n) and the two values of a weight, (K,); matrices (layers, K, width, width), the
    number of the layer that changes, and its change (K, width, width).
    """

    def __init__(
        self, x: Tensor, values: tuple[Tensor, Tensor], layers: Tensor, number: int, change: Tensor
    ) -> None:
        self.x, self.layers, self.number, self.change = x, layers, number, change
        self.low, self.high = values
        self.start, self.target = layers[0, :, 0], layers[1, :, 1]

    @cached_property
    def chance(self) -> Tensor:
        """Probability of the larger value, without cancellation, (K,)."""
        part = 4 / (self.x.shape[1] * (self.high - self.low) ** 2)
        return part / (2 * (1 + (1 - part).clamp(min=0).sqrt()))

    @cached_property
    def listed(self) -> tuple[Tensor, Tensor]:
        """All weight vectors (K, 2**n, n) and their probabilities (K, 2**n)."""
        n = self.x.shape[1]
        picks = torch.tensor(list(product((0, 1), repeat=n)), device=self.x.device).bool()
        weights = torch.where(picks, self.high[:, None, None], self.low[:, None, None])
        p = self.chance[:, None, None]
        return weights, torch.where(picks, p, 1 - p).prod(-1)

    def variance(self, values: Tensor) -> Tensor:
        """Variance of values (K, 2**n) over the weight vectors."""
        probability = self.listed[1]
        mean = (probability * values).sum(1, keepdim=True)
        return (probability * (values - mean).square()).sum(1)

    def residual(self, moved: Tensor) -> Tensor:
        """Output less target, with the changing layer moved by `moved`, (K, width)."""
        hidden = self.start
        for number, layer in enumerate(self.layers):
            hidden = apply(layer + moved if number == self.number else layer, hidden)
        return hidden - self.target

    def loss(self, moved: Tensor) -> Tensor:
        """Loss with the changing layer moved by `moved`, (K,)."""
        return self.residual(moved).square().sum(-1)

    @cached_property
    def pair(self) -> tuple[Tensor, Tensor]:
        """The residual, and the change of the output, (K, width)."""
        before = self.residual(torch.zeros_like(self.change))
        return before, self.residual(self.change) - before

    @cached_property
    def derivatives(self) -> tuple[Tensor, Tensor]:
        """First and second derivative of the loss along the change, by double backward, (K,)."""
        step = torch.zeros_like(self.x[:, 0]).requires_grad_()
        value = self.loss(step[:, None, None] * self.change).sum()
        first = torch.autograd.grad(value, step, create_graph=True)[0]
        return first.detach(), torch.autograd.grad(first.sum(), step)[0]

    @cached_property
    def size(self) -> Tensor:
        """The loss of absolute values, an upper bound of all terms that cancel, (K,)."""
        hidden = self.start.abs()
        for number, layer in enumerate(self.layers):
            moved = self.change.abs() if number == self.number else 0
            hidden = apply(layer.abs() + moved, hidden)
        return (hidden + self.target.abs()).square().sum(-1)


def _output_size(q: Linear) -> Tensor:
    sizes = apply(q.listed[0].abs(), q.x.abs())
    return (q.listed[1] * sizes.square()).sum(1)


Linear.VALUES = {
    symbols.inputs: lambda q: torch.full_like(q.low, q.x.shape[1]),
    symbols.low: lambda q: q.low,
    symbols.high: lambda q: q.high,
    symbols.chance: lambda q: q.chance,
    symbols.spread: lambda q: q.variance(q.listed[0][..., 0]),
    symbols.squares_in: lambda q: q.x.square().sum(1),
    symbols.spread_out: lambda q: q.variance(apply(q.listed[0], q.x)),
    symbols.loss_at: lambda q: q.loss(torch.zeros_like(q.change)),
    symbols.loss_moved: lambda q: q.loss(q.change),
    symbols.slope: lambda q: q.derivatives[0],
    symbols.bend: lambda q: q.derivatives[1],
    symbols.residual_square: lambda q: q.pair[0].square().sum(-1),
    symbols.change_square: lambda q: q.pair[1].square().sum(-1),
    symbols.both: lambda q: dot(*q.pair),
}
Linear.MAGNITUDES = {
    symbols.spread: lambda q: (q.listed[1] * q.listed[0][..., 0].square()).sum(1),
    symbols.spread_out: _output_size,
    symbols.loss_at: lambda q: q.size,
    symbols.loss_moved: lambda q: q.size,
    symbols.slope: lambda q: 2 * q.size,
    symbols.bend: lambda q: 2 * q.size,
    symbols.residual_square: lambda q: q.size,
    symbols.change_square: lambda q: 4 * q.size,
    symbols.both: lambda q: 2 * q.size,
}


def draw(count: int, n: int, seed: int, device: str) -> Linear:
    """Draw `count` units of n inputs, and as many networks of which one layer changes."""
    generator = torch.Generator().manual_seed(seed)
    normal = normals(generator, device)
    low = normal(count)
    high = low + 2 / n**0.5 * (1 + normal(count).exp())
    pathological = torch.arange(count, device=low.device) % 3 == 0
    low, high = (
        torch.where(pathological, value, drawn)
        for value, drawn in zip(PATHOLOGICAL, (low, high), strict=True)
    )
    number = int(torch.randint(LAYERS, (), generator=generator))
    layers = normal(LAYERS, count, WIDTH, WIDTH)
    return Linear(normal(count, n), (low, high), layers, number, normal(count, WIDTH, WIDTH))


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Numbers of inputs, of which all 2^n weight vectors are listed."""
    del symbols
    return range(2, 11)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Linear]]:
    """Yield (n, problems): `total` of each number of inputs, in chunks."""
    del domain
    for n, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        yield n, draw(count, n, stream, device)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the problems."""
    del domain
    return {
        "inputs": list(spec.sizes),
        "layers": LAYERS,
        "width": WIDTH,
        "expectations": "over all weight vectors, listed",
        "dtype": "float64",
    }
