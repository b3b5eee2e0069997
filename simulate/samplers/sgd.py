"""Random sums of N losses; expectations over minibatches by listing every minibatch.

K problems, N examples each, d weights.  The loss of an example is that of one tanh unit; its
gradient is taken by autodiff.  An expectation over batches is the mean over all N^|B| ordered
batches (with replacement) or all subsets of |B| examples (without): exact up to rounding, and
independent of the means and covariances of counts used in the derivation.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import combinations, product
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, chunks, normals
from bnproof.theory.claim import RandomTest
from bnproof.theory.training import sgd

CHUNK: Final = 500
WEIGHTS: Final = 3
# Batch size and factor r: every batch of r|B| examples is listed, so both stay small.
SETTINGS: Final = ((1, 2), (2, 2), (1, 3))


class Steps(Measurements):
    """Symbols of `training.sgd` on K problems with gradients (K, N, d) and learning rates (K,)."""

    def __init__(
        self, gradients: Tensor, rate: Tensor, size: int, factor: int, *, graph: bool = False
    ) -> None:
        self.graph = graph
        self.gradients, self.rate, self.size, self.factor = gradients, rate, size, factor
        self.count = gradients.shape[1]
        self.mean = gradients.mean(1)

    def ordered(self, size: int) -> Tensor:
        """All ordered batches, (N**size, size)."""
        return self._table(list(product(range(self.count), repeat=size)))

    def subsets(self) -> Tensor:
        """All batches without repeated examples, (binomial(N, size), size)."""
        return self._table(list(combinations(range(self.count), self.size)))

    def _table(self, rows: list[tuple[int, ...]]) -> Tensor:
        return torch.tensor(rows, device=self.gradients.device)

    def errors(self, batches: Tensor, factor: int = 1) -> Tensor:
        """Error terms of one step on each batch, (K, batches, d)."""
        rate = factor * self.rate[:, None, None]
        return rate * (self.gradients[:, batches].mean(2) - self.mean[:, None])

    def sizes(self, batches: Tensor, factor: int = 1) -> Tensor:
        """Sum of the absolute values of the terms in `errors`, of the same shape."""
        rate = factor * self.rate[:, None, None]
        absolute = self.gradients.abs()
        return rate * (absolute[:, batches].mean(2) + absolute.mean(1)[:, None])

    @cached_property
    def several(self) -> tuple[Tensor, Tensor]:
        """Summed error terms of r steps over all sequences of batches, and their sizes."""
        batches = self.ordered(self.factor * self.size)
        steps = batches.unflatten(1, (self.factor, self.size)).unbind(1)
        errors, sizes = (torch.stack([*map(f, steps)]).sum(0) for f in (self.errors, self.sizes))
        return errors, sizes


def _mean_square(vectors: Tensor) -> Tensor:
    return vectors.square().sum(-1).mean(-1)


def _constant(steps: Steps, value: int) -> Tensor:
    return torch.full_like(steps.rate, value)


def _scaled(steps: Steps) -> Tensor:
    return steps.ordered(steps.factor * steps.size)


Steps.VALUES = {
    sgd.N: lambda q: _constant(q, q.count),
    sgd.B: lambda q: _constant(q, q.size),
    sgd.r: lambda q: _constant(q, q.factor),
    sgd.alpha: lambda q: q.rate,
    sgd.grad_k: lambda q: q.mean,
    sgd.C: lambda q: _mean_square(q.gradients - q.mean[:, None]),
    sgd.squares: lambda q: q.gradients.square().sum((1, 2)),
    sgd.square: lambda q: q.gradients.sum(1).square().sum(-1),
    sgd.error_k: lambda q: q.errors(q.ordered(q.size)).mean(1),
    sgd.noise: lambda q: _mean_square(q.errors(q.ordered(q.size))),
    sgd.noise_without: lambda q: _mean_square(q.errors(q.subsets())),
    sgd.noise_rate: lambda q: _mean_square(q.errors(_scaled(q), q.factor)),
    sgd.noise_steps: lambda q: _mean_square(q.several[0]),
}

Steps.MAGNITUDES = {
    sgd.grad_k: lambda q: q.gradients.abs().mean(1),
    sgd.square: lambda q: q.gradients.abs().sum(1).square().sum(-1),
    sgd.C: lambda q: _mean_square(q.gradients.abs() + q.gradients.abs().mean(1)[:, None]),
    sgd.error_k: lambda q: q.sizes(q.ordered(q.size)).mean(1),
    sgd.noise: lambda q: _mean_square(q.sizes(q.ordered(q.size))),
    sgd.noise_without: lambda q: _mean_square(q.sizes(q.subsets())),
    sgd.noise_rate: lambda q: _mean_square(q.sizes(_scaled(q), q.factor)),
    sgd.noise_steps: lambda q: _mean_square(q.several[1]),
}


def draw(count: int, examples: int, size: int, factor: int, seed: int, device: str) -> Steps:
    """Draw `count` problems of `examples` examples, with a batch size and a factor.

    Raises
    ------
    ValueError
        If the batch is larger than the data or a size is below 1.
    """
    if not 1 <= size <= examples or count < 1 or factor < 1:
        raise ValueError(
            f"examples = {examples}, batch size = {size}, count = {count}, factor = {factor}: "
            "need 1 <= batch size <= examples, count >= 1, factor >= 1"
        )
    normal = normals(seed, device)
    inputs, target = normal(count, examples, WEIGHTS), normal(count, examples)
    weights = normal(count, 1, WEIGHTS).expand(-1, examples, -1).clone().requires_grad_()
    loss = (torch.tanh((inputs * weights).sum(-1)) - target).square() / 2
    # Each example has its own copy of the weights, so one backward pass gives every gradient.
    gradients = torch.autograd.grad(loss.sum(), weights)[0]
    return Steps(gradients, normal(count).exp(), size, factor)


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Numbers of examples; small, as every batch is listed."""
    del symbols
    return range(2, 7)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Steps]]:
    """Yield (N, problems) for each number of examples and setting: `total` of each, in chunks."""
    del domain
    cases = product(spec.sizes, SETTINGS)
    for (examples, setting), count, stream in chunks(cases, total, CHUNK, seed):
        yield examples, draw(count, examples, *setting, stream, device)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the problems."""
    del domain
    return {
        "numbers of examples": list(spec.sizes),
        "batch size and factor": [list(setting) for setting in SETTINGS],
        "weights": WEIGHTS,
        "expectations": "over all batches, listed",
        "dtype": "float64",
    }
