"""Random features of a linear model: the Hessian of its squared loss by autodiff.

If the domain requires uncorrelated features, they are integer combinations of disjoint sets of
orthogonal sign patterns: sums of integers, so correlations are exactly 0.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, apply, chunks, jacobian, normals
from bnproof.theory.claim import RandomTest
from bnproof.theory.symbols import delta_ki
from bnproof.theory.training import least_squares as quadratics

CHUNK: Final = 2_000
COUNT: Final = 3  # features drawn without correlation; correlated ones come in pairs


class Features(Measurements):
    """Symbols of `bnproof.theory.training.least_squares` on K data sets (K, m, features)."""

    def __init__(self, data: Tensor, target: Tensor) -> None:
        self.data, self.target = data, target

    @cached_property
    def centred(self) -> Tensor:
        """Features without their means."""
        return self.data - self.data.mean(1, keepdim=True)

    @cached_property
    def deviations(self) -> Tensor:
        """Biased standard deviations, (K, 1, features)."""
        return self.centred.square().mean(1, keepdim=True).sqrt()

    def hessian(self, features: Tensor) -> Tensor:
        """Hessian of the squared loss in the weights, by double backward, (K, p, p)."""
        weights = torch.zeros_like(features[:, 0]).requires_grad_()
        loss = ((apply(features, weights) - self.target).square().mean(-1) / 2).sum()
        gradient = torch.autograd.grad(loss, weights, create_graph=True)[0]
        return jacobian(gradient, weights)

    @cached_property
    def scaled(self) -> Tensor:
        """Hessian after feature scaling."""
        return self.hessian(self.centred / self.deviations)

    @cached_property
    def correlations(self) -> Tensor:
        """Correlations of all pairs of features, (K, p, p)."""
        products = self.centred.mT @ self.centred / self.data.shape[1]
        return products / (self.deviations.mT * self.deviations)

    @property
    def eye(self) -> Tensor:
        """The identity, (1, p, p)."""
        return torch.eye(self.data.shape[2], dtype=self.data.dtype, device=self.data.device)[None]


def _ratio(hessian: Tensor) -> Tensor:
    curvatures = torch.linalg.eigvalsh(hessian)
    return curvatures[:, -1] / curvatures[:, 0]


def _stretch(q: Features) -> Tensor:
    return _ratio(q.scaled)


def _uneven(q: Features) -> Tensor:
    ratio = _ratio(q.hessian(q.centred))
    return ratio + 1 / ratio


def _sizes(features: Tensor) -> Tensor:
    return features.abs().mT @ features.abs() / features.shape[1]


Features.VALUES = {
    quadratics.stretch: _stretch,
    quadratics.uneven: _uneven,
    quadratics.unshared: lambda q: 1 - q.correlations[:, 0, 1].square(),
    quadratics.first: lambda q: q.deviations[:, 0, 0],
    quadratics.second: lambda q: q.deviations[:, 0, 1],
    quadratics.correlation: lambda q: q.correlations[:, 0, 1],
    quadratics.largest_correlation: lambda q: (q.correlations * (1 - q.eye)).abs().amax((1, 2)),
    quadratics.scaled_ki: lambda q: q.scaled,
    quadratics.centred_ki: lambda q: q.hessian(q.centred),
    delta_ki: lambda q: q.eye,
}
Features.MAGNITUDES = {
    # Entries as large as the largest curvature cancel in the smallest one, the denominator.
    quadratics.stretch: lambda q: _stretch(q).square(),
    quadratics.unshared: lambda q: 1 + q.correlations[:, 0, 1].square(),
    quadratics.uneven: lambda q: _uneven(q).square(),
    quadratics.scaled_ki: lambda q: _sizes(q.centred / q.deviations),
    quadratics.centred_ki: lambda q: _sizes(q.centred),
}


def sign_patterns(m: int) -> Tensor:
    """Sylvester's Hadamard matrix, (m, m); its first column is constant.

    Raises
    ------
    ValueError
        If m is not a power of 2 or too small for three features.
    """
    if m < 2 * COUNT or m & (m - 1):
        raise ValueError(f"m = {m}: need a power of 2, at least 8")
    signs = torch.ones(1, 1, dtype=torch.float64)
    while len(signs) < m:
        signs = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64), signs)
    return signs


def draw(count: int, m: int, seed: int, device: str, *, correlated: bool) -> Features:
    """Draw `count` data sets of m samples: two correlated features, or three uncorrelated ones."""
    generator = torch.Generator().manual_seed(seed)
    normal = normals(generator)
    if correlated:
        data = normal(count, m, 2) @ normal(count, 2, 2) + normal(count, 1, 2)
    else:
        size = torch.randint(1, 5, (count, m - 1, 1), generator=generator).double()
        sign = 2 * torch.randint(2, (count, m - 1, 1), generator=generator).double() - 1
        owner = torch.arange(m - 1).remainder(COUNT)
        own = torch.nn.functional.one_hot(owner, COUNT).double()
        shift = torch.randint(-9, 10, (count, 1, COUNT), generator=generator).double()
        data = sign_patterns(m)[:, 1:] @ (size * sign * own) + shift
    return Features(data.to(device), normal(count, m).to(device))


def _correlated(domain: sp.Basic) -> bool:
    return quadratics.largest_correlation not in domain.free_symbols


def possible(symbols: Iterable[sp.Symbol]) -> tuple[int, ...]:
    """Numbers of samples: powers of 2, which features without correlation need."""
    del symbols
    return tuple(2**power for power in range(3, 10))


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Features]]:
    """Yield (m, data sets): `total` of each m, in chunks."""
    for m, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        yield m, draw(count, m, stream, device, correlated=_correlated(domain))


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the data sets."""
    return {
        "samples": list(spec.sizes),
        "features": "2, correlated" if _correlated(domain) else f"{COUNT}, uncorrelated",
        "dtype": "float64",
    }
