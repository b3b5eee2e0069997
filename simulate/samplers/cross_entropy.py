"""Random logits and classes: the gradient of the cross-entropy of each image by autodiff."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, chunks, normals
from bnproof.theory.claim import RandomTest
from bnproof.theory.training import backprop

CHUNK: Final = 10_000


class Rows(Measurements):
    """Symbols of `training.backprop` on K images with logits (K, n) and true classes (K,)."""

    def __init__(self, logits: Tensor, target: Tensor) -> None:
        self.logits, self.target = logits, target

    @cached_property
    def gradient(self) -> Tensor:
        """``dL_b/dO_bj`` for the loss of each image, (K, n)."""
        logits = self.logits.clone().requires_grad_()
        loss = torch.nn.functional.cross_entropy(logits, self.target, reduction="sum")
        return torch.autograd.grad(loss, logits)[0]

    @cached_property
    def negative(self) -> tuple[Tensor, Tensor]:
        """Number of negative entries at the true class and elsewhere, (K,) each."""
        below = (self.gradient < 0).to(self.logits)
        true = below.gather(1, self.target[:, None]).squeeze(1)
        return true, below.sum(1) - true


Rows.VALUES = {
    backprop.classes: lambda q: torch.full_like(q.logits[:, 0], q.logits.shape[1]),
    backprop.negative_true: lambda q: q.negative[0],
    backprop.negative_other: lambda q: q.negative[1],
    backprop.row_sum: lambda q: q.gradient.sum(1),
}
# Probabilities and a one-hot row, each of sum 1, cancel in it.
Rows.MAGNITUDES = {backprop.row_sum: lambda q: torch.full_like(q.logits[:, 0], 2)}


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Numbers of classes."""
    del symbols
    return range(2, 1001)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Rows]]:
    """Yield (number of classes, images): `total` of each number, in chunks; logit scales vary."""
    del domain
    for classes, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        generator = torch.Generator().manual_seed(stream)
        scale = torch.rand(count, 1, generator=generator, dtype=torch.float64) * 3
        logits = scale * normals(generator)(count, classes)
        target = torch.randint(classes, (count,), generator=generator)
        yield classes, Rows(logits.to(device), target.to(device))


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the images."""
    del domain
    return {
        "numbers of classes": list(spec.sizes),
        "logits": "normal, times a scale uniform in (0, 3)",
        "dtype": "float64",
    }
