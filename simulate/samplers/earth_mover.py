"""Random pairs of samples, with their earth mover's distance by trying every pairing.

An optimal coupling of two samples of equal size is a pairing of their points (Birkhoff), so the
minimum of the mean distance over all n! pairings is the exact distance, in any dimension.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import permutations, product
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, chunks, normals
from bnproof.theory.claim import RandomTest
from bnproof.theory.common.errors import one_of
from bnproof.theory.training import earth_mover as em

CHUNK: Final = 500
TOGETHER: Final = 720  # pairings whose lengths are in memory at once: they fit into caches
DIMENSIONS: Final = (1, 2, 3)
TINY: Final = 1e-300
LAWS: Final = ("normal", "signs", "rare")  # distributions of the points


class Samples(Measurements):
    """Symbols of `bnproof.theory.training.earth_mover` on K pairs of samples (K, n, d)."""

    def __init__(self, first: Tensor, second: Tensor, *, graph: bool = False) -> None:
        self.first, self.second, self.graph = first, second, graph

    def least(self, lengths: Tensor) -> Tensor:
        """Minimum over all pairings of rows with columns of the mean of lengths (K, n, n), (K,)."""
        count = lengths.shape[1]
        flat, entries = lengths.flatten(1), _pairings(count).to(lengths.device)
        means = []
        for start in range(0, len(entries), TOGETHER):
            some = entries[start : start + TOGETHER]
            chosen = flat.index_select(1, some.flatten()).view(len(flat), len(some), count)
            means.append(chosen.mean(-1))
        return torch.cat(means, 1).amin(-1)

    def aside(self) -> Tensor:
        """Mean over the best pairing of |x-y| less its part along the difference of means, (K,)."""
        steps = self.first[:, :, None] - self.second[:, None]
        ways = (self.first.mean(1) - self.second.mean(1))[:, None, None]
        length = torch.linalg.vector_norm(ways, dim=-1, keepdim=True)
        units = torch.where(length > 0, ways / length.clamp(min=TINY), 0.0)
        left = (torch.linalg.vector_norm(steps, dim=-1) - (steps * units).sum(-1)).flatten(1)
        entries = _pairings(self.first.shape[1]).to(left.device)
        best = _lengths(self).flatten(1)[:, entries].mean(-1).argmin(-1)
        return left.gather(1, entries[best]).mean(-1)


@cache
def _pairings(count: int) -> Tensor:
    """The entries of a flattened (n, n) matrix that each pairing chooses, (n!, n)."""
    orders = torch.tensor(list(permutations(range(count))))
    return torch.arange(count) * count + orders


def _lengths(q: Samples) -> Tensor:
    # Unlike a root of a sum, the norm has a slope where two points meet: 0.
    return torch.linalg.vector_norm(q.first[:, :, None] - q.second[:, None], dim=-1)


def _sizes(q: Samples) -> Tensor:
    steps = q.first.abs()[:, :, None] + q.second.abs()[:, None]
    return steps.square().sum(-1).sqrt()


def _spread(points: Tensor) -> Tensor:
    return (points - points.mean(1, keepdim=True)).square().sum(-1).mean(-1)


def _spread_size(points: Tensor) -> Tensor:
    return (points.abs() + points.abs().mean(1, keepdim=True)).square().sum(-1).mean(-1)


Samples.VALUES = {
    em.distance: lambda q: q.least(_lengths(q)),
    em.gap: lambda q: (q.first.mean(1) - q.second.mean(1)).square().sum(-1),
    em.apart: lambda q: _lengths(q).mean((1, 2)),
    em.variance: lambda q: _lengths(q).flatten(1).var(-1, correction=0),
    em.spread_p: lambda q: _spread(q.first),
    em.spread_q: lambda q: _spread(q.second),
    em.along: lambda q: torch.linalg.vector_norm(q.first.mean(1) - q.second.mean(1), dim=-1),
    em.aside: Samples.aside,
}
Samples.MAGNITUDES = {
    em.distance: lambda q: q.least(_sizes(q)),
    em.gap: lambda q: (q.first.abs().mean(1) + q.second.abs().mean(1)).square().sum(-1),
    em.apart: lambda q: _sizes(q).mean((1, 2)),
    em.variance: lambda q: _sizes(q).square().mean((1, 2)),
    em.spread_p: lambda q: _spread_size(q.first),
    em.spread_q: lambda q: _spread_size(q.second),
    em.along: lambda q: Samples.MAGNITUDES[em.gap](q).sqrt(),
    em.aside: lambda q: 2 * q.least(_sizes(q)),
}


def draw(count: int, points: int, dimension: int, law: str, seed: int, device: str) -> Samples:
    """Draw `count` pairs of samples with `points` points; the second is scaled and shifted.

    Raises
    ------
    ValueError
        If `law` is not one of `LAWS`.
    """
    one_of("law", law, LAWS)
    normal = normals(seed, device)
    pair = [normal(count, points, dimension) for _ in range(2)]
    if law == "signs":
        pair = [sample.sign() for sample in pair]
    if law == "rare":
        pair = [sample**5 for sample in pair]
    scale, shift = normal(count, 1, 1).exp(), normal(count, 1, dimension)
    return Samples(pair[0], scale * pair[1] + shift)


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Numbers of points; small, as every pairing is tried."""
    del symbols
    return range(2, 7)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Samples]]:
    """Yield (points, pairs): `total` for each number of points, dimension and law, in chunks."""
    del domain
    cases = product(spec.sizes, DIMENSIONS, LAWS)
    for (points, dimension, law), count, stream in chunks(cases, total, CHUNK, seed):
        yield points, draw(count, points, dimension, law, stream, device)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the pairs."""
    del domain
    return {
        "numbers of points": list(spec.sizes),
        "dimensions": list(DIMENSIONS),
        "laws": list(LAWS),
        "distance": "over all pairings, listed",
        "dtype": "float64",
    }
